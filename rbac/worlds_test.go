package rbac_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/rbac"
)

// project is what kubebuilder writes for each operator: the same names
// everywhere, the rules differ.
func project(r string) string {
	return join(account("system/controller-manager"), role("manager-role", r),
		bind("manager-rolebinding", "ClusterRole/manager-role", "sa:system/controller-manager"), pod("system/manager", "serviceAccountName: controller-manager"))
}

var (
	listSecrets = rbac.Action{Verb: "list", Resource: "secrets"}
	getPods     = rbac.Action{Verb: "get", Resource: "pods"}
)

// TestProjects holds that projects of one tree do not lend each other rights.
func TestProjects(t *testing.T) {
	secrets, pods := rule("list", "core", "secrets"), rule("get", "core", "pods")
	split := files{
		"a/config/rbac/role.yaml":        role("manager-role", secrets),
		"a/config/rbac/binding.yaml":     bind("manager-rolebinding", "ClusterRole/manager-role", "sa:system/controller-manager"),
		"a/config/rbac/account.yaml":     account("system/controller-manager"),
		"a/config/manager/manager.yaml":  pod("system/manager", "serviceAccountName: controller-manager"),
		"b/config/rbac/role.yaml":        role("manager-role", pods),
		"b/config/rbac/binding.yaml":     bind("manager-rolebinding", "ClusterRole/manager-role", "sa:system/controller-manager"),
		"b/config/rbac/account.yaml":     account("system/controller-manager"),
		"b/config/manager/manager.yaml":  pod("system/manager", "serviceAccountName: controller-manager"),
		"b/config/samples/other/cr.yaml": pod("system/other", "serviceAccountName: controller-manager"),
	}
	for name, f := range map[string]files{
		"a file each":         {"a/a.yaml": project(secrets), "b/b.yaml": project(pods)},
		"files of one folder": {"a.yaml": project(secrets), "b.yaml": project(pods)},
		"a tree each":         split,
	} {
		t.Run(name, func(t *testing.T) {
			m := f.build(t)
			seen := 0
			for _, w := range m.Workloads {
				inA := w.Object.Origin.Path[0] == 'a'
				for _, token := range w.Tokens {
					seen++
					if got := len(m.Allows(token.Subject, listSecrets)) > 0; got != inA {
						t.Errorf("%s of %s lists secrets: %v", token.Subject, w.Object.Origin.Path, got)
					}
					if got := len(m.Allows(token.Subject, getPods)) > 0; got == inA {
						t.Errorf("%s of %s gets pods: %v", token.Subject, w.Object.Origin.Path, got)
					}
				}
			}
			if seen != len(m.Workloads) {
				t.Errorf("%d tokens in %d workloads", seen, len(m.Workloads))
			}
		})
	}
}

// TestTie holds that where several definitions are equally near, each counts.
func TestTie(t *testing.T) {
	m := files{
		"one/role.yaml": role("r", rule("list", "core", "secrets")),
		"two/role.yaml": role("r", rule("get", "core", "pods")),
		"bind.yaml":     bind("b", "ClusterRole/r", "user:u"),
	}.build(t)
	for _, a := range []rbac.Action{listSecrets, getPods} {
		if len(m.Allows(user("u"), a)) != 1 {
			t.Errorf("%s is lost", a)
		}
	}
}

// TestNearest holds the order: same file, same folder, longest common path.
func TestNearest(t *testing.T) {
	near, far := role("r", rule("list", "core", "secrets")), role("r", rule("get", "core", "pods"))
	for name, f := range map[string]files{
		"the same file before the same folder":   {"a/x.yaml": join(bind("b", "ClusterRole/r", "user:u"), near), "a/y.yaml": far},
		"the same folder before one below":       {"a/x.yaml": bind("b", "ClusterRole/r", "user:u"), "a/y.yaml": near, "a/b/z.yaml": far},
		"the same folder before the one above":   {"a/b/x.yaml": bind("b", "ClusterRole/r", "user:u"), "a/b/y.yaml": near, "a/z.yaml": far},
		"the longer common path":                 {"a/b/c/x.yaml": bind("b", "ClusterRole/r", "user:u"), "a/b/d/y.yaml": near, "a/e/z.yaml": far},
		"a common path counts in whole elements": {"app/b/x.yaml": bind("b", "ClusterRole/r", "user:u"), "app/c/y.yaml": near, "apple/b/z.yaml": far},
	} {
		t.Run(name, func(t *testing.T) {
			m := f.build(t)
			if len(m.Allows(user("u"), listSecrets)) != 1 || len(m.Allows(user("u"), getPods)) != 0 {
				t.Error("the binding means another definition")
			}
			for _, r := range m.Roles {
				if r.Name != "r" {
					continue
				}
				isFar := r.Rules[0].Resources[0] == "pods"
				if r.Bound == isFar || r.Elsewhere != isFar {
					t.Errorf("%s: bound %v, elsewhere %v", r.Object.Origin.Path, r.Bound, r.Elsewhere)
				}
			}
		})
	}
}

// TestSharedBase holds that one definition serves all, however far away.
func TestSharedBase(t *testing.T) {
	m := files{
		"base/role.yaml":       role("r", rule("list", "core", "secrets")),
		"base/account.yaml":    account("shop/web"),
		"envs/dev/bind.yaml":   bind("dev", "ClusterRole/r", "sa:shop/web"),
		"envs/prod/deep/x.yml": pod("shop/p", "serviceAccountName: web"),
	}.build(t)
	for _, token := range m.Workloads[0].Tokens {
		if len(m.Allows(token.Subject, listSecrets)) != 1 || token.Account == nil {
			t.Errorf("%+v", token)
		}
	}
	if len(m.Workloads[0].Tokens) != 1 {
		t.Error("no token")
	}
}

// TestDefaultAccounts holds that the default accounts of two namespaces of one
// name are apart, though nobody writes them down.
func TestDefaultAccounts(t *testing.T) {
	m := files{
		"a/all.yaml": join(namespace("system"), role("system/r", rule("list", "core", "secrets")), bind("system/b", "Role/r", "sa:system/default"), pod("system/p", "")),
		"b/all.yaml": join(namespace("system"), pod("system/p", "")),
	}.build(t)
	in := rbac.Action{Verb: "list", Resource: "secrets", Namespace: "system"}
	for _, w := range m.Workloads {
		for _, token := range w.Tokens {
			if got, want := len(m.Allows(token.Subject, in)) > 0, w.Object.Origin.Path == "a/all.yaml"; got != want {
				t.Errorf("default of %s lists secrets: %v", w.Object.Origin.Path, got)
			}
		}
	}
}

// TestBindingVariants holds that of bindings of one name the nearest counts.
func TestBindingVariants(t *testing.T) {
	m := files{
		"a/b.yaml":   join(role("shop/r", rule("list", "core", "secrets")), bind("shop/b", "Role/r", "sa:shop/web")),
		"b/b.yaml":   join(role("shop/r", rule("get", "core", "pods")), bind("shop/b", "Role/r", "sa:shop/web")),
		"a/pod.yaml": pod("shop/p", "serviceAccountName: web"),
		"c.yaml":     account("shop/web"),
	}.build(t)
	counts := map[string]bool{}
	for _, g := range m.Grants(sa("shop", "web")) {
		counts[g.Binding.Object.Origin.Path] = g.Binding.CountsFrom("a/pod.yaml")
	}
	if diff := cmp.Diff(map[string]bool{"a/b.yaml": true, "b/b.yaml": false}, counts); diff != "" {
		t.Error(diff)
	}
}

// TestAggregationVariants holds that a shipped role takes in what is near to
// who is bound to it.
func TestAggregationVariants(t *testing.T) {
	own := func(r string) string {
		return labelled(role("own", r), `rbac.authorization.k8s.io/aggregate-to-view: "true"`)
	}
	m := files{
		"a/role.yaml": own(rule("list", "core", "secrets")),
		"a/bind.yaml": bind("a", "ClusterRole/view", "user:a"),
		"b/role.yaml": own(rule("sign", "core", "secrets")),
		"b/bind.yaml": bind("b", "ClusterRole/view", "user:b"),
	}.build(t)
	for u, want := range map[string]bool{"a": true, "b": false} {
		if got := len(m.Allows(user(u), listSecrets)) > 0; got != want {
			t.Errorf("%s lists secrets: %v", u, got)
		}
	}
}

// TestAccountVariants holds which definition of an account a workload means.
func TestAccountVariants(t *testing.T) {
	m := files{
		"a/account.yaml": account("shop/web") + "\nautomountServiceAccountToken: false",
		"b/account.yaml": account("shop/web"),
		"a/pod.yaml":     pod("shop/a", "serviceAccountName: web"),
		"b/pod.yaml":     pod("shop/b", "serviceAccountName: web"),
	}.build(t)
	got := map[string][]string{}
	for _, w := range m.Workloads {
		got[w.Object.Name] = tokensOf(w)
	}
	if diff := cmp.Diff(map[string][]string{"a": nil, "b": {"automount shop/web of b/account.yaml"}}, got); diff != "" {
		t.Error(diff)
	}
}
