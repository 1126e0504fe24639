package rbac_test

import (
	"math/rand/v2"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/hotpod-dev/hotpod/rbac"
)

const rbacGroup = "rbac.authorization.k8s.io"

// policy makes a rule of words as rule does.
func policy(verbs, groups, resources []string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: groups, Resources: resources, ResourceNames: names}
}

type words = []string

func TestCovers(t *testing.T) {
	paths := func(verbs words, urls ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{Verbs: verbs, NonResourceURLs: urls}
	}
	for _, tt := range []struct {
		name   string
		rule   rbacv1.PolicyRule
		action rbac.Action
		want   bool
	}{
		{"the same words", policy(words{"get"}, words{""}, words{"pods"}), rbac.Action{Verb: "get", Resource: "pods"}, true},
		{"one of several", policy(words{"list", "get"}, words{"apps", ""}, words{"jobs", "pods"}), rbac.Action{Verb: "get", Resource: "pods"}, true},
		{"another verb", policy(words{"list"}, words{""}, words{"pods"}), rbac.Action{Verb: "get", Resource: "pods"}, false},
		{"another group", policy(words{"get"}, words{"metrics.k8s.io"}, words{"pods"}), rbac.Action{Verb: "get", Resource: "pods"}, false},
		{"the core group is not all groups", policy(words{"get"}, words{""}, words{"pods"}), rbac.Action{Verb: "get", Group: "metrics.k8s.io", Resource: "pods"}, false},
		{"all groups", policy(words{"get"}, words{"*"}, words{"pods"}), rbac.Action{Verb: "get", Group: "metrics.k8s.io", Resource: "pods"}, true},
		{"no groups at all", policy(words{"get"}, nil, words{"pods"}), rbac.Action{Verb: "get", Resource: "pods"}, false},
		{"case counts", policy(words{"Get"}, words{""}, words{"Pods"}), rbac.Action{Verb: "get", Resource: "pods"}, false},
		{"no verbs", policy(nil, words{""}, words{"pods"}), rbac.Action{Verb: "get", Resource: "pods"}, false},

		{"every verb covers bind", policy(words{"*"}, words{rbacGroup}, words{"clusterroles"}), rbac.Action{Verb: "bind", Group: rbacGroup, Resource: "clusterroles"}, true},
		{"every verb covers escalate", policy(words{"*"}, words{rbacGroup}, words{"roles"}), rbac.Action{Verb: "escalate", Group: rbacGroup, Resource: "roles"}, true},
		{"every verb covers impersonate", policy(words{"*"}, words{""}, words{"users"}), rbac.Action{Verb: "impersonate", Resource: "users"}, true},
		{"every verb covers use", policy(words{"*"}, words{"policy"}, words{"podsecuritypolicies"}), rbac.Action{Verb: "use", Group: "policy", Resource: "podsecuritypolicies"}, true},
		{"a star within a verb is no wildcard", policy(words{"impersonate*"}, words{""}, words{"users"}), rbac.Action{Verb: "impersonate:user-info", Resource: "users"}, false},

		{"all resources", policy(words{"get"}, words{""}, words{"*"}), rbac.Action{Verb: "get", Resource: "secrets"}, true},
		{"all resources with their subresources", policy(words{"create"}, words{""}, words{"*"}), rbac.Action{Verb: "create", Resource: "pods", Subresource: "exec"}, true},
		{"a resource without its subresources", policy(words{"create"}, words{""}, words{"pods"}), rbac.Action{Verb: "create", Resource: "pods", Subresource: "exec"}, false},
		{"a subresource without its resource", policy(words{"create"}, words{""}, words{"pods/exec"}), rbac.Action{Verb: "create", Resource: "pods"}, false},
		{"that subresource", policy(words{"create"}, words{""}, words{"pods/exec"}), rbac.Action{Verb: "create", Resource: "pods", Subresource: "exec"}, true},
		{"that subresource of all", policy(words{"create"}, words{""}, words{"*/exec"}), rbac.Action{Verb: "create", Resource: "pods", Subresource: "exec"}, true},
		{"another subresource of all", policy(words{"create"}, words{""}, words{"*/exec"}), rbac.Action{Verb: "create", Resource: "pods", Subresource: "attach"}, false},
		{"a star before the slash covers no resource", policy(words{"get"}, words{""}, words{"*/exec"}), rbac.Action{Verb: "get", Resource: "pods"}, false},
		{"a star behind the slash is no wildcard", policy(words{"create"}, words{""}, words{"pods/*"}), rbac.Action{Verb: "create", Resource: "pods", Subresource: "exec"}, false},
		{"nor for the resource itself", policy(words{"create"}, words{""}, words{"pods/*"}), rbac.Action{Verb: "create", Resource: "pods"}, false},
		{"nor are two stars", policy(words{"create"}, words{""}, words{"*/*"}), rbac.Action{Verb: "create", Resource: "pods", Subresource: "exec"}, false},
		{"nor part of a word", policy(words{"get"}, words{""}, words{"pod*"}), rbac.Action{Verb: "get", Resource: "pods"}, false},

		{"get by name", policy(words{"get"}, words{""}, words{"secrets"}, "a", "b"), rbac.Action{Verb: "get", Resource: "secrets", Name: "b"}, true},
		{"get by another name", policy(words{"get"}, words{""}, words{"secrets"}, "a"), rbac.Action{Verb: "get", Resource: "secrets", Name: "b"}, false},
		{"names are not patterns", policy(words{"get"}, words{""}, words{"secrets"}, "*"), rbac.Action{Verb: "get", Resource: "secrets", Name: "b"}, false},
		{"create has no name", policy(words{"create"}, words{""}, words{"secrets"}, "a"), rbac.Action{Verb: "create", Resource: "secrets"}, false},
		{"deletecollection has no name", policy(words{"deletecollection"}, words{""}, words{"secrets"}, "a"), rbac.Action{Verb: "deletecollection", Resource: "secrets"}, false},
		{"list has no name", policy(words{"list"}, words{""}, words{"secrets"}, "a"), rbac.Action{Verb: "list", Resource: "secrets"}, false},
		{"list with a field selector has", policy(words{"list"}, words{""}, words{"secrets"}, "a"), rbac.Action{Verb: "list", Resource: "secrets", Name: "a"}, true},
		{"create of a named subresource", policy(words{"create"}, words{""}, words{"pods/exec"}, "web"), rbac.Action{Verb: "create", Resource: "pods", Subresource: "exec", Name: "web"}, true},
		{"an empty name is a name", policy(words{"create"}, words{""}, words{"secrets"}, ""), rbac.Action{Verb: "create", Resource: "secrets"}, true},

		{"a path", paths(words{"get"}, "/metrics"), rbac.Action{Verb: "get", Path: "/metrics"}, true},
		{"a path below", paths(words{"get"}, "/metrics"), rbac.Action{Verb: "get", Path: "/metrics/x"}, false},
		{"paths by a star", paths(words{"get"}, "/logs/*"), rbac.Action{Verb: "get", Path: "/logs/a/b"}, true},
		{"the star behind a slash", paths(words{"get"}, "/logs/*"), rbac.Action{Verb: "get", Path: "/logs"}, false},
		{"all paths", paths(words{"*"}, "*"), rbac.Action{Verb: "get", Path: "/anything"}, true},
		{"a path is no resource", paths(words{"*"}, "*"), rbac.Action{Verb: "get", Resource: "pods"}, false},
		{"a resource is no path", policy(words{"*"}, words{"*"}, words{"*"}), rbac.Action{Verb: "get", Path: "/metrics"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := rbac.Covers(&tt.rule, tt.action); got != tt.want {
				t.Errorf("Covers(%+v, %s) = %v", tt.rule, tt.action, got)
			}
		})
	}
}

// TestCoversAsUpstream compares with Kubernetes' own comparison of rules,
// which the guard against escalation uses: a request is a rule of one word each.
func TestCoversAsUpstream(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(from ...string) words {
		var all words
		for range 1 + random.IntN(2) {
			all = append(all, from[random.IntN(len(from))])
		}
		return all
	}
	one := func(from ...string) string { return from[random.IntN(len(from))] }
	covered := 0
	for range 20_000 {
		rule := policy(some("get", "create", "bind", "*"), some("", "apps", "*"), some("pods", "pods/exec", "*/exec", "pods/*", "*", "roles"))
		if random.IntN(3) == 0 {
			rule.ResourceNames = some("a", "b", "*")
		}
		a := rbac.Action{Verb: one("get", "create", "bind"), Group: one("", "apps"), Resource: one("pods", "roles"), Subresource: one("", "exec", "log"), Name: one("", "a", "b")}
		request := policy(words{a.Verb}, words{a.Group}, words{a.Resource})
		if a.Subresource != "" {
			request.Resources[0] += "/" + a.Subresource
		}
		if a.Name != "" {
			request.ResourceNames = words{a.Name}
		}
		want, _ := validation.Covers([]rbacv1.PolicyRule{rule}, []rbacv1.PolicyRule{request})
		if got := rbac.Covers(&rule, a); got != want {
			t.Fatalf("Covers(%+v, %s) = %v, Kubernetes says %v", rule, a, got, want)
		}
		if want {
			covered++
		}
	}
	if covered < 1000 {
		t.Errorf("only %d of the random requests were covered", covered)
	}
}

func TestActionString(t *testing.T) {
	for want, a := range map[string]rbac.Action{
		"get pods":                             {Verb: "get", Resource: "pods"},
		"create pods/exec web -n shop":         {Verb: "create", Resource: "pods", Subresource: "exec", Name: "web", Namespace: "shop"},
		"patch deployments.apps/scale":         {Verb: "patch", Group: "apps", Resource: "deployments", Subresource: "scale"},
		"list roles." + rbacGroup + " -n shop": {Verb: "list", Group: rbacGroup, Resource: "roles", Namespace: "shop"},
		"get /metrics":                         {Verb: "get", Path: "/metrics"},
	} {
		if got := a.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
