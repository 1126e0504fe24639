package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Edit is a change to one line of a file: Text takes the place of what stands
// between Column and EndColumn, which is nothing where they are equal.
type Edit struct {
	Position
	Text string

	doc   *document
	to    []any // the path of the field in the document, and what it is set to
	value string
}

// bom is the byte order mark that some editors put before a text; it belongs to
// no document.
const bom = "\ufeff"

// Apply makes edits, all of one file, to its content. It refuses where that is
// not the content from which the edits were made, or where the result would
// differ in meaning by more than the fields that they set.
func Apply(content []byte, edits []Edit) ([]byte, error) {
	byDoc := map[*document][]Edit{}
	var docs []*document
	for _, e := range edits {
		if byDoc[e.doc] == nil {
			docs = append(docs, e.doc)
		}
		byDoc[e.doc] = append(byDoc[e.doc], e)
	}
	slices.SortFunc(docs, func(a, b *document) int { return cmp.Compare(a.line, b.line) })
	body := bytes.TrimPrefix(content, []byte(bom))
	out := slices.Clone(content[:len(content)-len(body)])
	line := 1
	for _, d := range docs {
		for ; line < d.line && len(body) > 0; line++ {
			end := lineEnd(body, 0)
			out, body = append(out, body[:end]...), body[end:]
		}
		if line != d.line || !bytes.HasPrefix(body, d.text) {
			return nil, errors.New("the file is not what was read: it has changed, or several JSON values share a line")
		}
		text, err := d.apply(byDoc[d])
		if err != nil {
			return nil, err
		}
		out, body, line = append(out, text...), body[len(d.text):], line+bytes.Count(d.text, []byte("\n"))
	}
	return append(out, body...), nil
}

// apply makes edits to the text of the document.
func (d *document) apply(edits []Edit) ([]byte, error) {
	var out []byte
	done := 0
	for _, e := range inOrder(edits) {
		from, to := d.offset(e.Line, e.Column), d.offset(e.Line, e.EndColumn)
		if from < done {
			return nil, fmt.Errorf("%s: two edits meet", e.Position)
		}
		out, done = append(append(out, d.text[done:from]...), e.Text...), to
	}
	out = append(out, d.text[done:]...)
	return out, d.verify(out, edits)
}

// inOrder sorts edits and drops repetitions.
func inOrder(edits []Edit) []Edit {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return slices.CompactFunc(edits, func(a, b Edit) bool { return a.Position == b.Position && a.Text == b.Text })
}

// offset gives where in the text a place of the file is.
func (d *document) offset(line, column int) int {
	n := line - d.line
	if n >= len(d.starts) {
		return len(d.text)
	}
	rest := d.text[d.starts[n]:]
	return len(d.text) - len(skipRunes(rest, column-1))
}

// verify wants the new text to say what the old one does, but for the fields
// that the edits set.
func (d *document) verify(text []byte, edits []Edit) error {
	want, err := meaning(d.text)
	if err != nil {
		return err
	}
	for _, e := range edits {
		var value any
		if err := json.Unmarshal([]byte(e.value), &value); err != nil {
			return fmt.Errorf("setting a field to %s: %w", e.value, err)
		}
		set(want, e.to, value)
	}
	got, err := meaning(text)
	if err != nil {
		return fmt.Errorf("an edit would break the file: %w", err)
	}
	if !reflect.DeepEqual(want, got) {
		return errors.New("an edit would change more than it should")
	}
	return nil
}

// meaning is what a document says, whatever its style.
func meaning(text []byte) (v any, err error) {
	raw := text
	if !json.Valid(text) {
		var dup *duplicateError
		if raw, err = toJSON(text); err != nil && !errors.As(err, &dup) {
			return nil, err
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// set puts a value at a path whose maps and lists are there.
func set(v any, path []any, value any) {
	for i, step := range path {
		switch at := v.(type) {
		case map[string]any:
			name, _ := step.(string)
			if i == len(path)-1 {
				at[name] = value
				return
			}
			v = at[name]
		case []any:
			if n, ok := step.(int); ok && n < len(at) {
				v = at[n]
			}
		}
	}
}
