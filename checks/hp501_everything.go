package checks

import (
	"slices"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp501 = Check{
	ID:       "HP501",
	Name:     "everything",
	Title:    "Does everything",
	Severity: reaches(Critical, High, None, High),
	Can:      "can do everything",
	Subsumes: []string{"HP1*", "HP2*", "HP3*", "HP4*", "HP502", "HP503"},
	Run: func(p *Pass) error {
		return p.rules(func(g rbac.Grant, rule *rbac.Rule) *Finding {
			if !everything(rule) {
				return nil
			}
			f := p.ofRule(g, rule, "can do everything", "verbs", slices.Index(rule.Verbs, "*"))
			if g.Binding != nil && g.Binding.Namespace == "" {
				f.Where = "in the whole cluster"
			}
			return f
		})
	},
	Doc: Doc{
		Why: "All verbs on all resources of all groups is what cluster-admin gives: it reads every secret, runs anything on any node, changes RBAC itself, and grows with each resource that is ever added. " +
			"In a RoleBinding it is limited to one namespace, and still everything there.",
		Fix:        "List what is needed. If the list is long, start from the shipped roles admin or edit in one namespace. For software that asks for cluster-admin, look at what its documentation says it does with it.",
		Quiet:      "Everything that such a grant includes is not reported again. The shipped binding of cluster-admin to system:masters is not reported.",
		References: []string{refPractices + "#least-privilege", refRBAC + "#user-facing-roles"},
		CIS:        []string{"5.1.1", "5.1.3"},
		MITRE:      []string{"T1078", "T1098.006"},
	},
}

// everything tells whether a rule covers all verbs on all resources.
func everything(rule *rbac.Rule) bool {
	return slices.Contains(rule.Verbs, "*") && slices.Contains(rule.APIGroups, "*") &&
		slices.Contains(rule.Resources, "*") && len(rule.ResourceNames) == 0
}
