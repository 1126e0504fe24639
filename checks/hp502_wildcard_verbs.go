package checks

import (
	"slices"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp502 = Check{
	ID:       "HP502",
	Name:     "wildcard-verbs",
	Title:    "Allows every verb on a sensitive resource",
	Severity: reaches(Critical, High, None, Medium),
	Can:      "can do everything with sensitive resources",
	Subsumes: []string{"HP1*", "HP2*", "HP3*", "HP4*"},
	OneRule:  true,
	Run: func(p *Pass) error {
		return p.rules(func(g rbac.Grant, rule *rbac.Rule) *Finding {
			star := slices.Index(rule.Verbs, "*")
			if star < 0 || everything(rule) || len(rule.ResourceNames) > 0 {
				return nil
			}
			reached, powers := p.rowResources(g, rule)
			if len(reached) == 0 {
				return nil
			}
			f := p.ofRule(g, rule, "can do everything with "+plainList(reached), "verbs", star)
			for i := range powers {
				powers[i].Can.Verbs = []string{"*"}
			}
			f.Powers = powers
			return f
		})
	},
	Doc: Doc{
		Why:        "`*` is more than get, list, create and so on: it includes the verbs that guard against escalation, `bind`, `escalate`, `impersonate` and `use`, and whatever verbs a resource gains later.",
		Fix:        "List the verbs that are used.",
		Quiet:      "Reported where the rule reaches a resource that another check names; the single risks are then not reported again for that rule. `*` on one's own custom resources is fine.",
		References: []string{refPractices + "#least-privilege"},
		CIS:        []string{"5.1.3"},
		MITRE:      []string{"T1098.006"},
	},
}

// rowResources lists the resources of the HP1 to HP4 checks that a rule allows
// something risky on, in the scope of its grant, and what it allows there.
func (p *Pass) rowResources(g rbac.Grant, rule *rbac.Rule) (all []string, given []rbac.Power) {
	for _, c := range p.rows {
		for _, ask := range c.Asks {
			perm := ask[0]
			if perm.ClusterScoped && scopeOf(g) != "" {
				continue
			}
			m, ok := perm.grantedBy(rule, p.Minor)
			if !ok {
				continue
			}
			given = append(given, powers([]hit{{g, rule, m}}, scopeOf(g))...)
			for _, r := range m.resources {
				if !slices.Contains(all, r) {
					all = append(all, r)
				}
			}
		}
	}
	return all, given
}
