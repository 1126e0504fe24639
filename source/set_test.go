package source

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// settings are edits of the pod spec of a Pod, or of an account, as the checks
// make them.
var settings = []struct {
	name, in, want string
}{
	{
		"at the top of the map",
		"kind: Pod\napiVersion: v1\nspec: # the spec\n  # the only one\n  containers: []\n",
		"kind: Pod\napiVersion: v1\nspec: # the spec\n  token: false\n  # the only one\n  containers: []\n",
	}, {
		"behind the field where it is at home",
		"kind: Pod\napiVersion: v1\nspec:\n    containers: []\n    account: 'a'  # mine\n\n    # more\n    volumes: []\n",
		"kind: Pod\napiVersion: v1\nspec:\n    containers: []\n    account: 'a'  # mine\n    token: false\n\n    # more\n    volumes: []\n",
	}, {
		"a value that goes on on the next line is no place",
		"kind: Pod\napiVersion: v1\nspec:\n  account: \"a\\\n    b\"\n  containers: []\n",
		"kind: Pod\napiVersion: v1\nspec:\n  token: false\n  account: \"a\\\n    b\"\n  containers: []\n",
	}, {
		"nor is a plain one",
		"kind: Pod\napiVersion: v1\nspec:\n  account: a\n    b\n  containers: []\n",
		"kind: Pod\napiVersion: v1\nspec:\n  token: false\n  account: a\n    b\n  containers: []\n",
	}, {
		"nor a block",
		"kind: Pod\napiVersion: v1\nspec:\n  account: |-\n    a\n  containers: []\n",
		"kind: Pod\napiVersion: v1\nspec:\n  token: false\n  account: |-\n    a\n  containers: []\n",
	}, {
		"line ends of Windows",
		"kind: Pod\r\napiVersion: v1\r\nspec:\r\n  containers: []\r\n",
		"kind: Pod\r\napiVersion: v1\r\nspec:\r\n  token: false\r\n  containers: []\r\n",
	}, {
		"no line end at the end",
		"kind: Pod\r\napiVersion: v1\r\nspec:\r\n  account: a",
		"kind: Pod\r\napiVersion: v1\r\nspec:\r\n  account: a\r\n  token: false",
	}, {
		"a byte order mark",
		"\ufeffkind: Pod\napiVersion: v1\nspec:\n  account: a\n",
		"\ufeffkind: Pod\napiVersion: v1\nspec:\n  account: a\n  token: false\n",
	}, {
		"a byte order mark before JSON",
		"\ufeff{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"spec\": {\"containers\": []}}",
		"\ufeff{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"spec\": {\"token\": false, \"containers\": []}}",
	}, {
		"a value in its place",
		"kind: Pod\napiVersion: v1\nspec:\n  token:   true # why?\n  account: a\n",
		"kind: Pod\napiVersion: v1\nspec:\n  token:   false # why?\n  account: a\n",
	}, {
		"a value in quotes",
		"kind: Pod\napiVersion: v1\nspec: {account: 'é', token: \"true\"}\n",
		"kind: Pod\napiVersion: v1\nspec: {account: 'é', token: false}\n",
	}, {
		"flow style",
		"kind: Pod\napiVersion: v1\nspec: { containers: [{name: a}] }\n",
		"kind: Pod\napiVersion: v1\nspec: { token: false, containers: [{name: a}] }\n",
	}, {
		"flow style on several lines",
		"kind: Pod\napiVersion: v1\nspec: {\n    # one\n    containers: [],\n    account: a\n  }\n",
		"kind: Pod\napiVersion: v1\nspec: {\n    # one\n    containers: [],\n    token: false,\n    account: a\n  }\n",
	}, {
		"compact JSON",
		`{"kind":"Pod","apiVersion":"v1","spec":{"containers":[]}}`,
		`{"kind":"Pod","apiVersion":"v1","spec":{"token":false,"containers":[]}}`,
	}, {
		"JSON with tabs",
		"{\n\t\"kind\": \"Pod\",\n\t\"apiVersion\": \"v1\",\n\t\"spec\": {\n\t\t\"containers\": []\n\t}\n}\n",
		"{\n\t\"kind\": \"Pod\",\n\t\"apiVersion\": \"v1\",\n\t\"spec\": {\n\t\t\"token\": false,\n\t\t\"containers\": []\n\t}\n}\n",
	}, {
		"several JSON values",
		"{\"kind\": \"X\", \"apiVersion\": \"v1\"}\n{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"spec\": {\"account\": \"a\"}}\n",
		"{\"kind\": \"X\", \"apiVersion\": \"v1\"}\n{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"spec\": {\"token\": false, \"account\": \"a\"}}\n",
	}, {
		"a list in a document of several",
		"kind: X\napiVersion: v1\n---\nkind: List\napiVersion: v1\nitems:\n- kind: Pod\n  apiVersion: v1\n  spec:\n    containers: []\n- apiVersion: v1\n  kind: Pod\n  spec:\n    account: a\n---\nkind: X\napiVersion: v1\n",
		"kind: X\napiVersion: v1\n---\nkind: List\napiVersion: v1\nitems:\n- kind: Pod\n  apiVersion: v1\n  spec:\n    token: false\n    containers: []\n- apiVersion: v1\n  kind: Pod\n  spec:\n    account: a\n    token: false\n---\nkind: X\napiVersion: v1\n",
	}, {
		"the root of the document",
		"# mine\nkind: ServiceAccount\napiVersion: v1\nmetadata:\n  name: a\n  labels:\n    b: c\n\n---\n",
		"# mine\nkind: ServiceAccount\napiVersion: v1\nmetadata:\n  name: a\n  labels:\n    b: c\ntoken: false\n\n---\n",
	}, {
		"the root, behind whose field nothing can go",
		"kind: ServiceAccount\napiVersion: v1\nmetadata: {name: a}\n",
		"kind: ServiceAccount\ntoken: false\napiVersion: v1\nmetadata: {name: a}\n",
	}, {
		"an anchor that nobody uses",
		"kind: Pod\napiVersion: v1\nspec: &a\n  containers: []\n",
		"kind: Pod\napiVersion: v1\nspec: &a\n  token: false\n  containers: []\n",
	}, {
		"a merge",
		"kind: Pod\napiVersion: v1\nmetadata: {annotations: &a {other: true}}\nspec:\n  <<: *a\n  containers: []\n",
		"kind: Pod\napiVersion: v1\nmetadata: {annotations: &a {other: true}}\nspec:\n  token: false\n  <<: *a\n  containers: []\n",
	},
}

func TestSet(t *testing.T) {
	for _, c := range settings {
		t.Run(c.name, func(t *testing.T) {
			got, edits, err := setAll(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if patched := patch(t, c.in, Diff([]byte(c.in), edits)); patched != c.want {
				t.Errorf("the diff makes another file:\n%s", cmp.Diff(c.want, patched))
			}
		})
	}
}

// setAll sets the field in each Pod and ServiceAccount of a file.
func setAll(in string) (out string, edits []Edit, err error) {
	objects, _ := Parse("a.yaml", []byte(in), DefaultLimits())
	for _, o := range objects {
		var e Edit
		switch o.Kind {
		case "Pod":
			e, err = o.Set([]any{"spec"}, "token", "false", "account")
		case "ServiceAccount":
			e, err = o.Set(nil, "token", "false", "metadata")
		default:
			continue
		}
		if err != nil {
			return "", nil, err
		}
		edits = append(edits, e, e) // what two findings say counts once
	}
	text, err := Apply([]byte(in), edits)
	return string(text), edits, err
}

func TestSetRefuses(t *testing.T) {
	const head = "kind: Pod\napiVersion: v1\n"
	for _, c := range []struct{ name, in, want string }{
		{"an alias", head + "metadata: {annotations: &a {b: c}}\nspec: *a\n", "spec is an alias (*a)"},
		{"an anchor that is used", head + "spec: &a {containers: []}\nother: *a\n", "spec has an anchor (&a)"},
		{"a map that is merged in", head + "metadata: {annotations: &a {spec: {containers: []}}}\n<<: *a\n", "spec is merged in"},
		{"a field that is merged in", head + "metadata: {annotations: &a {token: true}}\nspec:\n  <<: *a\n  containers: []\n", "token is merged in"},
		{"a value that is an alias", head + "metadata: {name: &a true}\nspec:\n  token: *a\n", "not a plain word"},
		{"a value with a tag", head + "spec:\n  token: !!bool true\n", "not a plain word"},
		{"a value on a line of its own", head + "spec:\n  token:\n    true\n", "not a plain word"},
		{"no map", head + "spec: []\n", "no map"},
		{"keys with a question mark", head + "spec:\n  ? [containers]\n  : []\n", "not in the text"},
		{"values that share a line", `{"kind":"X","apiVersion":"v1"}{"kind":"Pod","apiVersion":"v1","spec":{"containers":[]}}`, "share a line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			objects, problems := Parse("a.yaml", []byte(c.in), DefaultLimits())
			if len(objects) == 0 {
				t.Skipf("not read at all: %v", problems)
			}
			got, _, err := setAll(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q; text:\n%s", err, c.want, got)
			}
		})
	}
}

func TestApplyRefusesAnotherFile(t *testing.T) {
	_, edits, err := setAll("kind: Pod\napiVersion: v1\nspec:\n  account: a\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply([]byte("# new\nkind: Pod\napiVersion: v1\nspec:\n  account: a\n"), edits); err == nil {
		t.Error("a file that has changed is edited")
	}
}

// FuzzSet wants each edit to change one field and nothing else, whatever the
// document looks like; Apply checks that, so it must never have to refuse but
// where the two YAML parsers differ.
func FuzzSet(f *testing.F) {
	for _, c := range settings {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		objects, _ := Parse("a.yaml", []byte(in), DefaultLimits())
		for _, o := range objects {
			e, err := o.Set([]any{"spec"}, "token", "false", "account")
			if err != nil {
				continue
			}
			out, err := Apply([]byte(in), []Edit{e})
			if err != nil && !strings.Contains(err.Error(), "not what was read") && agreed(o.Origin.doc.text) {
				t.Errorf("%v\n%+v", err, e)
			}
			if err == nil && patch(t, in, Diff([]byte(in), []Edit{e})) != string(out) {
				t.Errorf("the diff makes another file:\n%s", Diff([]byte(in), []Edit{e}))
			}
		}
	})
}

// agreed tells whether the parser that gives places reads a text as the one does
// that gives meaning.
func agreed(text []byte) bool {
	var v any
	if yaml.Unmarshal(text, &v) != nil {
		return false
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return false
	}
	a, errA := meaning(raw)
	b, errB := meaning(text)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

// patch makes the new file of an old one and a unified diff, by the book.
func patch(t *testing.T, old, diff string) string {
	t.Helper()
	was := splitLines(old)
	var out []string
	next := 0
	lines := splitLines(diff)[2:]
	for i, l := range lines {
		if i+1 < len(lines) && lines[i+1][0] == '\\' {
			l = strings.TrimSuffix(l, "\n")
		}
		switch l[0] {
		case '@':
			start := hunkStart(t, l)
			out = append(out, was[next:start]...)
			next = start
		case '\\':
		case '+':
			out = append(out, l[1:])
		default:
			if next >= len(was) || was[next] != l[1:] {
				t.Fatalf("hunk does not fit at line %d: %q", next+1, l)
			}
			if next++; l[0] == ' ' {
				out = append(out, l[1:])
			}
		}
	}
	return strings.Join(append(out, was[next:]...), "")
}

func splitLines(s string) []string { return slices.Collect(strings.Lines(s)) }

func hunkStart(t *testing.T, header string) int {
	t.Helper()
	var start, a, b, c int
	if _, err := fmt.Sscanf(header, "@@ -%d,%d +%d,%d @@", &start, &a, &b, &c); err != nil {
		t.Fatalf("%q: %v", header, err)
	}
	return start - 1
}
