package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// JSON writes the report in full; Read takes it back.
func JSON(w io.Writer, r *Report) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("making JSON: %w", err)
	}
	if _, err := w.Write(withoutCommands(out.Bytes())); err != nil {
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
		return nil, errors.New("reading a saved report: this is not the output of hotpod scan -o json")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("reading a saved report: there is something behind the report")
	}
	return &r, nil
}
