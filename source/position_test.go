package source_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/source"
)

type path = []any

// first parses a text and gives its first object.
func first(t testing.TB, text string) *source.Object {
	t.Helper()
	objects, problems := source.Parse("f.yaml", []byte(text), source.DefaultLimits())
	for _, p := range problems {
		if p.Incomplete {
			t.Fatalf("%s: %v", p.Position, p.Err)
		}
	}
	if len(objects) == 0 {
		t.Fatalf("no object in %q", text)
	}
	return objects[0]
}

// words gives what a position covers.
func words(text string, p source.Position) string {
	lines := strings.Split(text, "\n")
	if p.Line < 1 || p.Line > len(lines) {
		return fmt.Sprintf("line %d of %d", p.Line, len(lines))
	}
	line := []rune(strings.TrimSuffix(lines[p.Line-1], "\r"))
	if p.Column < 1 || p.EndColumn <= p.Column || p.EndColumn > len(line)+1 {
		return fmt.Sprintf("columns %d to %d of %d", p.Column, p.EndColumn, len(line))
	}
	return string(line[p.Column-1 : p.EndColumn-1])
}

func TestAt(t *testing.T) {
	const head = "apiVersion: v1\nkind: Role\n"
	for _, tt := range []struct {
		name, text string
		path       path
		line       int
		want       string // the text that the position covers
	}{
		{"a plain scalar", head + "a: word\n", path{"a"}, 3, "word"},
		{"a scalar with spaces", head + "a: two words # no\n", path{"a"}, 3, "two words"},
		{"in double quotes", head + "a: \"a \\\" b\" # no\n", path{"a"}, 3, `"a \" b"`},
		{"in single quotes", head + "a: 'a '' b' # no\n", path{"a"}, 3, `'a '' b'`},
		{"in quotes over lines", head + "a: \"one\n  two\"\n", path{"a"}, 3, `"one`},
		{"plain over lines", head + "a: one\n  two\n", path{"a"}, 3, "one"},
		{"a block scalar", head + "a: |\n  one\n  two\n", path{"a"}, 3, "|"},
		{"a number", head + "a: 12\n", path{"a"}, 3, "12"},
		{"nothing", head + "a:\nb: c\n", path{"a"}, 3, "a"},
		{"nothing at the end", head + "a:", path{"a"}, 3, "a"},
		{"nothing in a list", head + "a: [b,]\n", path{"a", 0}, 3, "b"},
		{"a tagged scalar", head + "a: !!str 7\n", path{"a"}, 3, "!!str 7"},

		{"a map at its key", head + "a:\n  b: c\n", path{"a"}, 3, "a"},
		{"a key in quotes", head + "\"a\":\n  b: c\n", path{"a"}, 3, `"a"`},
		{"a flow map at its key", head + "a: {b: c}\n", path{"a"}, 3, "a"},
		{"a field of a flow map", head + "a: {b: c, d: e}\n", path{"a", "d"}, 3, "e"},
		{"a field of a flow map over lines", head + "a: {b: c,\n  d: e}\n", path{"a", "d"}, 4, "e"},
		{"a list at its key", head + "a:\n- b\n", path{"a"}, 3, "a"},
		{"an item", head + "a:\n- b\n- c\n", path{"a", 1}, 5, "c"},
		{"an item of a flow list", head + `a: ["b", c]` + "\n", path{"a", 0}, 3, `"b"`},
		{"an item that is a map", head + "a:\n- b: c\n  d: e\n", path{"a", 0}, 4, "b"},
		{"an item that is a flow map", head + "a:\n- {b: c}\n", path{"a", 0}, 4, "b"},
		{"an item that is a list", head + "a:\n- [b]\n", path{"a", 0}, 4, "["},
		{"a field of an item", head + "a:\n- b: c\n  d: e\n", path{"a", 0, "d"}, 5, "e"},
		{"an explicit key", head + "? a\n: b\n", path{"a"}, 4, "b"},

		{"no such field", head + "a: {b: c}\n", path{"a", "x"}, 3, "a"},
		{"no such item", head + "a: [b]\n", path{"a", 3}, 3, "a"},
		{"a negative item", head + "a: [b]\n", path{"a", -1}, 3, "a"},
		{"below a scalar", head + "a: b\n", path{"a", "x", 1}, 3, "b"},
		{"an item of a map", head + "a: {b: c}\n", path{"a", 0}, 3, "a"},
		{"a field of a list", head + "a: [b]\n", path{"a", "b"}, 3, "a"},
		{"nothing of it", head, path{"x", 1}, 1, "apiVersion"},
		{"the object", head, nil, 1, "apiVersion"},

		{"an alias", head + "x: &x word\na: *x\n", path{"a"}, 4, "*x"},
		{"an anchor", head + "a: &x word\n", path{"a"}, 3, "&x word"},
		{"below an alias", head + "x: &x {b: c}\na: *x\n", path{"a", "b"}, 3, "c"},
		{"a list by an alias", head + "x: &x [b, c]\na: *x\n", path{"a", 1}, 3, "c"},
		{"merged in", head + "x: &x {b: c}\na:\n  <<: *x\n  d: e\n", path{"a", "b"}, 3, "c"},
		{"its own before what is merged in", head + "x: &x {b: c}\na:\n  b: own\n  <<: *x\n", path{"a", "b"}, 5, "own"},
		{"merged from a list", head + "x: &x {b: c}\ny: &y {d: e}\na:\n  <<: [*x, *y]\n", path{"a", "d"}, 4, "e"},
		{"merged in place", head + "a: {<<: {b: c}}\n", path{"a", "b"}, 3, "c"},
		{"the last of equal keys", head + "a: one\na: two\n", path{"a"}, 4, "two"},

		{"after a comment", "# x\n\n" + head + "a: b\n", path{"a"}, 5, "b"},
		{"in the second document", "# nothing\n---\n" + head + "a: b\n", path{"a"}, 5, "b"},
		{"behind a marker with a comment", "--- # x\n" + head + "a: b\n", path{"a"}, 4, "b"},
		{"on the marker's line", "--- {apiVersion: v1, kind: Role, a: b}\n", path{"a"}, 1, "b"},
		{"behind dots", "a: b\n...\n" + head + "a: c\n", path{"a"}, 5, "c"},
		{"Windows line ends", strings.ReplaceAll(head+"a:\n- b\n- c\n", "\n", "\r\n"), path{"a", 1}, 5, "c"},
		{"a byte order mark", "\ufeff" + head + "a: b\n", path{"a"}, 3, "b"},
		{"a key behind a byte order mark", "\ufeff" + head, path{}, 1, "apiVersion"},
		{"behind wide letters", head + "a: {é: 日本, b: c}\n", path{"a", "b"}, 3, "c"},
		{"wide letters", head + "a: \"日本\"\n", path{"a"}, 3, `"日本"`},
		{"tabs before a value", head + "a:\t\tb\n", path{"a"}, 3, "b"},
		{"behind a lone carriage return", head + "x: y\ra: b\n", path{"a"}, 3, "b"},
		{"behind a next line", head + "x: é\u0085a: b # c\nz: z\n", path{"a"}, 3, "b"},
		{"below a next line", head + "x: y #\u0085a: b\nz: word\n", path{"z"}, 4, "word"},

		{"JSON", "{\"apiVersion\": \"v1\",\n \"kind\": \"Role\",\n \"a\": [\"b\", {\"c\": 1}]}", path{"a", 1, "c"}, 3, "1"},
		{"an item of a List", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Role\n  a: b\n", path{"a"}, 6, "b"},
		{"an object of a List", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Role\n", path{}, 4, "apiVersion"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := first(t, tt.text).At(tt.path...)
			// What a byte order mark does to the first line's columns is nobody's business.
			text := strings.TrimPrefix(tt.text, "\ufeff")
			if p.Line != tt.line || words(text, p) != tt.want {
				t.Errorf("At(%v) is %s, %q; want line %d, %q", tt.path, p, words(text, p), tt.line, tt.want)
			}
		})
	}
}

// TestAtUnicode holds that columns count code points.
func TestAtUnicode(t *testing.T) {
	p := first(t, "apiVersion: v1\nkind: Role\na: {é: \"日本\", b: 𝄞x}\n").At("a", "b")
	if want := (source.Position{Path: "f.yaml", Line: 3, Column: 17, EndColumn: 19}); p != want {
		t.Errorf("%+v, want %+v", p, want)
	}
}

// TestAtMade holds that objects without a file have a place all the same.
func TestAtMade(t *testing.T) {
	o, err := source.Made("cluster/roles/r.yaml", []byte(`{"apiVersion": "v1", "kind": "Role", "metadata": {"name": "r"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if p := o.At("rules", 0); p.Path != "cluster/roles/r.yaml" || o.Name != "r" {
		t.Errorf("%s at %s", o, p)
	}
	if _, err := source.Made("", []byte("[]")); err == nil {
		t.Error("a list is an object")
	}
}

func TestPositionString(t *testing.T) {
	for want, p := range map[string]source.Position{
		"a.yaml":     {Path: "a.yaml"},
		"a.yaml:3":   {Path: "a.yaml", Line: 3},
		"a.yaml:3:7": {Path: "a.yaml", Line: 3, Column: 7},
	} {
		if p.String() != want {
			t.Errorf("%q, want %q", p, want)
		}
	}
}

// FuzzParse holds that no input makes Parse panic and that every element of
// every object, and every problem, lies within the file.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"apiVersion: v1\nkind: Role\nrules: [{verbs: [get, 'a b', \"c\\n\"]}]\n",
		"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n---\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}{}\n",
		"apiVersion: v1\nkind: Role\nx: &x {b: c}\na:\n  <<: *x\n  d: *x\n...\n--- {{ x }}\n",
		"\ufeffapiVersion: v1\r\nkind: Role\r\na: |\r\n  x\r\n? b\r\n: !!str c\r\n",
		"apiVersion: v1 #\u0085kind: Role\rb: \u2028\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, problems := source.Parse("f.yaml", data, source.DefaultLimits())
		lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
		for _, p := range problems {
			if p.Position.Line < 1 || p.Position.Line > len(lines) {
				t.Errorf("the problem %v is at %s of %d lines", p.Err, p.Position, len(lines))
			}
		}
		for _, o := range objects {
			var content any
			if err := o.Decode(&content); err != nil {
				t.Errorf("%s: %v", o, err)
			}
			for _, path := range pathsOf(content, nil, 4) {
				p := o.At(path...)
				if p.Line < 1 || p.Line > len(lines) {
					t.Fatalf("%v of %s is at %s of %d lines", path, o, p, len(lines))
				}
				if width := utf8.RuneCountInString(lines[p.Line-1]); p.Column < 1 || p.EndColumn <= p.Column || p.Column > width+1 || p.EndColumn > max(width, 1)+1 {
					t.Fatalf("%v of %s has the columns %d to %d of a line of %d", path, o, p.Column, p.EndColumn, width)
				}
			}
		}
	})
}

// pathsOf lists the paths of all elements down to a depth.
func pathsOf(v any, at path, depth int) []path {
	all := []path{at}
	if depth == 0 {
		return all
	}
	step := func(s any) path { return append(append(path{}, at...), s) }
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			all = append(all, pathsOf(child, step(name), depth-1)...)
		}
	case []any:
		for i, child := range v[:min(len(v), 20)] {
			all = append(all, pathsOf(child, step(i), depth-1)...)
		}
	}
	return all
}

// TestAtIsStable holds that asking twice, from several sides, gives the same.
func TestAtIsStable(t *testing.T) {
	o := first(t, "apiVersion: v1\nkind: Role\nrules: [{verbs: [get]}]\n")
	done := make(chan source.Position)
	for range 8 {
		go func() { done <- o.At("rules", 0, "verbs", 0) }()
	}
	for range 8 {
		if diff := cmp.Diff(source.Position{Path: "f.yaml", Line: 3, Column: 18, EndColumn: 21}, <-done); diff != "" {
			t.Error(diff)
		}
	}
}
