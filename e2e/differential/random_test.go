package differential

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// TestRandom compares in worlds that nobody would write.
func TestRandom(t *testing.T) {
	c := live.Need(t)
	const few, perWorld = 5, 5000
	n, first := budget(t), seed(t)
	worlds := max(few, n/perWorld)
	for i := range worlds {
		seed := first + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := random(seed)
			w := hold(t, c, makeWorld(t, r))
			w.compare(t, c, newAsker(r, w).questions(n/worlds))
		})
	}
}

// The words that rules and questions are made of. Those with a star in them
// are no wildcards, except the star alone and in front of a slash.
var (
	namespaces = []string{"north", "south", "default", "kube-system"}
	verbs      = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "impersonate:user-info", "bind", "escalate", "use", "approve", "*", "Get"}
	groups     = []string{"", "", "", "apps", "rbac.authorization.k8s.io", "certificates.k8s.io", "authentication.k8s.io", "metrics.k8s.io", "example.com", "*"}
	resources  = []string{"pods", "pods", "secrets", "nodes", "namespaces", "serviceaccounts", "roles", "clusterroles", "rolebindings", "users", "groups", "deployments", "userextras", "*", "pod*"}
	subs       = []string{"", "", "", "exec", "token", "status", "proxy", "log", "ephemeralcontainers", "*"}
	names      = []string{"a", "b", "web", "cluster-admin", "north", "*", ""}
	paths      = []string{"/metrics", "/metrics/*", "/healthz*", "/api/*/x", "/logs/**", "*", "/*", "/", "metrics"}
	labels     = []string{"team", "tier"}
	values     = []string{"red", "blue"}
)

func anyAction(r *rand.Rand, names []string) rbac.Action {
	if r.IntN(12) == 0 {
		return rbac.Action{Verb: pick(r, verbs), Path: strings.ReplaceAll(pick(r, paths), "*", pick(r, []string{"", "a", "*"}))}
	}
	return rbac.Action{Verb: pick(r, verbs), Group: pick(r, groups), Resource: pick(r, resources), Subresource: pick(r, subs), Name: pick(r, names)}
}

// maker makes the objects of one world.
type maker struct {
	*rand.Rand
	t       *testing.T
	objects []*source.Object
	roles   map[string][]string // names, by namespace
}

func makeWorld(t *testing.T, r *rand.Rand) []*source.Object {
	m := maker{Rand: r, t: t, roles: map[string][]string{"": {"view", "edit", "admin", "cluster-admin", "system:discovery", "missing"}}}
	for i := range 12 {
		m.clusterRole(fmt.Sprint("plain-", i), m.rules(true), nil)
	}
	for i := range 6 {
		m.clusterRole(fmt.Sprint("aggregate-", i), nil, m.aggregation())
	}
	for _, ns := range namespaces {
		m.roles[ns] = []string{"missing"}
		for i := range 3 {
			meta := metav1.ObjectMeta{Name: fmt.Sprint("role-", i), Namespace: ns}
			m.add("Role", rbacv1.Role{ObjectMeta: meta, Rules: m.rules(false)})
			m.roles[ns] = append(m.roles[ns], meta.Name)
		}
	}
	for i := range 30 {
		m.binding(fmt.Sprint("binding-", i))
	}
	return m.objects
}

func (m *maker) add(kind string, o any) {
	text, err := json.Marshal(o)
	if err != nil {
		m.t.Fatal(err)
	}
	var content map[string]any
	if err := json.Unmarshal(text, &content); err != nil {
		m.t.Fatal(err)
	}
	content["apiVersion"], content["kind"] = rbacv1.SchemeGroupVersion.String(), kind
	if text, err = json.Marshal(content); err != nil {
		m.t.Fatal(err)
	}
	made, err := source.Made("", text)
	if err != nil {
		m.t.Fatal(err)
	}
	m.objects = append(m.objects, made)
}

// some picks up to n words, at least one.
func (m *maker) some(words []string, n int) []string {
	var all []string
	for range 1 + m.IntN(n) {
		all = appendNew(all, pick(m.Rand, words))
	}
	return all
}

func (m *maker) rules(paths bool) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for range m.IntN(4) {
		all = append(all, m.rule(paths))
	}
	return all
}

func (m *maker) rule(withPaths bool) rbacv1.PolicyRule {
	r := rbacv1.PolicyRule{Verbs: m.some(verbs, 3)}
	if withPaths && m.IntN(4) == 0 {
		r.NonResourceURLs = m.some(paths, 2)
		return r
	}
	r.APIGroups = m.some(groups, 2)
	for range 1 + m.IntN(3) {
		full := pick(m.Rand, resources)
		if sub := pick(m.Rand, subs); sub != "" {
			full += "/" + sub
		}
		r.Resources = append(r.Resources, full)
	}
	if m.IntN(3) == 0 {
		r.ResourceNames = m.some(names, 2)
	}
	return r
}

// clusterRole makes a role with labels by which others, and the shipped ones,
// may take it in.
func (m *maker) clusterRole(name string, rules []rbacv1.PolicyRule, aggregation *rbacv1.AggregationRule) {
	meta := metav1.ObjectMeta{Name: name, Labels: map[string]string{}}
	for _, l := range labels {
		if m.IntN(3) == 0 {
			meta.Labels[l] = pick(m.Rand, values)
		}
	}
	if m.IntN(5) == 0 {
		meta.Labels["rbac.authorization.k8s.io/aggregate-to-"+pick(m.Rand, []string{"admin", "edit", "view"})] = "true"
	}
	m.add("ClusterRole", rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules, AggregationRule: aggregation})
	m.roles[""] = append(m.roles[""], name)
}

// aggregation selects by labels, by expressions, by both, or everything: then
// also what selects it in turn.
func (m *maker) aggregation() *rbacv1.AggregationRule {
	var rule rbacv1.AggregationRule
	for range 1 + m.IntN(2) {
		var s metav1.LabelSelector
		if m.IntN(2) == 0 {
			s.MatchLabels = map[string]string{pick(m.Rand, labels): pick(m.Rand, values)}
		}
		for range m.IntN(3) {
			s.MatchExpressions = append(s.MatchExpressions, m.expression())
		}
		rule.ClusterRoleSelectors = append(rule.ClusterRoleSelectors, s)
	}
	return &rule
}

func (m *maker) expression() metav1.LabelSelectorRequirement {
	e := metav1.LabelSelectorRequirement{Key: pick(m.Rand, labels)}
	e.Operator = pick(m.Rand, []metav1.LabelSelectorOperator{"In", "In", "Exists", "Exists", "NotIn", "DoesNotExist"})
	if e.Operator == "In" || e.Operator == "NotIn" {
		e.Values = m.some(values, 2)
	}
	return e
}

func (m *maker) binding(name string) {
	var subjects []rbacv1.Subject
	for range 1 + m.IntN(3) {
		subjects = append(subjects, m.subject())
	}
	meta := metav1.ObjectMeta{Name: name}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: pick(m.Rand, m.roles[""])}
	if m.IntN(3) == 0 {
		m.add("ClusterRoleBinding", rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})
		return
	}
	meta.Namespace = pick(m.Rand, namespaces)
	for i := range subjects {
		if m.IntN(8) == 0 {
			subjects[i].Namespace = "" // which is then the binding's
		}
	}
	if m.IntN(2) == 0 {
		ref.Kind, ref.Name = "Role", pick(m.Rand, m.roles[meta.Namespace])
	}
	m.add("RoleBinding", rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})
}

// subject makes one of few, so that rights of several bindings meet. Groups
// that all are in are rare: they would allow too much to see anything else.
func (m *maker) subject() rbacv1.Subject {
	ns, name := pick(m.Rand, namespaces), pick(m.Rand, []string{"web", "db"})
	as := func(kind, name string) rbacv1.Subject {
		return rbacv1.Subject{Kind: kind, APIGroup: rbacv1.GroupName, Name: name}
	}
	switch m.IntN(12) {
	case 0:
		return as("User", "system:serviceaccount:"+ns+":"+name)
	case 1:
		return as("Group", "system:serviceaccounts:"+ns)
	case 2:
		everybody := []string{rbac.Authenticated, rbac.Unauthenticated, rbac.AllAccounts, rbac.Masters}
		return as("Group", pick(m.Rand, slices.Concat(everybody, []string{"red", "blue", "green"})))
	case 3: // names that are something else in the other kind, or nearly
		odd := []string{rbac.Anonymous, "system:serviceaccount:" + ns, "system:serviceaccount::" + name, "system:serviceaccount:" + ns + ":", "system:serviceaccount:a:b:c", "red", rbac.Masters, rbac.Authenticated, "Ann"}
		return as("User", pick(m.Rand, odd))
	case 4:
		return as("Group", pick(m.Rand, []string{"ann", "system:serviceaccount:" + ns + ":" + name, "Red"}))
	case 5, 6:
		return as("User", pick(m.Rand, []string{"ann", "ben"}))
	case 7:
		return as("Group", pick(m.Rand, []string{"red", "blue"}))
	}
	return rbacv1.Subject{Kind: "ServiceAccount", Namespace: ns, Name: name}
}
