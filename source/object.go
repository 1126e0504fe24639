// Package source turns the bytes of manifests into objects that remember
// where they came from.
//
// Meaning and place are kept apart. Meaning is read as kubectl reads it: YAML
// to JSON, then JSON with case-sensitive names. Places come from the YAML
// nodes of the same bytes, and only for the few objects that are asked.
package source

import (
	"bytes"
	"errors"
	"fmt"

	kjson "sigs.k8s.io/json"
)

// Object is one Kubernetes object as a manifest states it: nothing is
// defaulted. Namespace is empty where the manifest names none.
type Object struct {
	APIVersion string
	Kind       string
	Namespace  string
	Name       string
	Origin     Origin

	json []byte // the object alone, as JSON
}

// Origin is the text that an object was read from.
type Origin struct {
	Path string // slash-separated; see Tree for what it is relative to
	Line int    // 1-based line of Path at which the object's document starts

	doc    *document
	prefix []any // where the object stands inside its document: items of a List
}

// Position is a place on one line of a file. Lines and columns count from 1;
// columns count Unicode code points; EndColumn is exclusive. A Position with
// Line 0 means the file as a whole.
type Position struct {
	Path      string
	Line      int
	Column    int
	EndColumn int
}

// String gives path:line:column, as compilers and editors write it.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.Path
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.Path, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.Path, p.Line, p.Column)
}

// Problem is something that could not be read or understood. It is data, not
// an abort: the rest of the input is still judged.
type Problem struct {
	Position Position
	Err      error
	// Incomplete says that something which might carry a risk was not judged.
	// Without it the problem is a note: the input is odd, but was understood.
	Incomplete bool
}

// Group is the API group of the object: "" for core.
func (o *Object) Group() string {
	group, _ := splitAPIVersion(o.APIVersion)
	return group
}

// String names the object as messages do: Kind 'namespace/name'.
func (o *Object) String() string {
	if o.Namespace == "" {
		return fmt.Sprintf("%s '%s'", o.Kind, o.Name)
	}
	return fmt.Sprintf("%s '%s/%s'", o.Kind, o.Namespace, o.Name)
}

// Decode reads the object into a Kubernetes type with the API server's own
// JSON decoder: names of fields are case-sensitive, unknown fields are passed
// over. The error says which field has the wrong type.
func (o *Object) Decode(into any) error {
	if len(o.json) == 0 {
		return errors.New("object has no content")
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(o.json, into); err != nil {
		return fmt.Errorf("decoding %s: %w", o, err)
	}
	return nil
}

// At gives the place of the element at a path of field names (string) and
// list indexes (int), such as At("rules", 2, "verbs", 0). A scalar is placed
// at itself, a map or list at the key that holds it. Where the manifest has
// no such element the nearest ancestor that it has stands in; At never fails.
func (o *Object) At(path ...any) Position {
	if o.Origin.doc == nil {
		return Position{Path: o.Origin.Path, Line: o.Origin.Line}
	}
	full := make([]any, 0, len(o.Origin.prefix)+len(path))
	full = append(append(full, o.Origin.prefix...), path...)
	return o.Origin.doc.position(full)
}

// Document gives the text of the object's whole YAML document and the line of
// its file at which that text starts. Items of one List share a document.
func (o *Object) Document() (text []byte, line int) {
	if o.Origin.doc == nil {
		return nil, o.Origin.Line
	}
	return o.Origin.doc.text, o.Origin.doc.line
}

// Equal tells whether two objects say the same, wherever they stand.
func (o *Object) Equal(other *Object) bool { return bytes.Equal(o.json, other.json) }

// Made gives an object that no file holds, from its JSON: shipped objects and
// objects of a live cluster. The path is a pseudo path, and may be empty.
func Made(path string, raw []byte) (*Object, error) {
	var head header
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &head); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	return head.object(raw, Origin{Path: path}), nil
}

// header is the part of an object that says what it is.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
}

func (h header) object(raw []byte, at Origin) *Object {
	return &Object{
		APIVersion: h.APIVersion,
		Kind:       h.Kind,
		Namespace:  h.Metadata.Namespace,
		Name:       h.Metadata.Name,
		Origin:     at,
		json:       raw,
	}
}

// Excerpt gives the line of a position; where it has more than max characters
// the element alone, at most as many, and its column. Machines write whole
// files on one line, secrets among them, and each place on it would repeat
// them.
func (o *Object) Excerpt(at Position, max int) (text string, from int) {
	if o.Origin.doc == nil || at.Line < o.Origin.doc.line {
		return "", 0
	}
	line := o.Origin.doc.lineText(at.Line - o.Origin.doc.line + 1)
	if len(skipRunes(line, max)) == 0 {
		return string(line), 0
	}
	if at.Column == 0 {
		return "", 0
	}
	element := skipRunes(line, at.Column-1)
	rest := skipRunes(element, min(at.EndColumn-at.Column, max))
	return string(element[:len(element)-len(rest)]), at.Column
}
