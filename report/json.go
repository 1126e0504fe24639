package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes the report in full; Read takes it back.
func JSON(w io.Writer, r *Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// Read reads a report that JSON wrote.
func Read(in io.Reader) (*Report, error) {
	var r Report
	dec := json.NewDecoder(in)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, fmt.Errorf("reading a saved report: %w", err)
	}
	if r.Tool.Name != "Hotpod" {
		return nil, fmt.Errorf("reading a saved report: this is not the output of hotpod scan -o json")
	}
	return &r, nil
}
