package source

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// document is the text of one YAML document. Its nodes are parsed on first
// use, since most documents are never asked for a place.
type document struct {
	path string
	line int // 1-based line of the file at which text starts
	text []byte

	parse sync.Once
	root  *yaml.Node // nil where the text has no nodes

	measure sync.Once
	starts  []int // offset of each line
	lines   []int // the same as YAML counts lines, for places of nodes
}

func (d *document) nodes() *yaml.Node {
	d.parse.Do(func() {
		var n yaml.Node
		if yaml.Unmarshal(d.text, &n) == nil && len(n.Content) > 0 {
			d.root = n.Content[0]
		}
	})
	return d.root
}

// prepare parses the text and finds its lines.
func (d *document) prepare() {
	d.nodes()
	d.measureLines()
}

func (d *document) measureLines() {
	d.measure.Do(func() {
		d.starts = lineStarts(d.text, lineEnd)
		d.lines = d.starts
		if oddBreaks(d.text) {
			d.lines = lineStarts(d.text, yamlLineEnd)
		}
	})
}

func lineStarts(text []byte, end func([]byte, int) int) []int {
	var starts []int
	for pos := 0; pos < len(text); pos = end(text, pos) {
		starts = append(starts, pos)
	}
	return starts
}

func (d *document) position(path []any) Position {
	root := d.nodes()
	if root == nil {
		return d.firstContent()
	}
	return d.region(locate(root, path))
}

// locate walks down the path as far as the nodes go and returns the node at
// which to point. A step into a map or list is pointed at by its key.
func locate(root *yaml.Node, path []any) *yaml.Node {
	point, at := root, root
	for _, step := range path {
		key, value := child(at, step)
		if value == nil {
			break
		}
		at = resolve(value)
		if key == value && absent(value) {
			continue // an item of which there is no text
		}
		point = key
		if value.Kind == yaml.AliasNode || (value.Kind == yaml.ScalarNode && !absent(value)) {
			point = value
		}
	}
	return point
}

// absent tells whether a scalar is a null that nothing was written for.
func absent(n *yaml.Node) bool { return n.Value == "" && n.Style == 0 && n.Anchor == "" }

// child finds the key and the value node of one step; for a list item, which
// has no key, the item stands for both.
func child(at *yaml.Node, step any) (key, value *yaml.Node) {
	switch s := step.(type) {
	case string:
		if at.Kind == yaml.MappingNode {
			return field(at, s, 0)
		}
	case int:
		if at.Kind == yaml.SequenceNode && s >= 0 && s < len(at.Content) {
			item := at.Content[s]
			return firstOf(item), item
		}
	}
	return nil, nil
}

// maxMerges bounds how deep "<<" merges are followed.
const maxMerges = 32

// field finds a field of a mapping: the last of equal keys wins, as in the
// decoder, and a key of the mapping itself wins over a merged one.
func field(m *yaml.Node, name string, depth int) (key, value *yaml.Node) {
	if depth > maxMerges {
		return nil, nil
	}
	for i := len(m.Content) - 2; i >= 0; i -= 2 {
		if resolve(m.Content[i]).Value == name {
			return m.Content[i], m.Content[i+1]
		}
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Tag != "!!merge" && m.Content[i].Value != "<<" {
			continue
		}
		for _, source := range mergeSources(m.Content[i+1]) {
			if key, value = field(source, name, depth+1); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}

func mergeSources(n *yaml.Node) []*yaml.Node {
	n = resolve(n)
	switch n.Kind {
	case yaml.MappingNode:
		return []*yaml.Node{n}
	case yaml.SequenceNode:
		var all []*yaml.Node
		for _, item := range n.Content {
			if item = resolve(item); item.Kind == yaml.MappingNode {
				all = append(all, item)
			}
		}
		return all
	}
	return nil
}

// resolve follows an alias to its anchor.
func resolve(n *yaml.Node) *yaml.Node {
	for range maxMerges {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			return n
		}
		n = n.Alias
	}
	return n
}

// firstOf gives the node whose text opens a list item: its first key.
func firstOf(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return n.Content[0]
	}
	return n
}

// region gives the part of the node's first line that belongs to it.
func (d *document) region(n *yaml.Node) Position {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 {
		n = firstOf(n)
	}
	d.measureLines()
	start := d.yamlLine(n.Line)
	line := bytes.TrimRight(d.text[start:yamlLineEnd(d.text, start)], "\r\n\u0085\u2028\u2029")
	rest := skipRunes(line, n.Column-1)
	offset := start + len(line) - len(rest)
	row := d.row(offset)
	p := Position{Path: d.path, Line: d.line + row, Column: 1 + utf8.RuneCount(d.text[d.starts[row]:offset])}
	p.EndColumn = p.Column + max(1, utf8.RuneCount(rest[:token(rest, n)]))
	return p
}

// yamlLine gives the offset of a line as YAML counts them from 1. Errors may
// name the one behind the last.
func (d *document) yamlLine(line int) int {
	return d.lines[min(max(line, 1), len(d.lines))-1]
}

// row gives the line of the text, from 0, in which an offset is.
func (d *document) row(offset int) int {
	row, found := slices.BinarySearch(d.starts, offset)
	if !found {
		row--
	}
	return row
}

// fileLine gives the line of the file for one that the YAML parser names.
func (d *document) fileLine(line int) int {
	d.measureLines()
	return d.line + d.row(d.yamlLine(line))
}

// token gives the length in bytes of the text of node n at the start of rest.
func token(rest []byte, n *yaml.Node) int {
	switch {
	case len(rest) == 0:
		return 0
	case n.Kind == yaml.AliasNode:
		return min(len(rest), len(n.Value)+1)
	case n.Kind != yaml.ScalarNode:
		return 1 // a flow map or list: its bracket
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return quoted(rest, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return quoted(rest, '\'')
	case bytes.HasPrefix(rest, []byte(n.Value)):
		return len(n.Value)
	}
	return len(rest)
}

// quoted gives the length of the quoted string that rest begins with, behind
// a tag or an anchor if there is one, or of rest where the string goes on on
// the next line.
func quoted(rest []byte, quote byte) int {
	start := bytes.IndexByte(rest, quote)
	if start < 0 {
		return len(rest)
	}
	for i := start + 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && quote == '"':
			i++
		case rest[i] == quote && quote == '\'' && i+1 < len(rest) && rest[i+1] == quote:
			i++
		case rest[i] == quote:
			return i + 1
		}
	}
	return len(rest)
}

// lineText gives a line of the document, counted from 1, without its end.
func (d *document) lineText(line int) []byte {
	d.measureLines()
	if line < 1 || line > len(d.starts) {
		return nil
	}
	start := d.starts[line-1]
	return bytes.TrimRight(d.text[start:lineEnd(d.text, start)], "\r\n")
}

// firstContent places the document as a whole, where it has no nodes.
func (d *document) firstContent() Position {
	for pos, line := 0, 0; pos < len(d.text); line++ {
		end := lineEnd(d.text, pos)
		if text := bytes.TrimSpace(d.text[pos:end]); len(text) > 0 && text[0] != '#' {
			return Position{Path: d.path, Line: d.line + line, Column: 1, EndColumn: 2}
		}
		pos = end
	}
	return Position{Path: d.path, Line: d.line, Column: 1, EndColumn: 2}
}

// skipRunes leaves out the first n characters, eight at once where they are
// ASCII, since lines may be long.
func skipRunes(text []byte, n int) []byte {
	const high = 0x8080808080808080
	for n > 0 && len(text) > 0 {
		size, runes := 0, 1
		if n >= 8 && len(text) >= 8 && binary.LittleEndian.Uint64(text)&high == 0 {
			size, runes = 8, 8
		} else {
			_, size = utf8.DecodeRune(text)
		}
		text, n = text[size:], n-runes
	}
	return text
}
