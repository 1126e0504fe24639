package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// maxParts bounds into how many parts a rule is taken apart. One of more is
// compared as a whole: no rule of use has as many, but anybody can write one.
const maxParts = 4_000

// parts are rules of one verb on one resource each, of one name if any, that
// allow together what a rule does.
func parts(rule rbacv1.PolicyRule) []rbacv1.PolicyRule {
	n := len(rule.APIGroups)*len(rule.Resources)*max(1, len(rule.ResourceNames)) + len(rule.NonResourceURLs)
	if n*len(rule.Verbs) > maxParts {
		return []rbacv1.PolicyRule{rule}
	}
	return validation.BreakdownRule(rule)
}

// uncovered gives the parts of a rule that none of some rules allows.
func uncovered(by []rbacv1.PolicyRule, rule rbacv1.PolicyRule) []rbacv1.PolicyRule {
	return slices.DeleteFunc(parts(rule), func(part rbacv1.PolicyRule) bool {
		return slices.ContainsFunc(by, func(r rbacv1.PolicyRule) bool { return covers(&r, &part) })
	})
}

// covers tells whether one rule allows all that another does, as ruleCovers
// does in validation, which shows only how it compares whole lists.
func covers(rule, part *rbacv1.PolicyRule) bool {
	if len(part.ResourceNames) == 0 && len(rule.ResourceNames) > 0 {
		return false
	}
	return hasAll(rule.Verbs, part.Verbs) && hasAll(rule.APIGroups, part.APIGroups) &&
		(len(rule.ResourceNames) == 0 || within(rule.ResourceNames, part.ResourceNames)) &&
		!slices.ContainsFunc(part.Resources, func(r string) bool { return !hasResource(rule.Resources, r) }) &&
		!slices.ContainsFunc(part.NonResourceURLs, func(u string) bool { return !coversPath(rule.NonResourceURLs, u) })
}

func hasAll(set, wanted []string) bool { return slices.Contains(set, "*") || within(set, wanted) }

func within(set, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(s string) bool { return !slices.Contains(set, s) })
}

func hasResource(set []string, resource string) bool {
	_, sub, isSub := strings.Cut(resource, "/")
	return slices.ContainsFunc(set, func(r string) bool {
		return r == "*" || r == resource || (isSub && r == "*/"+sub)
	})
}
