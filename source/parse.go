package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// Limits bound what one file may cost. The input is a stranger's.
type Limits struct {
	FileBytes int64 // a larger file is not read
	Documents int   // documents of one file beyond this many are not read
}

// DefaultLimits are far above what real manifests need.
func DefaultLimits() Limits { return Limits{FileBytes: 16 << 20, Documents: 20_000} }

// maxListDepth bounds Lists inside of Lists.
const maxListDepth = 8

// Parse reads the objects of one file: YAML or JSON, any number of documents.
// A document that cannot be read is a problem and does not hide the others.
func Parse(path string, data []byte, limits Limits) ([]*Object, []Problem) {
	p := parser{path: path}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		p.fail(1, errors.New("the file is UTF-16, which kubectl refuses; save it as UTF-8"))
		return nil, p.problems
	}
	count := 0
	for line, text := range split(data) {
		if count++; count > limits.Documents {
			p.fail(line, fmt.Errorf("more than %d documents in one file; the rest was not read: split the file", limits.Documents))
			break
		}
		if relevant(text) {
			p.document(line, text)
		}
	}
	return p.objects, p.problems
}

type parser struct {
	path     string
	objects  []*Object
	problems []Problem
	template bool // a problem for template syntax was recorded: one a file is enough
}

func (p *parser) fail(line int, err error) {
	p.problems = append(p.problems, Problem{Position: Position{Path: p.path, Line: line}, Err: err, Incomplete: true})
}

// document reads one YAML document, or the JSON values that stand in its place.
func (p *parser) document(line int, text []byte) {
	// The document outlives the file's buffer, which may be large.
	doc := &document{path: p.path, line: line, text: bytes.Clone(text)}
	if raw, ok := jsonValues(doc.text); ok {
		for _, v := range raw {
			p.value(&document{path: p.path, line: line + bytes.Count(doc.text[:v.start], []byte("\n")), text: doc.text[v.start:v.end]}, doc.text[v.start:v.end])
		}
		return
	}
	raw, err := toJSON(doc.text)
	if err != nil {
		var dup *duplicateError
		if !errors.As(err, &dup) {
			p.unreadable(doc, err)
			return
		}
		if !looksLikeObject(raw) {
			return
		}
		p.problems = append(p.problems, Problem{
			Position: Position{Path: p.path, Line: doc.fileLine(dup.line)}, Err: dup, Incomplete: dup.swallows(),
		})
	}
	p.value(doc, raw)
}

// value takes one JSON value of a document: an object, a List, or nothing of ours.
func (p *parser) value(doc *document, raw []byte) {
	if !looksLikeObject(raw) {
		return
	}
	at := Origin{Path: p.path, Line: doc.line, doc: doc}
	p.object(raw, at, header{}, 0)
}

// looksLikeObject tells a Kubernetes object from other YAML: it is a map with
// both apiVersion and kind, whatever their types.
func looksLikeObject(raw []byte) bool {
	var o struct {
		APIVersion any `json:"apiVersion"`
		Kind       any `json:"kind"`
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(raw, &o) == nil && o.APIVersion != nil && o.Kind != nil
}

func (p *parser) object(raw []byte, at Origin, inherit header, depth int) {
	var head struct {
		header
		Items json.RawMessage `json:"items"`
		Type  any             `json:"type"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &head); err != nil {
		p.fail(at.doc.position(at.prefix).Line, fmt.Errorf("not a Kubernetes object: %w", cleanJSON(err)))
		return
	}
	if head.Kind == "" {
		head.Kind, head.APIVersion = inherit.Kind, inherit.APIVersion
	}
	items, err := listItems(head.Kind, head.Items)
	switch {
	case err != nil:
		p.fail(at.doc.position(at.prefix).Line, err)
		return
	case items != nil && depth == maxListDepth:
		p.fail(at.Line, fmt.Errorf("more than %d Lists inside each other", maxListDepth))
		return
	case items == nil && head.Kind == "Secret" && !credentialType(head.Type):
		return // its data is nobody's business here
	case items == nil:
		p.objects = append(p.objects, head.object(raw, at))
		return
	}
	item := header{APIVersion: head.APIVersion, Kind: strings.TrimSuffix(head.Kind, "List")}
	for i, raw := range items {
		in := at
		in.prefix = append(append([]any{}, at.prefix...), "items", i)
		p.object(raw, in, item, depth+1)
	}
}

// listItems gives the items of a list, nil where it is none. kubectl takes all
// that has items for a list; we do so where one of them is an object.
func listItems(kind string, raw json.RawMessage) ([]json.RawMessage, error) {
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	var items []json.RawMessage
	isList := strings.HasSuffix(kind, "List")
	switch err := json.Unmarshal(raw, &items); {
	case err != nil && isList:
		return nil, errors.New("items of a List are not a list")
	case err != nil, !isList && !slices.ContainsFunc(items, func(item json.RawMessage) bool { return looksLikeObject(item) }):
		return nil, nil
	}
	return items, nil
}

func credentialType(t any) bool {
	s, _ := t.(string)
	return s == "kubernetes.io/service-account-token" || s == "bootstrap.kubernetes.io/token"
}

// unreadable records a document that no decoder takes.
func (p *parser) unreadable(doc *document, err error) {
	if bytes.Contains(doc.text, []byte("{{")) {
		if !p.template {
			p.template = true
			p.fail(doc.line, &TemplateError{Cause: err})
		}
		return
	}
	line, text := yamlError(err)
	p.fail(doc.fileLine(line), fmt.Errorf("not valid YAML: %s", text))
}

// TemplateError says that a file is a template and must be rendered first.
type TemplateError struct {
	Chart string // the chart that the file belongs to, if one is known
	Cause error
}

func (e *TemplateError) Error() string {
	if e.Chart != "" {
		return fmt.Sprintf("looks like a template of chart '%s': not read; render the chart (helm template) and scan the result", e.Chart)
	}
	return "looks like a template ({{ }}): not read; render it and scan the result"
}

func (e *TemplateError) Unwrap() error { return e.Cause }

// duplicateError says that a key stands twice in one map; the last one won.
type duplicateError struct {
	line int // within the document
	key  string
}

// swallows tells whether the repeated key belongs to a whole object: then a
// "---" is missing, and of two objects only a mixture was read.
func (e *duplicateError) swallows() bool { return e.key == `"kind"` }

func (e *duplicateError) Error() string {
	if e.swallows() {
		return "two objects in one document: a line of --- is missing between them, and kubectl refuses the file"
	}
	return fmt.Sprintf("key %s is given twice; the last one counts here, and kubectl refuses the file unless --validate is off", e.key)
}

var duplicateKey = regexp.MustCompile(`line (\d+): key (.*) already set in map`)

// toJSON converts YAML as kubectl does. Where a key stands twice the JSON,
// with the last one, comes together with a duplicateError.
func toJSON(text []byte) (raw []byte, err error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("yaml: line %d: invalid UTF-8", invalidLine(text))
	}
	raw, err = yaml.YAMLToJSONStrict(text)
	if err == nil {
		return raw, nil
	}
	dup := newDuplicateError(err)
	if dup == nil {
		return nil, err
	}
	if raw, err = yaml.YAMLToJSON(text); err != nil {
		return nil, err
	}
	return raw, dup
}

// newDuplicateError reads the parser's list of repeated keys: the first of
// them, or kind if it is one, since that says more. It is nil for other errors.
func newDuplicateError(err error) *duplicateError {
	var dup *duplicateError
	for _, match := range duplicateKey.FindAllStringSubmatch(err.Error(), -1) {
		if dup == nil {
			dup = &duplicateError{key: match[2]}
			dup.line, _ = strconv.Atoi(match[1])
		}
		if match[2] == `"kind"` {
			dup.key = match[2]
		}
	}
	return dup
}

func invalidLine(text []byte) int {
	line := 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		text = text[size:]
	}
	return line
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlError takes the line out of a YAML error, which names the first one
// that it knows of.
func yamlError(err error) (line int, text string) {
	text = err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if match := yamlLine.FindStringSubmatchIndex(text); match != nil {
		line, _ = strconv.Atoi(text[match[2]:match[3]])
		text = text[:match[0]] + text[match[1]:]
	}
	text, _, _ = strings.Cut(text, "\n")
	return line, text
}

func cleanJSON(err error) error {
	var typed *json.UnmarshalTypeError
	if !errors.As(err, &typed) {
		return err
	}
	field := cmp.Or(strings.TrimPrefix(typed.Field, "header."), "it")
	return fmt.Errorf("%s is of the wrong type, %s", field, typed.Value)
}

type span struct{ start, end int }

// jsonValues finds the JSON values that make up the whole text. kubectl too
// reads text that opens with a brace as a stream of JSON values.
func jsonValues(text []byte) ([]span, bool) {
	if t := bytes.TrimLeft(text, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return nil, false
	}
	var all []span
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		var v json.RawMessage
		err := dec.Decode(&v)
		if err == io.EOF {
			return all, true
		}
		if err != nil {
			return nil, false // flow-style YAML, or broken: the YAML parser says which
		}
		end := int(dec.InputOffset())
		all = append(all, span{end - len(v), end})
	}
}

// splitAPIVersion gives group and version: "" and v1 for the core group.
func splitAPIVersion(apiVersion string) (group, version string) {
	if group, version, found := strings.Cut(apiVersion, "/"); found {
		return group, version
	}
	return "", apiVersion
}
