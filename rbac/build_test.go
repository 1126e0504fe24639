package rbac_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// files are the texts of manifests by path.
type files map[string]string

func (f files) objects(t testing.TB) []*source.Object {
	t.Helper()
	var all []*source.Object
	for path, text := range f {
		objects, problems := source.Parse(path, []byte(text), source.DefaultLimits())
		for _, p := range problems {
			t.Fatalf("%s: %v", p.Position, p.Err)
		}
		all = append(all, objects...)
	}
	return all
}

// build makes a model of files in which nothing is odd.
func (f files) build(t testing.TB) *rbac.Model {
	t.Helper()
	m, problems := rbac.Build(f.objects(t), rbac.Options{})
	for _, p := range problems {
		t.Errorf("problem: %s: %v", p.Position, p.Err)
	}
	return m
}

// build makes a model of one file.
func build(t testing.TB, docs ...string) *rbac.Model {
	t.Helper()
	return files{"a.yaml": join(docs...)}.build(t)
}

func join(docs ...string) string { return strings.Join(docs, "\n---\n") }

const rbacV1 = "apiVersion: rbac.authorization.k8s.io/v1\n"

// role writes a Role, or a ClusterRole where the reference has no namespace:
// role("shop/reader", …), role("reader", …).
func role(ref string, rules ...string) string {
	return rbacV1 + "kind: " + kind(ref, "Role") + "\nmetadata: " + meta(ref) + "\nrules: [" + strings.Join(rules, ", ") + "]"
}

// labelled gives a role labels.
func labelled(role, labels string) string {
	return strings.Replace(role, "metadata: {", "metadata: {labels: {"+labels+"}, ", 1)
}

// aggregated writes a ClusterRole that selects others.
func aggregated(name, selectors string) string {
	return rbacV1 + "kind: ClusterRole\nmetadata: {name: " + name + "}\naggregationRule: {clusterRoleSelectors: [" + selectors + "]}\nrules: []"
}

// rule writes a policy rule; words are separated by spaces, the core group is "core".
func rule(verbs, groups, resources string, names ...string) string {
	s := fmt.Sprintf("{verbs: %s, apiGroups: %s, resources: %s", list(verbs), list(strings.ReplaceAll(groups, "core", `""`)), list(resources))
	if len(names) > 0 {
		s += ", resourceNames: " + list(strings.Join(names, " "))
	}
	return s + "}"
}

func list(words string) string {
	var quoted []string
	for _, w := range strings.Fields(words) {
		if w != `""` {
			w = `"` + w + `"`
		}
		quoted = append(quoted, w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// bind writes a RoleBinding, or a ClusterRoleBinding where the reference has
// no namespace. The role is "Role/name" or "ClusterRole/name", subjects are
// "sa:namespace/name", "user:name" and "group:name".
func bind(ref, role string, subjects ...string) string {
	roleKind, roleName, _ := strings.Cut(role, "/")
	var all []string
	for _, s := range subjects {
		k, name, _ := strings.Cut(s, ":")
		switch ns, account, _ := strings.Cut(name, "/"); k {
		case "sa":
			all = append(all, fmt.Sprintf("{kind: ServiceAccount, namespace: %q, name: %q}", ns, account))
		case "user":
			all = append(all, fmt.Sprintf("{kind: User, apiGroup: rbac.authorization.k8s.io, name: %q}", name))
		case "group":
			all = append(all, fmt.Sprintf("{kind: Group, apiGroup: rbac.authorization.k8s.io, name: %q}", name))
		}
	}
	return rbacV1 + "kind: " + kind(ref, "RoleBinding") + "\nmetadata: " + meta(ref) +
		fmt.Sprintf("\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: %q}", roleKind, roleName) +
		"\nsubjects: [" + strings.Join(all, ", ") + "]"
}

func account(ref string) string {
	return "apiVersion: v1\nkind: ServiceAccount\nmetadata: " + meta(ref)
}

func namespace(name string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}"
}

// pod writes a Pod with more fields of its spec.
func pod(ref, spec string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: " + meta(ref) + "\nspec:\n  containers: [{name: c, image: i}]\n" + indent(spec)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

func kind(ref, namespaced string) string {
	if strings.Contains(ref, "/") {
		return namespaced
	}
	return "Cluster" + namespaced
}

func meta(ref string) string {
	if ns, name, found := strings.Cut(ref, "/"); found {
		return fmt.Sprintf("{namespace: %s, name: %q}", ns, name)
	}
	return fmt.Sprintf("{name: %q}", ref)
}

// user, group and sa are subjects as the model has them.
func user(name string) rbac.Subject               { return rbac.Subject{Kind: "User", Name: name} }
func group(name string) rbac.Subject              { return rbac.Subject{Kind: "Group", Name: name} }
func sa(ns, name string) rbac.Subject             { return rbac.Account(ns, name) }
func in(file string, s rbac.Subject) rbac.Subject { s.Variant = file; return s }

// why writes witnesses as binding > role[rule], in order.
func why(all []rbac.Witness) []string {
	var said []string
	for _, w := range all {
		said = append(said, fmt.Sprintf("%s > %s[%d]", w.Binding.Name, w.Rule.Object.Name, w.Rule.Index))
	}
	slices.Sort(said)
	return said
}

// TestProblems holds that what the API server refuses, or what cannot be
// decoded, is said, at its place, and hides nothing else.
func TestProblems(t *testing.T) {
	reader := role("shop/reader", rule("list", "core", "secrets"))
	good := bind("shop/good", "Role/reader", "sa:shop/web")
	for _, tt := range []struct {
		name, doc  string
		want       string // the message has this
		line       int
		incomplete bool
	}{
		{
			name: "a verb that is a number",
			doc:  rbacV1 + "kind: Role\nmetadata: {name: r, namespace: shop}\nrules:\n- apiGroups: ['']\n  resources: [pods]\n  verbs:\n  - get\n  - 7\n",
			want: "verbs[1] is 7, and must be a string", line: 9, incomplete: true,
		},
		{
			name: "a verb that YAML 1.1 takes for a truth value",
			doc:  rbacV1 + "kind: Role\nmetadata: {name: r, namespace: shop}\nrules:\n- {apiGroups: [''], resources: [pods], verbs: [on]}\n",
			want: "verbs[0] is true, and must be a string: put it in quotes", line: 5, incomplete: true,
		},
		{
			name: "verbs that are no list",
			doc:  rbacV1 + "kind: Role\nmetadata: {name: r, namespace: shop}\nrules:\n- apiGroups: ['']\n  resources: [pods]\n  verbs: get\n",
			want: "verbs must be a list of strings", line: 7, incomplete: true,
		},
		{
			name: "rules that are no list",
			doc:  rbacV1 + "kind: Role\nmetadata: {name: r, namespace: shop}\nrules:\n  verbs: [get]\n",
			want: "rules", line: 4, incomplete: true,
		},
		{
			name: "no rules",
			doc:  rbacV1 + "kind: Role\nmetadata: {name: r, namespace: shop}\n",
			want: "has no rules", line: 2,
		},
		{
			name: "no name",
			doc:  rbacV1 + "kind: ClusterRole\nmetadata:\n  labels: {a: b}\nrules: []\n",
			want: "has no name", line: 3, incomplete: true,
		},
		{
			name: "a ClusterRoleBinding to a Role",
			doc:  bind("b", "Role/reader", "user:u"),
			want: "cannot refer to a Role", line: 4,
		},
		{
			name: "an unknown kind of role",
			doc:  bind("shop/b", "Policy/reader", "user:u"),
			want: `roleRef.kind is "Policy"`, line: 4,
		},
		{
			name: "a roleRef to another group",
			doc:  strings.Replace(bind("shop/b", "Role/reader", "user:u"), "{apiGroup: rbac.authorization.k8s.io, kind: Role", "{apiGroup: example.com, kind: Role", 1),
			want: `roleRef.apiGroup is "example.com"`, line: 4,
		},
		{
			name: "no roleRef",
			doc:  rbacV1 + "kind: RoleBinding\nmetadata: {name: b, namespace: shop}\nsubjects: []\n",
			want: "roleRef has no name", line: 1,
		},
		{
			name: "subjects that are no list",
			doc:  bind("shop/b", "Role/reader") + "\nsubjects: everybody\n",
			want: "subjects", line: 6, incomplete: true,
		},
		{
			name: "a subject of an unknown kind",
			doc:  strings.Replace(bind("shop/b", "Role/reader", "user:u"), "kind: User", "kind: Robot", 1),
			want: `subject is of kind "Robot"`, line: 5,
		},
		{
			name: "a subject without a name",
			doc:  bind("shop/b", "Role/reader", "user:"),
			want: "subject has no name", line: 5,
		},
		{
			name: "an account without a namespace",
			doc:  bind("b", "ClusterRole/view", "sa:/web"),
			want: "taken as default", line: 5,
		},
		{
			name: "a selector that selects nothing sensible",
			doc:  aggregated("a", "{matchLabels: {a: b}}, {matchExpressions: [{key: a, operator: Near}]}"),
			want: "Near", line: 4, incomplete: true,
		},
		{
			name: "automountServiceAccountToken that is a string",
			doc:  account("shop/web") + "\nautomountServiceAccountToken: \"false\"",
			want: "automountServiceAccountToken", line: 4, incomplete: true,
		},
		{
			name: "a pod's automountServiceAccountToken that is a string",
			doc:  pod("shop/web", "automountServiceAccountToken: \"false\""),
			want: "pod spec is not readable", line: 4, incomplete: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := files{"bad.yaml": tt.doc, "good.yaml": join(reader, good)}
			var objects []*source.Object
			for path, text := range f {
				some, _ := source.Parse(path, []byte(text), source.DefaultLimits()) // repeated keys are one of the oddities
				objects = append(objects, some...)
			}
			m, problems := rbac.Build(objects, rbac.Options{})
			if len(problems) != 1 {
				t.Fatalf("%d problems: %v", len(problems), problems)
			}
			p := problems[0]
			if !strings.Contains(p.Err.Error(), tt.want) || p.Incomplete != tt.incomplete {
				t.Errorf("problem is %q, incomplete %v", p.Err, p.Incomplete)
			}
			if p.Position.Path != "bad.yaml" || p.Position.Line != tt.line {
				t.Errorf("problem is at %s, want line %d", p.Position, tt.line)
			}
			if got := m.Allows(sa("shop", "web"), rbac.Action{Verb: "list", Resource: "secrets", Namespace: "shop"}); len(got) == 0 {
				t.Error("the good role beside it is lost")
			}
		})
	}
}

// TestOneBadRule holds that a rule which cannot be read hides no other.
func TestOneBadRule(t *testing.T) {
	f := files{"a.yaml": join(role("shop/r", "{verbs: 7}", rule("get", "core", "pods")), bind("shop/b", "Role/r", "user:u"))}
	m, problems := rbac.Build(f.objects(t), rbac.Options{})
	if len(problems) != 1 {
		t.Errorf("problems: %v", problems)
	}
	got := why(m.Allows(user("u"), rbac.Action{Verb: "get", Resource: "pods", Namespace: "shop"}))
	if diff := cmp.Diff([]string{"b > r[1]"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestOptionsNamespace holds that objects without a namespace are in that of
// the options.
func TestOptionsNamespace(t *testing.T) {
	docs := files{"a.yaml": join(
		strings.Replace(role("shop/r", rule("get", "core", "pods")), "namespace: shop, ", "", 1),
		strings.Replace(bind("shop/b", "Role/r", "sa:x/web"), "namespace: shop, ", "", 1),
		strings.Replace(pod("shop/p", ""), "namespace: shop, ", "", 1),
	)}
	for option, want := range map[string]string{"": "default", "shop": "shop"} {
		m, _ := rbac.Build(docs.objects(t), rbac.Options{Namespace: option})
		if got := m.Allows(sa("x", "web"), rbac.Action{Verb: "get", Resource: "pods", Namespace: want}); len(got) != 1 {
			t.Errorf("%q: witnesses %v", option, why(got))
		}
		if got := m.Workloads[0].Namespace; got != want {
			t.Errorf("%q: the pod is in namespace %q", option, got)
		}
	}
}

// TestOtherGroups holds that only Kubernetes' own kinds are taken.
func TestOtherGroups(t *testing.T) {
	m := build(t,
		strings.Replace(role("shop/r", rule("get", "core", "pods")), "rbac.authorization.k8s.io/v1", "authorization.openshift.io/v1", 1),
		strings.Replace(account("shop/web"), "v1", "example.com/v1", 1),
		strings.Replace(role("shop/old", rule("get", "core", "pods")), "k8s.io/v1", "k8s.io/v1beta1", 1),
	)
	var own []string
	for _, r := range m.Roles {
		if !r.Assumed {
			own = append(own, r.Name)
		}
	}
	if diff := cmp.Diff([]string{"old"}, own); diff != "" {
		t.Errorf("roles: %s", diff)
	}
	if len(m.Accounts) != 0 {
		t.Errorf("accounts: %v", m.Accounts)
	}
}

// TestOrder holds that the order of objects changes nothing.
func TestOrder(t *testing.T) {
	f := files{
		"a/a.yaml": join(namespace("ns"), account("ns/default"), role("ns/r", rule("get", "core", "pods")), bind("ns/b", "Role/r", "sa:ns/default"), pod("ns/p", "")),
		"b/b.yaml": join(namespace("ns"), account("ns/default"), role("ns/r", rule("list", "core", "secrets")), bind("ns/b", "Role/r", "sa:ns/default"), pod("ns/p", "")),
		"c.yaml":   join(labelled(role("own", rule("get", "core", "secrets")), `rbac.authorization.k8s.io/aggregate-to-view: "true"`), bind("v", "ClusterRole/view", "sa:ns/default")),
	}
	objects := f.objects(t)
	slices.SortFunc(objects, func(a, b *source.Object) int { return strings.Compare(a.Origin.Path, b.Origin.Path) })
	first := describe(objects)
	for range 5 {
		slices.Reverse(objects)
		half := len(objects) / 2
		objects = append(slices.Clone(objects[half:]), objects[:half]...)
		if diff := cmp.Diff(first, describe(objects)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// describe writes down all that a model says.
func describe(objects []*source.Object) []string {
	m, problems := rbac.Build(objects, rbac.Options{})
	var said []string
	for _, s := range m.Subjects() {
		for _, g := range m.AllGrants(s) {
			line := fmt.Sprint(s, s.Variant, g.SubjectIndex, g.Binding.Ref(), g.Binding.Object.Origin.Path)
			if g.Role != nil {
				for _, r := range g.Role.Rules {
					line += fmt.Sprint(" ", r.Object.Origin.Path, r.Object.Name, r.Index)
				}
			}
			said = append(said, line)
		}
	}
	for _, w := range m.Workloads {
		for _, token := range w.Tokens {
			said = append(said, fmt.Sprint(w.Object, w.Object.Origin.Path, token.Subject, token.Subject.Variant, token.Mount, token.Path))
		}
	}
	for _, p := range problems {
		said = append(said, fmt.Sprint(p.Position, p.Err))
	}
	return said
}

// FuzzBuild holds that no manifest makes Build panic, and that all places it
// speaks of lie within the file.
func FuzzBuild(f *testing.F) {
	f.Add([]byte(join(role("r", rule("*", "*", "*")), bind("b", "ClusterRole/r", "sa:n/a", "user:u", "group:g"), account("n/a"), pod("n/p", "serviceAccountName: a"))))
	f.Add([]byte(aggregated("a", "{matchExpressions: [{key: k, operator: Exists}]}")))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, spec: {containers: [{image: i}], volumes: [{projected: {sources: [{}]}}]}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, _ := source.Parse("f.yaml", data, source.DefaultLimits())
		m, problems := rbac.Build(objects, rbac.Options{})
		lines := strings.Count(string(data), "\n") + 1
		at := func(p source.Position) {
			if p.Path == "f.yaml" && (p.Line < 1 || p.Line > lines) {
				t.Errorf("%s is outside of the file", p)
			}
		}
		for _, p := range problems {
			at(p.Position)
		}
		for _, w := range m.Workloads {
			at(w.Object.At(w.AccountPath()...))
			for _, token := range w.Tokens {
				at(w.Object.At(token.Path...))
			}
		}
		for _, s := range m.Subjects() {
			m.Allows(s, rbac.Action{Verb: "get", Resource: "secrets", Namespace: "n"})
		}
	})
}
