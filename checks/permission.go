package checks

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/rbac"
)

// Permission is any one of some verbs on any one of some resources of a group.
type Permission struct {
	Verbs     []string
	Group     string
	Resources []string // with the subresource: pods/exec
	// ClusterScoped resources are out of a RoleBinding's reach.
	ClusterScoped bool
	// OnNamed says that where resourceNames limit the first permission of an ask
	// this one must allow something with an object of one of these names.
	OnNamed bool
	// Before is the Kubernetes minor, such as 35, since which the permission
	// is of no use; 0 is never.
	Before int
}

// Permissions must all be allowed to one subject, in one place. The first is
// the one that is reported.
type Permissions []Permission

func can(verbs, group string, resources ...string) Permission {
	return Permission{Verbs: strings.Fields(verbs), Group: group, Resources: resources}
}

func (p Permission) clusterScoped() Permission {
	p.ClusterScoped = true
	return p
}

func (p Permission) onNamed() Permission {
	p.OnNamed = true
	return p
}

func (p Permission) before(minor int) Permission {
	p.Before = minor
	return p
}

// one makes the alternatives of a check of single permissions.
func one(any ...Permission) []Permissions {
	var all []Permissions
	for _, p := range any {
		all = append(all, Permissions{p})
	}
	return all
}

// match is how a rule grants a permission.
type match struct {
	verb, resource int // index of the elements of the rule
	group          string
	resources      []string
	verbs          []string
	names          []string
	clusterScoped  bool
}

// grantedBy tells whether a rule grants the permission, and by which of its
// elements. Where resourceNames limit the rule it must be able to act on one
// of the names: a create of a top-level object has no name to match.
func (p Permission) grantedBy(rule *rbac.Rule, minor int) (match, bool) {
	if p.Before != 0 && minor >= p.Before {
		return match{}, false
	}
	m := match{verb: -1, resource: -1, group: p.Group, names: rule.ResourceNames, clusterScoped: p.ClusterScoped}
	for _, full := range p.Resources {
		for _, verb := range p.Verbs {
			if !rbac.Covers(&rule.PolicyRule, p.action(verb, full, rule.ResourceNames)) {
				continue
			}
			if !slices.Contains(m.resources, full) {
				m.resources = append(m.resources, full)
			}
			if !slices.Contains(m.verbs, verb) {
				m.verbs = append(m.verbs, verb)
			}
		}
	}
	if len(m.verbs) == 0 {
		return match{}, false
	}
	m.verb = firstElement(rule.Verbs, append(slices.Clone(m.verbs), "*"))
	m.resource = slices.IndexFunc(rule.Resources, func(r string) bool {
		_, sub, _ := strings.Cut(m.resources[0], "/")
		return r == "*" || slices.Contains(m.resources, r) || (sub != "" && r == "*/"+sub)
	})
	return m, true
}

// allows is what a match grants, as a rule of its own.
func (m match) allows() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: m.verbs, APIGroups: []string{m.group}, Resources: m.resources, ResourceNames: m.names}
}

// firstElement gives the index of the first element that is one of the words.
func firstElement(list, words []string) int {
	return slices.IndexFunc(list, func(s string) bool { return slices.Contains(words, s) })
}

func (p Permission) action(verb, full string, names []string) rbac.Action {
	resource, sub, _ := strings.Cut(full, "/")
	a := rbac.Action{Verb: verb, Group: p.Group, Resource: resource, Subresource: sub}
	if len(names) > 0 && !nameless(verb, sub) {
		a.Name = names[0]
	}
	return a
}

// nameless requests have no object's name when they are authorized.
func nameless(verb, subresource string) bool {
	return verb == "deletecollection" || (verb == "create" && subresource == "")
}
