package source

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestRelevant holds what the cheap look passes over and what it does not.
func TestRelevant(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		want      bool
	}{
		{"a role", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n", true},
		{"a service", "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n", false},
		{"a custom resource definition", "apiVersion: x\nkind: CustomResourceDefinition\nspec:\n  containers:\n    kind: Role\n", false},
		{"a config map that quotes a role", "kind: ConfigMap\ndata:\n  x: |\n    kind: Role\n", false},
		{"a kind with a comment", "kind: Service # or what\n", false},
		{"a kind behind a tab", "kind:\tService\n", false},
		{"Windows line ends", "apiVersion: v1\r\nkind: Service\r\n", false},
		{"comments and sequences at the margin", "# x\nkind: Service\nx:\n- a\n-\n", false},
		{"no kind", "apiVersion: v1\nmetadata: {}\n", false},
		{"an opaque secret", "kind: Secret\ntype: Opaque\n", false},
		{"a token secret", "kind: Secret\ntype: kubernetes.io/service-account-token\n", true},
		{"an unknown kind with a template", "kind: Rollout\nspec: {template: {spec: {containers: []}}}\n", true},
		{"an unknown kind", "kind: Ingress\n", false},
		{"a list of a kind", "kind: RoleList\nitems: []\n", true},
		{"a list by another kind", "kind: ConfigMap\nitems:\n- kind: Role\n", true},

		// Ways to hide, each of which kubectl sees through.
		{"a quoted key", "kind: Service\n\"kind\": Role\n", true},
		{"an escaped key", "\"\\u006bind\": Role\n", true},
		{"an escaped value", "kind: \"R\\u006fle\"\n", true},
		{"a quoted value", "kind: 'Role'\n", true},
		{"a tagged value", "kind: !!str Role\n", true},
		{"a binary key", "!!binary a2luZA==: Role\n", true},
		{"a binary key by its full tag", "!<tag:yaml.org,2002:binary> a2luZA==: Role\n", true},
		{"an explicit key", "kind: Service\n? kind\n: Role\n", true},
		{"a key with a space behind", "kind: Service\nkind : Role\n", true},
		{"an anchored key", "&a kind: Role\n", true},
		{"an aliased key", "a: &a kind\n*a : Role\n", true},
		{"a merged key", "<<: {kind: Role}\n", true},
		{"flow style", "{apiVersion: v1, kind: Role}\n", true},
		{"an indented root", "  kind: Role\n", true},
		{"the value on the next line", "kind:\n  Role\n", true},
		{"the value in a block", "kind: >-\n  Role\n", true},
		{"the value by an alias", "a: &a Role\nkind: *a\n", true},
		{"two kinds", "kind: Service\nkind: Role\n", true},
		{"a line of a quoted string that looks like a key", "a: \"\nkind: Service\nb\"\nkind: Role\n", true},
		{"a key behind a lone carriage return", "kind: Service\napiVersion: v1 #\rkind: Role\n", true},
		{"a key behind a next line", "kind: Service\napiVersion: v1 #\u0085kind: Role\n", true},
		{"a key behind a line separator", "kind: Service\napiVersion: v1 #\u2028kind: Role\n", true},
		{"a key behind a byte order mark", "\ufeffkind: Role\n", true},
		{"a root behind a marker", "--- {kind: Role}\n", true},
		{"UTF-16", "\xff\xfek\x00i\x00n\x00d\x00:\x00", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := relevant([]byte(tt.doc)); got != tt.want {
				t.Errorf("relevant(%q) = %v", tt.doc, got)
			}
		})
	}
}

// pieces are what random documents are made of.
var pieces = []string{
	"kind: Role", "kind: Service", "kind: ConfigMap", "kind: Pod", "kind: Secret", "kind: RoleList", "kind: Foo",
	`"kind": Role`, `'kind': Role`, "kind : Role", "kind:\tRole", "? kind", ": Role", "kind:", " Role", "  Role", "kind: &k Role", "kind: !!str Role",
	`"k\x69nd": Role`, "!!binary a2luZA==: Role", "!<tag:yaml.org,2002:binary> a2luZA==: Role", "!<tag:yaml.org,2002:str> kind: Role",
	"kind: >-", "kind: |", "&a kind: Role", "*a : Role", "a: &a kind", "<<: {kind: Role}", "<<: *m", "m: &m {kind: Role}", "m: &m", "  kind: Role",
	"apiVersion: v1", "apiVersion: v1 #", `apiVersion: "v1"`, "{apiVersion: v1, kind: Role}", "{", "}", "apiVersion: v1,", "kind: Role,", `"apiVersion": "v1",`, `"kind": "Role"`,
	`a: "`, `b: "`, `"`, `b"`, "a: '", "'", "c: {", "c: [", "]", "d: |", "d: >", "  x", "# kind: Role", " # x", "- kind: Role", "- x", "-", "items:", "- {apiVersion: v1, kind: Role}",
	"items: [{apiVersion: v1, kind: Role}]", "spec: {template: {spec: {containers: []}}}", "spec: {containers: []}", `spec: {"contain\x65rs": []}`,
	"type: kubernetes.io/service-account-token", `type: "kubernetes.io\/service-account-token"`, "%YAML 1.1", "%TAG !y! tag:yaml.org,2002:", "!y!binary a2luZA==: Role", "\ufeff", "", " ", "\t", "\tkind: Role",
}

var breaks = []string{"\n", "\n", "\n", "\n", "\n", "\r\n", "\r", "\u0085", "\u2028", " ", ""}

// TestRelevantRandom holds over many small documents that nothing which the
// decoder finds a matter in is passed over by the cheap look.
func TestRelevantRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	matter := 0
	for range 60_000 {
		var doc strings.Builder
		if random.IntN(3) > 0 {
			doc.WriteString("apiVersion: v1\n")
		}
		for range 1 + random.IntN(5) {
			doc.WriteString(pieces[random.IntN(len(pieces))])
			doc.WriteString(breaks[random.IntN(len(breaks))])
		}
		if overlooked(t, []byte(doc.String())) {
			matter++
		}
	}
	if matter < 1000 {
		t.Errorf("only %d of the documents matter", matter)
	}
}

func FuzzRelevant(f *testing.F) {
	for _, p := range pieces {
		f.Add([]byte("apiVersion: v1\nkind: Service\n" + p + "\n"))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, text := range split(doc) {
			overlooked(t, text)
		}
	})
}

// overlooked decodes a document without the cheap look and fails where it
// matters but would have been passed over. It tells whether it matters.
func overlooked(t *testing.T, doc []byte) bool {
	p := parser{path: "f.yaml"}
	p.document(1, doc)
	if !slices.ContainsFunc(p.objects, matters) {
		return false
	}
	if !relevant(doc) {
		t.Errorf("passed over: %q", doc)
	}
	return true
}

// matters tells whether rbac would look at an object.
func matters(o *Object) bool {
	switch o.Kind {
	case "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount", "Secret", "Namespace", "Pod":
		return true
	case "CustomResourceDefinition", "ConfigMap", "ClusterServiceVersion":
		return false
	}
	return strings.Contains(string(o.json), `"containers"`)
}
