package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
)

// risk is what a role would give to whoever has it.
type risk struct {
	check    *Check
	severity Severity
	rule     *rbac.Rule
	place    Place
	powers   []rbac.Power
}

// risksOf judges a role by itself, as if it were bound with the given reach.
func (p *Pass) risksOf(r *rbac.Role, reach Reach) []risk {
	var all []risk
	for i := range r.Rules {
		if everything(&r.Rules[i]) {
			whole := rbac.Power{Witness: rbac.Witness{Grant: rbac.Grant{Role: r}, Rule: &r.Rules[i]}, Can: r.Rules[i].PolicyRule}
			all = append(all, risk{&hp501, hp501.Severity[reach], &r.Rules[i], rulePlace(r, &r.Rules[i], "verbs", 0), []rbac.Power{whole}})
		}
	}
	for _, c := range p.rows {
		if found, ok := p.riskOf(r, c, reach); ok {
			all = append(all, found)
		}
	}
	return all
}

// riskOf judges a role by one check: by the first of its asks that the role
// answers, with the powers that it gives to all of them.
func (p *Pass) riskOf(r *rbac.Role, c *Check, reach Reach) (found risk, ok bool) {
	for _, ask := range c.Asks {
		if reach != Cluster && ask[0].ClusterScoped {
			continue
		}
		hits, answered := p.roleHits(r, ask)
		if !answered {
			continue
		}
		if h := hits[0][0]; !ok {
			in := reach
			if len(h.match.names) > 0 {
				in = Named
			}
			found, ok = risk{check: c, severity: c.Severity[in], rule: h.rule, place: h.rulePlace()}, true
		}
		found.powers = append(found.powers, powers(slices.Concat(hits...), "")...)
	}
	return found, ok
}

// roleSeverity is the worst that a role gives.
func (p *Pass) roleSeverity(r *rbac.Role, reach Reach) Severity {
	worst := None
	for _, risk := range p.risksOf(r, reach) {
		worst = max(worst, risk.severity)
	}
	return worst
}

// rolesNamed finds the roles that a rule's resourceNames may mean.
func (p *Pass) rolesNamed(name, namespace string) []*rbac.Role {
	var all []*rbac.Role
	for _, r := range p.Model.Roles {
		if r.Name == name && (r.Namespace == "" || namespace == "" || r.Namespace == namespace) {
			all = append(all, r)
		}
	}
	return all
}

// shippedHas tells whether a shipped role gives what a check looks for without
// the input's additions.
func (p *Pass) shippedHas(name string, c *Check) bool {
	for _, r := range p.Model.Roles {
		if !r.Assumed || r.Name != name || r.Namespace != "" {
			continue
		}
		own := *r
		own.Rules = nil
		for _, rule := range r.Rules {
			if rule.Assumed {
				own.Rules = append(own.Rules, rule)
			}
		}
		for _, ask := range c.Asks {
			if _, ok := p.roleHits(&own, ask); ok {
				return true
			}
		}
	}
	return false
}

// infinitive is what a check's subjects can do: "list secrets".
func infinitive(c *Check) string {
	if c.Can == "" {
		return strings.ToLower(c.Title[:1]) + c.Title[1:]
	}
	return strings.TrimPrefix(c.Can, "can ")
}

func rulePlace(r *rbac.Role, rule *rbac.Rule, path ...any) Place {
	return Place{Object: rule.Object, Path: append([]any{"rules", rule.Index}, path...), Role: "rule", Title: ruleTitle(r, rule)}
}

// strongestAccount names the most powerful service account that a finding puts
// into reach: the one that an attacker would choose.
func strongestAccount(p *Pass, f *Finding) {
	if f.Reach == Unbound {
		return
	}
	from := f.Binding.Object.Origin.Path
	var worst *Finding
	for _, s := range p.Model.Subjects() {
		if s.Kind != "ServiceAccount" || s.Key() == f.Subject.Key() || (f.Namespace != "" && s.Namespace != f.Namespace) {
			continue
		}
		if len(f.Names) > 0 && f.Check.ID == "HP303" && !slices.Contains(f.Names, s.Name) {
			continue
		}
		for _, r := range p.risks[s] {
			if r.Binding != nil && r.Binding.Near(from) && (f.Namespace != "" || r.Reach == Cluster) && (worst == nil || comparePower(r, worst) < 0) {
				worst = r
			}
		}
	}
	switch {
	case worst != nil:
		f.More = append(f.More, fmt.Sprintf("The strongest account in reach is %s, which %s %s.", worst.Subject, worst.Can, worst.Where))
	case len(f.Names) == 0 && (f.Namespace == "" || f.Namespace == "kube-system"):
		f.More = append(f.More, "In reach are the controllers of kube-system, such as clusterrole-aggregation-controller, which may escalate roles.")
	}
}
