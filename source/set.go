package source

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Set gives the edit that sets a field of the map at a path to a value: a word
// or number that YAML and JSON write alike. A new field goes behind the first
// of the fields in after that the map has, else to its top. The text around it
// stays as it is, byte for byte.
//
// Set refuses where an edit of text would change more than the one field, or
// where it cannot tell.
func (o *Object) Set(path []any, name, value string, after ...string) (Edit, error) {
	d := o.Origin.doc
	if d == nil {
		return Edit{}, errors.New("no file holds it")
	}
	if d.prepare(); d.root == nil {
		return Edit{}, errors.New("the places in its text are not known")
	}
	if lineBreaks.Match(d.text) {
		return Edit{}, errors.New("a line of its text ends in an unusual way")
	}
	full := slices.Concat(o.Origin.prefix, path)
	key, m, err := d.own(full)
	if err != nil {
		return Edit{}, err
	}
	s := setter{document: d, key: key, m: m, name: name, value: value, after: after}
	e, err := s.edit()
	if err != nil {
		return Edit{}, err
	}
	e.Path, e.Line = d.path, e.Line+d.line-1
	e.doc, e.to, e.value = d, append(full, name), value
	return e, nil
}

// lineBreaks are what ends a line in YAML but not in most other readers of text.
var lineBreaks = regexp.MustCompile(`\r[^\n]|\r$|[\x{85}\x{2028}\x{2029}]`)

// own finds the map at a path, and the key that holds it. What other parts of
// the document share with it is refused.
func (d *document) own(path []any) (key, m *yaml.Node, err error) {
	m = d.root
	for _, step := range path {
		k, v := child(m, step)
		if v == nil {
			return nil, nil, fmt.Errorf("%v is not in the text", step)
		}
		_, named := step.(string)
		switch {
		case named && !slices.Contains(m.Content, k):
			return nil, nil, fmt.Errorf("%v is merged in (<<) and may be used elsewhere too", step)
		case v.Kind == yaml.AliasNode:
			return nil, nil, fmt.Errorf("%v is an alias (*%s), so others share it", step, v.Value)
		case v.Anchor != "" && aliased(d.root, v):
			return nil, nil, fmt.Errorf("%v has an anchor (&%s), and others share it", step, v.Anchor)
		}
		key, m = k, v
	}
	if m.Kind != yaml.MappingNode || len(m.Content) == 0 {
		return nil, nil, errors.New("there is no map that could take the field")
	}
	return key, m, nil
}

// aliased tells whether an alias below n stands for the node.
func aliased(n, node *yaml.Node) bool {
	return n.Alias == node || slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return aliased(c, node) })
}

// setter sets one field of one map. Lines are those of the document.
type setter struct {
	*document
	key, m      *yaml.Node // key is nil for the root
	name, value string
	after       []string
}

func (s *setter) edit() (Edit, error) {
	if k, v := s.entry(s.name); v != nil {
		return s.replace(k, v)
	}
	if _, v := field(s.m, s.name, 0); v != nil {
		return Edit{}, fmt.Errorf("%s is merged in (<<) and may be used elsewhere too", s.name)
	}
	if s.m.Style&yaml.FlowStyle != 0 {
		return s.insertInFlow()
	}
	return s.insertInBlock()
}

// entry finds a field of the map itself, not of maps that are merged into it.
func (s *setter) entry(name string) (key, value *yaml.Node) {
	for i := len(s.m.Content) - 2; i >= 0; i -= 2 {
		if s.m.Content[i].Kind == yaml.ScalarNode && s.m.Content[i].Value == name {
			return s.m.Content[i], s.m.Content[i+1]
		}
	}
	return nil, nil
}

// replace puts the value in place of the one that the field has.
func (s *setter) replace(k, v *yaml.Node) (Edit, error) {
	length, ok := s.oneLine(v)
	if !ok || v.Line != k.Line {
		return Edit{}, fmt.Errorf("%s has a value that is not a plain word", s.name)
	}
	return Edit{Position: Position{Line: v.Line, Column: v.Column, EndColumn: v.Column + length}, Text: s.value}, nil
}

// insertInFlow puts the field before the first of its map, or before that
// behind which it is at home, in the style of what is there.
func (s *setter) insertInFlow() (Edit, error) {
	next, value := s.m.Content[0], s.m.Content[1]
	for _, name := range s.after {
		if k, v := s.entry(name); k != nil {
			next, value = k, v
			break
		}
	}
	length, ok := s.oneLine(next)
	if !ok {
		return Edit{}, errors.New("its fields are written in an unusual way")
	}
	name, colon, gap := s.name, ": ", " "
	if next.Style&yaml.DoubleQuotedStyle != 0 { // as in JSON, which may do without the blank
		name = `"` + name + `"`
		if value.Line == next.Line {
			colon = string(s.between(next.Line, next.Column+length, value.Column))
		}
	}
	if strings.TrimSpace(colon) != ":" {
		return Edit{}, errors.New("its fields are written in an unusual way")
	}
	if colon == ":" {
		gap = ""
	}
	if blank, own := s.ownLine(next); own {
		gap = s.lineBreak(next.Line) + blank
	}
	at := Position{Line: next.Line, Column: next.Column, EndColumn: next.Column}
	return Edit{Position: at, Text: name + colon + s.value + "," + gap}, nil
}

// insertInBlock puts the field on a line of its own: behind the fields where it
// is at home, or at the top of the map.
func (s *setter) insertInBlock() (Edit, error) {
	unusual := errors.New("its fields are written in an unusual way")
	first := s.m.Content[0]
	if !s.plainKey(first) {
		return Edit{}, unusual
	}
	for _, name := range s.after {
		if k, v := s.entry(name); k != nil {
			if last, ok := s.lastLine(v); ok {
				return s.insertLine(last), nil
			}
		}
	}
	if s.key != nil && s.onlyComments(s.key, first.Line) {
		return s.insertLine(s.key.Line), nil
	}
	for i := 0; i < len(s.m.Content); i += 2 {
		k := s.m.Content[i]
		if _, own := s.ownLine(k); own && s.plainKey(k) && k.Line > 1 {
			return s.insertLine(k.Line - 1), nil
		}
	}
	return Edit{}, unusual
}

// plainKey tells whether a key has its colon behind it and no question mark
// before it, so that its map begins where it does.
func (s *setter) plainKey(k *yaml.Node) bool {
	length, ok := s.oneLine(k)
	before, _ := s.ownLine(k)
	return ok && strings.Trim(before, " -") == "" && bytes.HasPrefix(s.rest(k.Line, k.Column+length), []byte(":"))
}

// onlyComments tells whether nothing but its colon and comments stands between
// a key and the line of its value.
func (s *setter) onlyComments(key *yaml.Node, to int) bool {
	length, ok := s.oneLine(key)
	if !ok || key.Line >= to || !empty(s.rest(key.Line, key.Column+length), ":") {
		return false
	}
	for line := key.Line + 1; line < to; line++ {
		if !empty(append([]byte(" "), s.lineText(line)...), "") {
			return false
		}
	}
	return true
}

// insertLine puts the field on a new line behind a line.
func (s *setter) insertLine(line int) Edit {
	text := strings.Repeat(" ", s.m.Content[0].Column-1) + s.name + ": " + s.value
	end := s.lineBreak(line)
	if line < len(s.starts) || bytes.HasSuffix(s.text, []byte("\n")) {
		return Edit{Position: Position{Line: line + 1, Column: 1, EndColumn: 1}, Text: text + end}
	}
	column := len(bytes.Runes(s.lineText(line))) + 1
	return Edit{Position: Position{Line: line, Column: column, EndColumn: column}, Text: end + text}
}

// lastLine gives the line on which the text of a value ends, where that is
// certain: its last scalar stands on one line, and nothing but a comment
// follows there.
func (s *setter) lastLine(n *yaml.Node) (int, bool) {
	for n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode {
		if n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0 {
			return 0, false
		}
		n = n.Content[len(n.Content)-1]
	}
	length, ok := s.oneLine(n)
	return n.Line, ok && empty(s.rest(n.Line, n.Column+length), "")
}

// oneLine gives the length of a scalar in characters, where its place is
// certain and it ends on the line on which it begins: its text read alone gives
// its value.
func (s *setter) oneLine(n *yaml.Node) (length int, ok bool) {
	rest := s.rest(n.Line, n.Column)
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Anchor != "" || n.Style&(yaml.TaggedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return 0, false
	}
	text := rest[:token(rest, n)]
	var alone yaml.Node
	if yaml.Unmarshal(text, &alone) != nil || len(alone.Content) != 1 || alone.Content[0].Value != n.Value || alone.Content[0].Kind != yaml.ScalarNode {
		return 0, false
	}
	return len(bytes.Runes(text)), true
}

// ownLine tells whether nothing but blanks stands before a node on its line.
func (s *setter) ownLine(n *yaml.Node) (blanks string, ok bool) {
	before := s.between(n.Line, 1, n.Column)
	return string(before), len(bytes.TrimSpace(before)) == 0
}

// rest is the text of a line from a column on.
func (d *document) rest(line, column int) []byte { return skipRunes(d.lineText(line), column-1) }

// between is the text of a line between two columns.
func (d *document) between(line, from, to int) []byte {
	rest := d.rest(line, from)
	return rest[:len(rest)-len(skipRunes(rest, to-from))]
}

// lineBreak is how a line ends; for the last line without an end, the first.
func (d *document) lineBreak(line int) string {
	for _, l := range []int{line, 1} {
		start := d.starts[l-1]
		switch text := d.text[start:lineEnd(d.text, start)]; {
		case bytes.HasSuffix(text, []byte("\r\n")):
			return "\r\n"
		case bytes.HasSuffix(text, []byte("\n")):
			return "\n"
		}
	}
	return "\n"
}

// empty tells whether text holds nothing but what is expected, blanks and a
// comment.
func empty(text []byte, expected string) bool {
	text, found := bytes.CutPrefix(text, []byte(expected))
	trimmed := bytes.TrimLeft(text, " \t")
	return found && (len(trimmed) == 0 || (trimmed[0] == '#' && len(trimmed) < len(text)))
}
