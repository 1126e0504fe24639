package source

import (
	"strings"
	"testing"
)

func TestExcerpt(t *testing.T) {
	const long = 400
	blanks := strings.Repeat(" ", long)
	for _, c := range []struct {
		name, doc string
		path      []any
		text      string
		from      int
	}{
		{name: "a short line whole", doc: "kind: Role\nrules: [a, b]\n", path: []any{"rules", 1}, text: "rules: [a, b]"},
		{name: "of a long line the element", doc: "kind: Role\nrules: [a," + blanks + "'b', c]\n", path: []any{"rules", 1}, text: "'b'", from: 11 + long},
		{name: "characters, not bytes", doc: "kind: Role\nrules: [äöü€😀," + blanks + "'äöü', c]\n", path: []any{"rules", 1}, text: "'äöü'", from: 15 + long},
		{name: "a long element cut", doc: "kind: Role\nrules: [" + strings.Repeat("x", long) + "]\n", path: []any{"rules", 0}, text: strings.Repeat("x", 160), from: 9},
		{name: "160 characters are short", doc: "kind: Role\nname: " + strings.Repeat("ä", 154) + "\n", path: []any{"name"}, text: "name: " + strings.Repeat("ä", 154)},
	} {
		t.Run(c.name, func(t *testing.T) {
			objects, problems := Parse("x.yaml", []byte("apiVersion: v1\n"+c.doc), DefaultLimits())
			if len(objects) != 1 || len(problems) > 0 {
				t.Fatalf("objects %v, problems %v", objects, problems)
			}
			o := objects[0]
			text, from := o.Excerpt(o.At(c.path...), 160)
			if text != c.text || from != c.from {
				t.Errorf("got %q from %d, want %q from %d", text, from, c.text, c.from)
			}
		})
	}
}

func TestExcerptOfElsewhere(t *testing.T) {
	o, err := Made("", []byte(`{"kind": "Role"}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, from := o.Excerpt(Position{Line: 1, Column: 1, EndColumn: 2}, 10); text != "" || from != 0 {
		t.Errorf("got %q from %d of an object without a file", text, from)
	}
}

func TestSkipRunes(t *testing.T) {
	text := "plain ASCII text ä€😀 and \xff\xfe more ASCII text"
	want := []rune(text)
	for n := range len(want) + 2 {
		if got := []rune(string(skipRunes([]byte(text), n))); string(got) != string(want[min(n, len(want)):]) {
			t.Errorf("skipRunes(%d): got %q", n, string(got))
		}
	}
}
