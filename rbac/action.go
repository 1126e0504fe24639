package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Action is one request as the authorizer sees it: verb, group, resource,
// subresource, name and namespace; or verb and non-resource path. A list or
// watch has a Name where the request selects metadata.name by a field
// selector; a create of a top-level object never has one.
type Action struct {
	Verb        string
	Group       string
	Resource    string
	Subresource string
	Name        string
	Namespace   string
	Path        string // for non-resource requests; then only Verb counts besides
}

// String writes the action as kubectl auth can-i takes it.
func (a Action) String() string {
	if a.Path != "" {
		return a.Verb + " " + a.Path
	}
	s := a.Verb + " " + a.combined()
	if a.Group != "" {
		s = a.Verb + " " + a.Resource + "." + a.Group
		if a.Subresource != "" {
			s += "/" + a.Subresource
		}
	}
	if a.Name != "" {
		s += " " + a.Name
	}
	if a.Namespace != "" {
		s += " -n " + a.Namespace
	}
	return s
}

func (a Action) combined() string {
	if a.Subresource == "" {
		return a.Resource
	}
	return a.Resource + "/" + a.Subresource
}

// Covers tells whether a rule allows an action, as the RBAC authorizer does:
// kubernetes/pkg/registry/rbac/validation and pkg/apis/rbac/v1
// evaluation_helpers.go. Only the rule is judged, not where it is bound.
func Covers(rule *rbacv1.PolicyRule, a Action) bool {
	if !hasOrAll(rule.Verbs, a.Verb) {
		return false
	}
	if a.Path != "" {
		return coversPath(rule.NonResourceURLs, a.Path)
	}
	return hasOrAll(rule.APIGroups, a.Group) &&
		coversResource(rule.Resources, a) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, a.Name))
}

func hasOrAll(set []string, s string) bool {
	return slices.Contains(set, "*") || slices.Contains(set, s)
}

// coversResource knows "*", an exact "resource/sub" and "*/sub". Anything else
// with a star in it, such as "pods/*", is only a name that nothing has.
func coversResource(resources []string, a Action) bool {
	combined := a.combined()
	return slices.ContainsFunc(resources, func(r string) bool {
		return r == "*" || r == combined || (a.Subresource != "" && r == "*/"+a.Subresource)
	})
}

func coversPath(urls []string, path string) bool {
	return slices.ContainsFunc(urls, func(u string) bool {
		return u == "*" || u == path ||
			(strings.HasSuffix(u, "*") && strings.HasPrefix(path, strings.TrimRight(u, "*")))
	})
}
