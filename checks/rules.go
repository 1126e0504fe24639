package checks

import (
	"fmt"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
)

// rules offers every rule of the input to a check: each grant of each subject,
// and the rules of roles that nothing binds, as grants without a binding.
func (p *Pass) rules(judge func(rbac.Grant, *rbac.Rule) *Finding) error {
	offer := func(g rbac.Grant) {
		for i := range g.Role.Rules {
			if !news(g, &g.Role.Rules[i]) {
				continue
			}
			if f := judge(g, &g.Role.Rules[i]); f != nil {
				p.report(f)
			}
		}
	}
	for _, s := range p.Model.Subjects() {
		for _, g := range p.Model.Grants(s) {
			if g.Role != nil {
				offer(g)
			}
		}
	}
	for _, r := range p.Model.Roles {
		if loose(r) {
			offer(rbac.Grant{Role: r})
		}
	}
	return nil
}

// grants offers every grant of the input; shipped bindings are left out.
func (p *Pass) grants(take func(rbac.Grant)) {
	for _, s := range p.Model.Subjects() {
		for _, g := range p.Model.Grants(s) {
			if !g.Binding.Assumed {
				take(g)
			}
		}
	}
}

// scopeOf is the namespace that a grant is limited to, "" for none; that of a
// role without a binding is its own.
func scopeOf(g rbac.Grant) string {
	if g.Binding == nil {
		return g.Role.Namespace
	}
	return g.Binding.Namespace
}

// ofRule makes a finding about one element of one rule.
func (p *Pass) ofRule(g rbac.Grant, rule *rbac.Rule, can string, path ...any) *Finding {
	place := rulePlace(g.Role, rule, path...)
	h := hit{Grant: g, rule: rule}
	f := h.finding(can, scopeOf(g))
	f.Primary = place
	f.Powers = wholeRule(g, rule)
	if g.Binding == nil {
		f.unbind(can)
		f.Chain = []Place{place}
		return f
	}
	f.Chain = append(subjectPlaces(g), place)
	if !place.InFile() {
		f.Primary = rolePlace(g.Binding)
	}
	return f
}

// wholeRule is all that a rule allows in the scope of its grant.
func wholeRule(g rbac.Grant, rule *rbac.Rule) []rbac.Power {
	return []rbac.Power{{Witness: rbac.Witness{Grant: g, Rule: rule}, Can: rule.PolicyRule, Namespace: scopeOf(g)}}
}

// unbind turns a finding into one about a role that nothing binds.
func (f *Finding) unbind(can string) {
	f.Reach, f.Severity = Unbound, None
	f.Who = title(f.Role)
	f.Can = "would let whoever is bound to it " + strings.TrimPrefix(strings.TrimPrefix(can, "can "), "has ")
	f.Where = ""
	f.More = append(f.More, "No binding in the input uses this role.")
	if f.Role.Elsewhere {
		f.More = []string{"Bindings to a role of this name are nearer to another definition of it."}
	}
}

// plainList writes words as a, b, c and 3 more.
func plainList(words []string) string {
	const most = 5
	list := strings.Join(words[:min(len(words), most)], ", ")
	if more := len(words) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
