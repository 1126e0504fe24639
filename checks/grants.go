package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
)

// asks reports each subject, binding and role that grants what the check asks
// for, and each role that would if it were bound.
func (p *Pass) asks() {
	for _, s := range p.Model.Subjects() {
		p.asksOf(s)
	}
	for _, r := range p.Model.Roles {
		if loose(r) {
			p.unbound(r)
		}
	}
}

// loose roles have no binding; those that others aggregate are judged there.
func loose(r *rbac.Role) bool { return !r.Assumed && !r.Bound && !r.Aggregated }

// hit is a witness of one permission.
type hit struct {
	rbac.Grant
	rule  *rbac.Rule
	match match
}

// asksOf looks for what one subject may do.
func (p *Pass) asksOf(s rbac.Subject) {
	for _, ask := range p.Check.Asks {
		for _, f := range p.answers(s, ask) {
			if p.Check.unless == nil || !p.Check.unless(p, f) {
				p.report(f)
			}
		}
	}
}

// answers are the ways in which a subject has all permissions of an ask. A
// grant to the subject itself takes part in each: what one of its groups has
// alone is an answer of the group.
func (p *Pass) answers(s rbac.Subject, ask Permissions) []*Finding {
	var all []*Finding
	for _, g := range p.Model.AllGrants(s) {
		for _, h := range p.hits(g, ask[0]) {
			if g.Subject != s && p.complete(h, ask[1:], g.Subject) != nil {
				continue
			}
			h.Subject = s
			if f := p.complete(h, ask[1:], s); f != nil {
				all = append(all, f)
			}
		}
	}
	return all
}

// news tells whether a rule of a grant is not what Kubernetes ships, bound as
// it ships it or by nobody.
func news(g rbac.Grant, rule *rbac.Rule) bool {
	return !rule.Assumed || (g.Binding != nil && !g.Binding.Assumed)
}

// hits lists how a grant gives a permission. Under a RoleBinding permissions
// on cluster-scoped resources are inert.
func (p *Pass) hits(g rbac.Grant, perm Permission) []hit {
	if g.Role == nil || (g.Binding.Namespace != "" && perm.ClusterScoped) {
		return nil
	}
	return slices.DeleteFunc(p.ruleHits(g, perm), func(h hit) bool { return !news(g, h.rule) })
}

func (p *Pass) ruleHits(g rbac.Grant, perm Permission) []hit {
	var all []hit
	for i := range g.Role.Rules {
		rule := &g.Role.Rules[i]
		if m, ok := perm.grantedBy(rule, p.Minor); ok {
			all = append(all, hit{g, rule, m})
		}
	}
	return all
}

// complete makes a finding of the first permission's hit where the subject has
// the others too, as far as they reach together.
func (p *Pass) complete(h hit, others Permissions, s rbac.Subject) *Finding {
	namespace := h.Binding.Namespace
	hits := []hit{h}
	var chain []Place
	for _, perm := range others {
		with, ok := p.second(perm, namespace, h, p.Model.AllGrants(s))
		if !ok {
			return nil
		}
		if namespace == "" && !h.match.clusterScoped {
			namespace = with.Binding.Namespace
		}
		hits = append(hits, with)
		chain = append(chain, with.rulePlace())
	}
	f := h.finding(p.Check.Can, namespace)
	f.Powers = powers(hits, namespace)
	if h.match.clusterScoped {
		f.Where = ""
	}
	f.Chain = append(chain, f.Chain...)
	if p.Check.raise != nil {
		f.Severity = p.Check.raise(p, f)
	}
	return f
}

// second finds a grant of a further permission that is of use where the first
// one is: in its namespace, or anywhere if it reaches everywhere, as the file
// of the first one sees it. A grant to the whole cluster is preferred.
func (p *Pass) second(perm Permission, namespace string, first hit, grants []rbac.Grant) (found hit, ok bool) {
	from := first.Binding.Object.Origin.Path
	for _, g := range grants {
		if g.Role == nil || !g.Binding.CountsFrom(from) || (g.Binding.Namespace != "" && (perm.ClusterScoped || (namespace != "" && g.Binding.Namespace != namespace))) {
			continue
		}
		for _, h := range p.ruleHits(g, perm) {
			if perm.OnNamed && !h.actsOn(first.match.names) {
				continue
			}
			if h.Binding.Namespace == "" {
				return h, true
			}
			if !ok {
				found, ok = h, true
			}
		}
	}
	return found, ok
}

// actsOn tells whether a hit allows something with an object of one of the
// names; any names are none at all. A create has no name yet when it is
// authorized.
func (h hit) actsOn(names []string) bool {
	if len(names) == 0 {
		return true
	}
	named := slices.ContainsFunc(h.match.verbs, func(verb string) bool { return verb != "create" })
	return named && (len(h.match.names) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(h.match.names, n) }))
}

// unbound reports a role that no binding uses.
func (p *Pass) unbound(r *rbac.Role) {
	for _, ask := range p.Check.Asks {
		hits, ok := p.roleHits(r, ask)
		if !ok || !news(hits[0][0].Grant, hits[0][0].rule) {
			continue
		}
		first := hits[0][0]
		f := first.finding(p.Check.Can, r.Namespace)
		f.unbind(f.Can)
		f.Powers = powers(slices.Concat(hits...), r.Namespace)
		f.Chain = nil
		for _, h := range hits[1:] {
			f.Chain = append(f.Chain, h[0].rulePlace())
		}
		f.Chain = append(f.Chain, first.rulePlace())
		p.report(f)
	}
}

// roleHits asks whether a role by itself has all permissions, and by which of
// its rules it has each.
func (p *Pass) roleHits(r *rbac.Role, ask Permissions) (all [][]hit, ok bool) {
	g := rbac.Grant{Role: r}
	for _, perm := range ask {
		if perm.ClusterScoped && r.Namespace != "" {
			return nil, false
		}
		hits := p.ruleHits(g, perm)
		if perm.OnNamed && len(all) > 0 {
			hits = slices.DeleteFunc(hits, func(h hit) bool { return !h.actsOn(all[0][0].match.names) })
		}
		if len(hits) == 0 {
			return nil, false
		}
		all = append(all, hits)
	}
	return all, true
}

// powers are what some hits allow together, in the namespace that they share;
// what is in no namespace is asked for everywhere.
func powers(hits []hit, namespace string) []rbac.Power {
	var all []rbac.Power
	for _, h := range hits {
		p := rbac.Power{Witness: rbac.Witness{Grant: h.Grant, Rule: h.rule}, Can: h.match.allows(), Namespace: namespace}
		if h.match.clusterScoped {
			p.Namespace = ""
		}
		all = append(all, p)
	}
	return all
}

// finding says what a hit grants.
func (h hit) finding(can, namespace string) *Finding {
	f := &Finding{
		Who: h.Subject.String(), Can: can, Where: where(namespace),
		Subject: h.Subject, Binding: h.Binding, Role: h.Role, Rule: h.rule,
		Namespace: namespace, Names: h.match.names,
		Reach: reachOf(namespace, h.match.names),
	}
	if len(h.match.names) > 0 {
		f.Can += " named " + quoteList(h.match.names)
	}
	f.Primary = h.rulePlace()
	if h.Binding != nil {
		f.Chain = append(subjectPlaces(h.Grant), h.rulePlace())
		if !f.Primary.InFile() {
			f.Primary = rolePlace(h.Binding) // the rule is Kubernetes' own; who refers to it grants
		}
	}
	return f
}

// rulePlace is the element of the rule that grants: its verb.
func (h hit) rulePlace() Place {
	path := []any{"rules", h.rule.Index}
	if h.match.verb >= 0 {
		path = append(path, "verbs", h.match.verb)
	}
	return Place{Object: h.rule.Object, Path: path, Role: "rule", Title: ruleTitle(h.Role, h.rule)}
}

// subjectPlaces lead from the subject to the role.
func subjectPlaces(g rbac.Grant) []Place {
	return []Place{
		{Object: g.Binding.Object, Path: []any{"subjects", g.SubjectIndex, "name"}, Role: "subject", Title: bindingTitle(g.Binding)},
		rolePlace(g.Binding),
	}
}

func rolePlace(b *rbac.Binding) Place {
	return Place{Object: b.Object, Path: []any{"roleRef", "name"}, Role: "binding", Title: bindingTitle(b)}
}

// title names a role as messages do.
func title(r *rbac.Role) string {
	if r.Namespace == "" {
		return fmt.Sprintf("%s '%s'", r.Kind(), r.Name)
	}
	return fmt.Sprintf("%s '%s/%s'", r.Kind(), r.Namespace, r.Name)
}

// ruleTitle names the role that states a rule: the role itself, or one that it
// aggregates.
func ruleTitle(r *rbac.Role, rule *rbac.Rule) string {
	if rule.Object == r.Object {
		return title(r)
	}
	return "ClusterRole '" + rule.Object.Name + "'"
}

func bindingTitle(b *rbac.Binding) string {
	if b.Namespace == "" {
		return fmt.Sprintf("%s '%s'", b.Object.Kind, b.Name)
	}
	return fmt.Sprintf("%s '%s/%s'", b.Object.Kind, b.Namespace, b.Name)
}

// quoteList writes names as 'a', 'b' and 3 more.
func quoteList(names []string) string {
	const most = 4
	var quoted []string
	for _, n := range names[:min(len(names), most)] {
		quoted = append(quoted, "'"+n+"'")
	}
	list := strings.Join(quoted, ", ")
	if more := len(names) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
