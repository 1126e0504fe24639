package checks

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp503 = Check{
	ID:       "HP503",
	Name:     "wildcard-resources",
	Title:    "Allows a risky verb on all resources",
	Severity: reaches(Critical, High, None, Medium),
	Can:      "has risky verbs on all resources",
	Subsumes: []string{"HP1*", "HP2*", "HP3*", "HP4*", "HP502"},
	OneRule:  true,
	Run: func(p *Pass) error {
		return p.rules(func(g rbac.Grant, rule *rbac.Rule) *Finding {
			star := slices.IndexFunc(rule.Resources, isWildcard)
			wideGroup := slices.Contains(rule.APIGroups, "*") || slices.Contains(rule.APIGroups, core)
			if star < 0 || !wideGroup || everything(rule) || len(rule.ResourceNames) > 0 {
				return nil
			}
			reached, _ := p.rowResources(g, rule)
			reached = slices.DeleteFunc(reached, func(r string) bool { return slices.Contains(rule.Resources, r) })
			if len(reached) == 0 {
				return nil
			}
			f := p.ofRule(g, rule, "can "+plainList(rule.Verbs)+" all resources"+ofGroups(rule.APIGroups)+", among them "+plainList(reached), "resources", star)
			f.Powers[0].Can.Resources = slices.DeleteFunc(slices.Clone(rule.Resources), func(r string) bool { return !isWildcard(r) })
			return f
		})
	},
	Doc: Doc{
		Why:        "`*` in resources means every resource of the group with all subresources, those of tomorrow included; `*/NAME` means that subresource of every resource. A verb that is harmless on most of them is not on secrets, pods/exec or nodes/proxy.",
		Fix:        "List the resources that are used.",
		Quiet:      "Reported only where the verbs are risky on one of the resources; these risks are then not reported again for that rule. `pods/*` is no wildcard in RBAC.",
		References: []string{refPractices + "#least-privilege"},
		CIS:        []string{"5.1.3"},
		MITRE:      []string{"T1098.006"},
	},
}

// ofGroups names the groups of a rule that is limited to some.
func ofGroups(groups []string) string {
	if slices.Contains(groups, "*") {
		return ""
	}
	var names []string
	for _, g := range groups {
		names = append(names, cmp.Or(g, "core"))
	}
	if len(names) == 1 {
		return " of the " + names[0] + " group"
	}
	return " of the groups " + plainList(names)
}

func isWildcard(resource string) bool {
	return resource == "*" || strings.HasPrefix(resource, "*/")
}
