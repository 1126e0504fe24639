package rbac_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/rbac"
)

func TestAllows(t *testing.T) {
	secrets := rule("list", "core", "secrets")
	listIn := func(ns string) rbac.Action { return rbac.Action{Verb: "list", Resource: "secrets", Namespace: ns} }
	for _, tt := range []struct {
		name    string
		docs    []string
		subject rbac.Subject
		action  rbac.Action
		want    []string // binding > role[rule]
	}{
		{
			name: "a Role in its namespace", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "a Role in another namespace", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: listIn("blog"),
		},
		{
			name: "a Role for all namespaces", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: listIn(""),
		},
		{
			name: "a ClusterRole for all namespaces", docs: []string{role("r", secrets), bind("b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: listIn(""), want: []string{"b > r[0]"},
		},
		{
			name: "a ClusterRole for each namespace", docs: []string{role("r", secrets), bind("b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "a ClusterRole by a RoleBinding", docs: []string{role("r", secrets), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "a ClusterRole by a RoleBinding elsewhere", docs: []string{role("r", secrets), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: listIn(""),
		},
		{
			name: "a Role of another namespace than the binding", docs: []string{role("blog/r", secrets), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: listIn("shop"),
		},
		{
			name: "kinds of one name", docs: []string{role("r", secrets), role("shop/r", rule("get", "core", "pods")), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: listIn("shop"),
		},
		{
			name: "rights from several bindings", docs: []string{
				role("r", rule("get", "core", "pods"), secrets), bind("shop/b", "ClusterRole/r", "user:u"), bind("all", "ClusterRole/r", "user:u"),
			},
			subject: user("u"), action: listIn("shop"), want: []string{"all > r[1]", "b > r[1]"},
		},
		{
			name: "two rules that say the same", docs: []string{role("shop/r", secrets, rule("*", "core", "secrets")), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: listIn("shop"), want: []string{"b > r[0]", "b > r[1]"},
		},
		{
			name: "a role that is not there", docs: []string{bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: listIn("shop"),
		},

		{
			name: "by name", docs: []string{role("shop/r", rule("get create", "core", "secrets", "one", "two")), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "get", Resource: "secrets", Name: "two", Namespace: "shop"}, want: []string{"b > r[0]"},
		},
		{
			name: "a create by name", docs: []string{role("shop/r", rule("get create", "core", "secrets", "one", "two")), bind("shop/b", "Role/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "create", Resource: "secrets", Namespace: "shop"},
		},

		// What RoleBindings do not reach.
		{
			name: "nodes by a RoleBinding", docs: []string{role("r", rule("get", "core", "nodes")), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "get", Resource: "nodes", Name: "node-1"},
		},
		{
			name: "users by a RoleBinding", docs: []string{role("r", rule("impersonate", "core", "users")), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "impersonate", Resource: "users", Name: "admin"},
		},
		{
			name: "service accounts by a RoleBinding", docs: []string{role("r", rule("impersonate", "core", "serviceaccounts")), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "impersonate", Resource: "serviceaccounts", Name: "web", Namespace: "shop"}, want: []string{"b > r[0]"},
		},
		{
			name: "a path by a RoleBinding", docs: []string{rbacV1 + "kind: ClusterRole\nmetadata: {name: r}\nrules: [{verbs: [get], nonResourceURLs: [/metrics]}]", bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "get", Path: "/metrics"},
		},
		{
			name: "a path by a ClusterRoleBinding", docs: []string{rbacV1 + "kind: ClusterRole\nmetadata: {name: r}\nrules: [{verbs: [get], nonResourceURLs: [/metrics]}]", bind("b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "get", Path: "/metrics"}, want: []string{"b > r[0]"},
		},
		{
			// A request for one namespace is made in it.
			name: "the binding's own namespace", docs: []string{role("r", rule("get patch", "core", "namespaces")), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "patch", Resource: "namespaces", Name: "shop", Namespace: "shop"}, want: []string{"b > r[0]"},
		},
		{
			name: "another namespace than the binding's", docs: []string{role("r", rule("get patch", "core", "namespaces")), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "patch", Resource: "namespaces", Name: "blog", Namespace: "blog"},
		},
		{
			name: "a list of namespaces", docs: []string{role("r", rule("list", "core", "namespaces")), bind("shop/b", "ClusterRole/r", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "list", Resource: "namespaces"},
		},

		// Subjects.
		{
			name: "an account", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "sa:blog/web")},
			subject: sa("blog", "web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "an account of the same name elsewhere", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "sa:blog/web")},
			subject: sa("shop", "web"), action: listIn("shop"),
		},
		{
			name: "an account by its user name", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "user:system:serviceaccount:blog:web")},
			subject: sa("blog", "web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "an account asked for by its user name", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "sa:blog/web")},
			subject: user("system:serviceaccount:blog:web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "a user name that is nearly an account's", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "user:system:serviceaccount::web")},
			subject: user("system:serviceaccount::web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "an account of no namespace is not the default one's", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "user:system:serviceaccount::web")},
			subject: sa("default", "web"), action: listIn("shop"),
		},
		{
			name: "an account with a colon in its name is a user", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "user:system:serviceaccount:blog:web:x")},
			subject: user("system:serviceaccount:blog:web:x"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "an account among all accounts", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:system:serviceaccounts")},
			subject: sa("blog", "web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "an account among those of its namespace", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:system:serviceaccounts:blog")},
			subject: sa("blog", "web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "an account among those of another namespace", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:system:serviceaccounts:shop")},
			subject: sa("blog", "web"), action: listIn("shop"),
		},
		{
			name: "an account is authenticated", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:system:authenticated")},
			subject: sa("blog", "web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "a user is authenticated", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:system:authenticated")},
			subject: user("u"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "anonymous is not authenticated", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:system:authenticated")},
			subject: user("system:anonymous"), action: listIn("shop"),
		},
		{
			name: "anonymous is unauthenticated", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:system:unauthenticated")},
			subject: user("system:anonymous"), action: listIn("shop"), want: []string{"b > r[0]"},
		},
		{
			name: "a user is no group of its name", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "group:u")},
			subject: user("u"), action: listIn("shop"),
		},
		{
			name: "a RoleBinding's account without a namespace is in the binding's", docs: []string{role("shop/r", secrets), bind("shop/b", "Role/r", "sa:/web")},
			subject: sa("shop", "web"), action: listIn("shop"), want: []string{"b > r[0]"},
		},

		// What Kubernetes ships.
		{
			name: "cluster-admin", docs: []string{bind("b", "ClusterRole/cluster-admin", "user:u")},
			subject: user("u"), action: rbac.Action{Verb: "escalate", Group: rbacGroup, Resource: "clusterroles"}, want: []string{"b > cluster-admin[0]"},
		},
		{
			name: "edit takes its rules from what it selects", docs: []string{bind("shop/b", "ClusterRole/edit", "user:u")},
			subject: user("u"), action: listIn("shop"), want: []string{"b > system:aggregate-to-edit[0]"},
		},
		{
			name: "view does not read secrets", docs: []string{bind("shop/b", "ClusterRole/view", "user:u")},
			subject: user("u"), action: listIn("shop"),
		},
		{
			name: "everybody may ask what they may do", docs: nil,
			subject: sa("shop", "web"), action: rbac.Action{Verb: "create", Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"},
			want: []string{"system:basic-user > system:basic-user[0]"},
		},
		{
			name: "the controller of aggregation may escalate", docs: nil,
			subject: sa("kube-system", "clusterrole-aggregation-controller"), action: rbac.Action{Verb: "escalate", Group: rbacGroup, Resource: "clusterroles"},
			want: []string{"system:controller:clusterrole-aggregation-controller > system:controller:clusterrole-aggregation-controller[0]"},
		},

		// Aggregation.
		{
			name: "matchLabels", docs: []string{
				aggregated("all", `{matchLabels: {part: "yes"}}`), labelled(role("part", secrets), `part: "yes"`), bind("b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn(""), want: []string{"b > part[0]"},
		},
		{
			name: "a label of another value", docs: []string{
				aggregated("all", `{matchLabels: {part: "yes"}}`), labelled(role("part", secrets), `part: "no"`), bind("b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn(""),
		},
		{
			name: "matchExpressions", docs: []string{
				aggregated("all", `{matchExpressions: [{key: part, operator: In, values: [one, two]}, {key: not, operator: DoesNotExist}]}`),
				labelled(role("part", secrets), `part: two`), labelled(role("not", secrets), `part: two, not: this`), bind("b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn(""), want: []string{"b > part[0]"},
		},
		{
			name: "one of several selectors", docs: []string{
				aggregated("all", `{matchLabels: {a: b}}, {matchExpressions: [{key: part, operator: Exists}]}`), labelled(role("part", secrets), `part: two`), bind("b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn(""), want: []string{"b > part[0]"},
		},
		{
			name: "no selectors select nothing", docs: []string{
				aggregated("all", ``), labelled(role("part", secrets), `part: two`), bind("b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn(""),
		},
		{
			name: "a Role is not aggregated", docs: []string{
				aggregated("all", `{matchLabels: {part: "yes"}}`), labelled(role("shop/part", secrets), `part: "yes"`), bind("shop/b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn("shop"),
		},
		{
			name: "rules of the aggregating role itself are overwritten", docs: []string{
				rbacV1 + "kind: ClusterRole\nmetadata: {name: all}\naggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}\nrules: [" + secrets + "]", bind("b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn(""),
		},
		{
			name: "a chain", docs: []string{
				aggregated("all", `{matchLabels: {step: "1"}}`),
				labelled(aggregated("middle", `{matchLabels: {step: "2"}}`), `step: "1"`),
				labelled(role("end", secrets), `step: "2"`), bind("b", "ClusterRole/all", "user:u"),
			},
			subject: user("u"), action: listIn(""), want: []string{"b > end[0]"},
		},
		{
			name: "a circle", docs: []string{
				labelled(aggregated("one", `{matchLabels: {to: one}}`), `to: two`),
				labelled(aggregated("two", `{matchLabels: {to: two}}`), `to: one`),
				labelled(role("end", secrets), `to: two`), bind("b", "ClusterRole/one", "user:u"),
			},
			subject: user("u"), action: listIn(""), want: []string{"b > end[0]"},
		},
		{
			name: "into a shipped role, and on into those above it", docs: []string{
				labelled(role("own", secrets), `rbac.authorization.k8s.io/aggregate-to-view: "true"`), bind("shop/b", "ClusterRole/view", "user:u"), bind("shop/c", "ClusterRole/admin", "user:u"),
			},
			subject: user("u"), action: listIn("shop"), want: []string{"b > own[0]", "c > own[0]", "c > system:aggregate-to-edit[0]"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := build(t, tt.docs...)
			if diff := cmp.Diff(tt.want, why(m.Allows(tt.subject, tt.action))); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.subject, tt.action, diff)
			}
		})
	}
}

// TestWhoCan holds that each subject is named that a binding names, shipped
// ones included, groups as groups.
func TestWhoCan(t *testing.T) {
	m := build(t, role("r", rule("sign", "example.com", "letters")),
		bind("b", "ClusterRole/r", "user:u", "group:g"), bind("shop/c", "ClusterRole/r", "sa:shop/web"))
	ask := func(a rbac.Action) []string {
		var got []string
		for s, w := range m.WhoCan(a) {
			got = append(got, fmt.Sprint(s, " by ", w.Binding.Name))
		}
		return got
	}
	a := rbac.Action{Verb: "sign", Group: "example.com", Resource: "letters", Namespace: "shop"}
	want := []string{"Group 'g' by b", "Group 'system:masters' by cluster-admin", "ServiceAccount 'shop/web' by c", "User 'u' by b"}
	if diff := cmp.Diff(want, ask(a)); diff != "" {
		t.Error(diff)
	}
	a.Namespace = ""
	if diff := cmp.Diff(slices.Delete(want, 2, 3), ask(a)); diff != "" {
		t.Error(diff)
	}
	for range m.WhoCan(a) {
		break // stopping early must not panic
	}
}

// TestShippedAggregation holds that we fill the shipped roles that aggregate
// as the controller of a real cluster did, whose answer the data has.
func TestShippedAggregation(t *testing.T) {
	names, err := filepath.Glob("builtin/*.json")
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ ClusterRoles []rbacv1.ClusterRole }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	m := build(t)
	compared := 0
	for _, want := range file.ClusterRoles {
		i := slices.IndexFunc(m.Roles, func(r *rbac.Role) bool { return r.Namespace == "" && r.Name == want.Name })
		var rules []rbacv1.PolicyRule
		for _, r := range m.Roles[i].Rules {
			rules = append(rules, r.PolicyRule)
		}
		// The controller's order is that of the roles that it selects itself.
		sortRules := cmpopts.SortSlices(func(a, b rbacv1.PolicyRule) bool { return a.String() < b.String() })
		if diff := cmp.Diff(want.Rules, rules, sortRules); diff != "" {
			t.Errorf("%s: %s", want.Name, diff)
		}
		if want.AggregationRule != nil {
			compared++
		}
		if !m.Roles[i].Assumed {
			t.Errorf("%s is not assumed", want.Name)
		}
	}
	if compared < 3 {
		t.Errorf("only %d roles aggregate", compared)
	}
}

// TestQuoted holds which objects of the input count as shipped: those that say
// what Kubernetes ships.
func TestQuoted(t *testing.T) {
	viewer := func(subjects ...string) string {
		return bind("system:public-info-viewer", "ClusterRole/system:public-info-viewer", subjects...)
	}
	info := rbacV1 + "kind: ClusterRole\nmetadata: {name: 'system:public-info-viewer', labels: {a: b}}\nrules: [{verbs: [get], nonResourceURLs: [/healthz, /livez, /readyz, /version, /version/]}]"
	for _, tt := range []struct {
		name, doc string
		want      bool
	}{
		{"a role", info, true},
		{"a role with a word more", info[:len(info)-2] + ", resources: []}]", true},
		{"a role with a path more", info[:len(info)-3] + ", /metrics]}]", false},
		{"a role that aggregates", aggregated("edit", `{matchLabels: {rbac.authorization.k8s.io/aggregate-to-edit: "true"}}`), true},
		{"a role that aggregates more", aggregated("edit", `{matchLabels: {rbac.authorization.k8s.io/aggregate-to-edit: "true"}}, {matchLabels: {my: own}}`), false},
		{"a role that aggregates no more", role("edit", rule("get", "core", "pods")), false},
		{"a binding", viewer("group:system:authenticated", "group:system:unauthenticated"), true},
		{"a binding with a subject more", viewer("group:system:authenticated", "group:system:unauthenticated", "user:u"), false},
		{"a binding to another role", bind("system:public-info-viewer", "ClusterRole/view", "group:system:authenticated", "group:system:unauthenticated"), false},
		{"a binding by another name", bind("public-info", "ClusterRole/system:public-info-viewer", "group:system:authenticated", "group:system:unauthenticated"), false},
		{"a role of one's own", role("reader", rule("get", "core", "pods")), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := build(t, tt.doc)
			for _, r := range m.Roles {
				if r.Object.Origin.Path != "" && r.Assumed != tt.want {
					t.Errorf("%s is assumed: %v", r.Ref(), r.Assumed)
				}
			}
			for _, b := range m.Bindings {
				if b.Object.Origin.Path != "" && b.Assumed != tt.want {
					t.Errorf("%s is assumed: %v", b.Ref(), b.Assumed)
				}
			}
		})
	}
}

// TestAltered holds which rules of a shipped role that the input alters are
// still those that Kubernetes ships.
func TestAltered(t *testing.T) {
	m := build(t, role("system:basic-user",
		rule("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
		rule("create get", "authorization.k8s.io", "selfsubjectaccessreviews"),
		rule("list", "core", "secrets")))
	for _, r := range m.Roles {
		for _, rule := range r.Rules {
			want := rule.Object.Origin.Path == "" || rule.Index == 0
			if rule.Assumed != want {
				t.Errorf("rule %d of %s is assumed: %v", rule.Index, r.Name, rule.Assumed)
			}
		}
	}
}

// TestOverridden holds that an object of the input takes the place of the
// shipped one.
func TestOverridden(t *testing.T) {
	m := build(t, role("cluster-admin", rule("get", "core", "pods")),
		bind("system:basic-user", "ClusterRole/system:basic-user", "user:only"))
	if got := m.Allows(group("system:masters"), rbac.Action{Verb: "list", Resource: "secrets"}); len(got) > 0 {
		t.Errorf("cluster-admin still lists secrets: %v", why(got))
	}
	ask := rbac.Action{Verb: "create", Group: "authorization.k8s.io", Resource: "selfsubjectaccessreviews"}
	if got := m.Allows(user("u"), ask); len(got) > 0 {
		t.Errorf("system:basic-user still has everybody: %v", why(got))
	}
	if got := m.Allows(user("only"), ask); len(got) != 1 {
		t.Errorf("the binding of the input does not count: %v", why(got))
	}
}

func TestSubjects(t *testing.T) {
	for key, s := range map[string]rbac.Subject{
		"ServiceAccount:shop/web":      sa("shop", "web"),
		"User:system:anonymous":        user(rbac.Anonymous),
		"Group:system:serviceaccounts": group(rbac.AllAccounts),
	} {
		if got := s.Key(); got != key {
			t.Errorf("key %q, want %q", got, key)
		}
	}
	if got := in("a.yaml", sa("shop", "web")).Key(); got != "ServiceAccount:shop/web" {
		t.Errorf("a variant's key is %q", got)
	}
	if got := sa("shop", "web").String(); got != "ServiceAccount 'shop/web'" {
		t.Error(got)
	}
	if got := group("g").Groups(); got != nil {
		t.Errorf("a group is in the groups %v", got)
	}
}
