package source_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/source"
)

// parse writes what a text holds: objects with the line of their document, and
// problems, with a star where the result is incomplete.
func parse(text string, limits source.Limits) (objects, problems []string) {
	all, odd := source.Parse("f.yaml", []byte(text), limits)
	for _, o := range all {
		objects = append(objects, fmt.Sprintf("%d %s %s", o.Origin.Line, o.APIVersion, o))
	}
	for _, p := range odd {
		star := ""
		if p.Incomplete {
			star = "*"
		}
		problems = append(problems, fmt.Sprintf("%d%s %v", p.Position.Line, star, p.Err))
	}
	return objects, problems
}

func TestParse(t *testing.T) {
	const a = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: x}\n"
	const b = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: b}\n"
	for _, tt := range []struct {
		name, text        string
		objects, problems []string
	}{
		{name: "nothing", text: ""},
		{name: "blank lines and comments", text: "\n \n# x\n---\n---\n# y\n"},
		{name: "one", text: a, objects: []string{"1 v1 ServiceAccount 'x/a'"}},
		{name: "two", text: a + "---\n" + b, objects: []string{"1 v1 ServiceAccount 'x/a'", "5 v1 ServiceAccount 'b'"}},
		{name: "a marker first and last", text: "---\n" + a + "---\n", objects: []string{"2 v1 ServiceAccount 'x/a'"}},
		{name: "a marker with a comment", text: a + "--- # next\n" + b, objects: []string{"1 v1 ServiceAccount 'x/a'", "5 v1 ServiceAccount 'b'"}},
		{name: "a marker with spaces", text: a + "---  \t\n" + b, objects: []string{"1 v1 ServiceAccount 'x/a'", "5 v1 ServiceAccount 'b'"}},
		{name: "a marker with content", text: a + "--- {apiVersion: v1, kind: Pod}\n", objects: []string{"1 v1 ServiceAccount 'x/a'", "4 v1 Pod ''"}},
		{name: "a marker at the end of the file", text: a + "---", objects: []string{"1 v1 ServiceAccount 'x/a'"}},
		{name: "dots", text: a + "...\n" + b, objects: []string{"1 v1 ServiceAccount 'x/a'", "5 v1 ServiceAccount 'b'"}},
		{name: "Windows line ends", text: strings.ReplaceAll(a+"---\n"+b, "\n", "\r\n"), objects: []string{"1 v1 ServiceAccount 'x/a'", "5 v1 ServiceAccount 'b'"}},
		{name: "a byte order mark", text: "\ufeff" + a, objects: []string{"1 v1 ServiceAccount 'x/a'"}},
		{name: "markers inside of a block", text: "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\n  annotations:\n    x: |\n      ---\n      ...\n", objects: []string{"1 v1 ServiceAccount 'a'"}},

		{name: "no object", text: "a: b\n---\n- c\n---\nd\n---\nkind: Role\n---\napiVersion: v1\n"},
		{name: "a kind that cannot matter", text: "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"},
		{name: "a secret", text: "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {x: kubernetes.io/y}\n"},
		{name: "a token secret", text: "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/service-account-token\n", objects: []string{"1 v1 Secret 's'"}},
		{name: "a bootstrap token", text: "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: bootstrap.kubernetes.io/token\n", objects: []string{"1 v1 Secret 's'"}},

		{name: "JSON", text: `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}`, objects: []string{"1 v1 Pod 'p'"}},
		{name: "a stream of JSON", text: "{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}\n\n{\"apiVersion\": \"v1\",\n \"kind\": \"Role\"}{\"apiVersion\": \"v1\", \"kind\": \"Job\"}", objects: []string{"1 v1 Pod ''", "3 v1 Role ''", "4 v1 Job ''"}},
		{name: "JSON and YAML", text: "{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}\n---\n" + b, objects: []string{"1 v1 Pod ''", "3 v1 ServiceAccount 'b'"}},
		{name: "flow style", text: "{apiVersion: v1, kind: Pod}", objects: []string{"1 v1 Pod ''"}},
		{name: "JSON's case counts", text: `{"ApiVersion": "v1", "Kind": "Pod"}`},

		{name: "a List", text: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n- {apiVersion: v2, kind: Role}\n", objects: []string{"1 v1 Pod ''", "1 v2 Role ''"}},
		{name: "a List of Lists", text: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod}]}\n", objects: []string{"1 v1 Pod ''"}},
		{name: "a typed list", text: "apiVersion: v9\nkind: RoleList\nitems:\n- metadata: {name: r}\n- kind: Other\n  apiVersion: v1\n", objects: []string{"1 v9 Role 'r'", "1 v1 Other ''"}},
		{name: "an empty List", text: "apiVersion: v1\nkind: List\nitems: []\n"},
		{name: "a list that does not say so", text: "apiVersion: v1\nkind: ConfigMap\nitems: [{apiVersion: v1, kind: Pod}]\n", objects: []string{"1 v1 Pod ''"}},
		{name: "a secret that is a list", text: "apiVersion: v1\nkind: Secret\nitems: [{apiVersion: v1, kind: Pod}]\n", objects: []string{"1 v1 Pod ''"}},
		{name: "items that are something else", text: "apiVersion: v1\nkind: Menu\nitems: {containers: [soup]}\n", objects: []string{"1 v1 Menu ''"}},
		{
			name: "Lists without end", text: strings.Repeat(`{"apiVersion": "v1", "kind": "List", "items": [`, 12) + strings.Repeat("]}", 12),
			problems: []string{"1* more than 8 Lists inside each other"},
		},
		{name: "items of a List that are no list", text: "apiVersion: v1\nkind: List\nitems: {}\n", problems: []string{"1* items of a List are not a list"}},
		{name: "an item that is no object", text: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n- soup\n", objects: []string{"1 v1 Pod ''"}, problems: []string{"5* not a Kubernetes object: it is of the wrong type, string"}},

		{name: "anchors, aliases and merges", text: "apiVersion: v1\nkind: Pod\nx: &x {name: a}\nmetadata:\n  <<: *x\n  namespace: b\n", objects: []string{"1 v1 Pod 'b/a'"}},
		{name: "a key twice", text: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n", objects: []string{"1 v1 Pod 'b'"}, problems: []string{`5 key "name" is given twice; the last one counts here, and kubectl refuses the file unless --validate is off`}},
		{name: "a marker is missing", text: a + b, objects: []string{"1 v1 ServiceAccount 'b'"}, problems: []string{"4* two objects in one document: a line of --- is missing between them, and kubectl refuses the file"}},
		{name: "a key twice elsewhere", text: "a: b\na: c\n---\n" + a, objects: []string{"4 v1 ServiceAccount 'x/a'"}},
		{name: "a name that is a number", text: "apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n", problems: []string{"1* not a Kubernetes object: metadata.name is of the wrong type, number"}},
		{name: "a kind that is a list", text: "apiVersion: v1\nkind: [Pod]\n", problems: []string{"1* not a Kubernetes object: kind is of the wrong type, array"}},
		{name: "metadata that is a word", text: "apiVersion: v1\nkind: Pod\nmetadata: pod\n", problems: []string{"1* not a Kubernetes object: metadata is of the wrong type, string"}},

		{name: "a broken document hides no other", text: a + "---\nkind: [\n---\n" + b, objects: []string{"1 v1 ServiceAccount 'x/a'", "7 v1 ServiceAccount 'b'"}, problems: []string{"5* not valid YAML: did not find expected node content"}},
		{name: "a tab for a space", text: "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: p\n", problems: []string{"4* not valid YAML: found character that cannot start any token"}},
		{name: "a template", text: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}-x\n{{- if .x }}\n---\nkind: Role\nx: {{ .y }}\n---\n" + a, objects: []string{"10 v1 ServiceAccount 'x/a'"}, problems: []string{"1* looks like a template ({{ }}): not read; render it and scan the result"}},
		{name: "a template that is valid YAML", text: "apiVersion: v1\nkind: Pod\nmetadata:\n  name: '{{ .Values.name }}'\n", objects: []string{"1 v1 Pod '{{ .Values.name }}'"}},
		{name: "bytes that are no UTF-8", text: "apiVersion: v1\nkind: Pod\nx: \xff\n", problems: []string{"3* not valid YAML: invalid UTF-8"}},
		{name: "UTF-16", text: "\xff\xfea\x00", problems: []string{"1* the file is UTF-16, which kubectl refuses; save it as UTF-8"}},
		{name: "UTF-16 the other way round", text: "\xfe\xff\x00a", problems: []string{"1* the file is UTF-16, which kubectl refuses; save it as UTF-8"}},
		{name: "a document in UTF-16", text: a + "---\n\xff\xfek\x00i\x00n\x00d\x00", objects: []string{"1 v1 ServiceAccount 'x/a'"}, problems: []string{"5* not valid YAML: invalid UTF-8"}},
		{name: "control characters", text: "apiVersion: v1\nkind: Pod\nx: \x01\n", problems: []string{"1* not valid YAML: control characters are not allowed"}},
		{name: "a picture", text: "\x89PNG\r\n\x1a\n\x00\x00kind", problems: []string{"1* not valid YAML: invalid UTF-8"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			objects, problems := parse(tt.text, source.DefaultLimits())
			if diff := cmp.Diff(tt.objects, objects); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.problems, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostile holds that input made to cost much costs little, and is named.
func TestHostile(t *testing.T) {
	const head = "apiVersion: v1\nkind: Pod\n"
	bomb := head + "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	for name, text := range map[string]string{
		"lists in lists":        head + "a: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "\n",
		"maps in maps":          head + "a: " + strings.Repeat("{a: ", 20_000) + strings.Repeat("}", 20_000) + "\n",
		"dashes":                head + "a:\n" + strings.Repeat("- ", 20_000) + "x\n",
		"keys below keys":       head + stairs(20_000),
		"JSON lists":            `{"apiVersion": "v1", "kind": "Pod", "a": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}",
		"an alias bomb":         bomb,
		"an alias of itself":    head + "a: &a [*a]\n",
		"a merge of itself":     head + "a: &a {<<: *a}\n",
		"an open bracket":       head + "a: " + strings.Repeat("[", 100_000),
		"an open string":        head + "a: \"" + strings.Repeat("x\n", 100_000),
		"questions in question": head + strings.Repeat("? ", 20_000) + "x\n",
	} {
		t.Run(name, func(t *testing.T) {
			objects, problems := source.Parse("f.yaml", []byte(text), source.DefaultLimits())
			if len(objects) > 0 || len(problems) != 1 || !problems[0].Incomplete {
				t.Errorf("objects %v, problems %v", objects, problems)
			}
			for _, p := range problems {
				if n := len(p.Err.Error()); n > 300 {
					t.Errorf("a message of %d bytes", n)
				}
			}
		})
	}
}

// stairs are keys each below the one before. Wide as they are, few bytes of
// them are needed for many levels.
func stairs(levels int) string {
	var s strings.Builder
	for range levels {
		s.WriteString("? a\n: ")
		if s.Len() > 1<<20 {
			break
		}
	}
	return "a: " + strings.Repeat("{? ", levels) + s.String()
}

func TestLimits(t *testing.T) {
	const account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n"
	objects, problems := parse(strings.Repeat(account+"---\n", 5), source.Limits{FileBytes: 1 << 20, Documents: 3})
	if len(objects) != 3 {
		t.Errorf("%d objects", len(objects))
	}
	if diff := cmp.Diff([]string{"13* more than 3 documents in one file; the rest was not read: split the file"}, problems); diff != "" {
		t.Error(diff)
	}

	// 200,000 documents of the defaults' many.
	many := strings.Repeat("---\na: b\n", 200_000)
	_, problems = parse(many, source.DefaultLimits())
	if want := fmt.Sprintf("%d* more than %d documents", 2*source.DefaultLimits().Documents+2, source.DefaultLimits().Documents); len(problems) != 1 || !strings.HasPrefix(problems[0], want) {
		t.Errorf("problems %v, want %s", problems, want)
	}
}

// TestDecode holds that meaning is read as kubectl reads it: YAML 1.1, then
// JSON with case-sensitive names.
func TestDecode(t *testing.T) {
	o := first(t, "apiVersion: v1\nkind: Pod\na: on\nb: 012\nc: ~\nd: 2001-01-01\ne: 1e3\nf: 0x10\nkInd: x\n")
	var got map[string]any
	if err := o.Decode(&got); err != nil {
		t.Fatal(err)
	}
	delete(got, "apiVersion")
	want := map[string]any{"kind": "Pod", "a": true, "b": int64(10), "c": nil, "d": "2001-01-01", "e": int64(1000), "f": int64(16), "kInd": "x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var typed struct {
		A string `json:"a"`
	}
	if err := o.Decode(&typed); err == nil || !strings.Contains(err.Error(), "decoding Pod ''") {
		t.Errorf("a truth value is a string: %+v, %v", typed, err)
	}
	if err := (&source.Object{}).Decode(&got); err == nil {
		t.Error("an object without content decodes")
	}
}

// TestDocument holds which text an object comes with.
func TestDocument(t *testing.T) {
	objects, _ := source.Parse("f.yaml", []byte("# one\n---\napiVersion: v1\nkind: Pod\n# x\n---\n"), source.DefaultLimits())
	text, line := objects[0].Document()
	if string(text) != "apiVersion: v1\nkind: Pod\n# x\n" || line != 3 {
		t.Errorf("%q from line %d", text, line)
	}
	made, err := source.Made("p", json.RawMessage(`{"kind": "Pod"}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := made.Document(); text != nil {
		t.Errorf("%q", text)
	}
}

// TestParseKeepsNothing holds that objects do not live in the caller's buffer,
// which the next file overwrites.
func TestParseKeepsNothing(t *testing.T) {
	data := []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: before}\n")
	objects, _ := source.Parse("f.yaml", data, source.DefaultLimits())
	copy(data, strings.Repeat("x", len(data)))
	var got struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
	}
	if err := objects[0].Decode(&got); err != nil || got.Metadata.Name != "before" {
		t.Errorf("%+v, %v", got, err)
	}
	if p := objects[0].At("metadata", "name"); p.Line != 3 || p.EndColumn-p.Column != len("before") {
		t.Errorf("%+v", p)
	}
}
