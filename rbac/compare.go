package rbac

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/source"
)

// Power is what a witness allows and somebody cares about: part of its rule,
// in a namespace or, where that is "", everywhere.
type Power struct {
	Witness
	Can       rbacv1.PolicyRule
	Namespace string
}

// Comparison asks what of a model was so in an earlier one. Identity is by
// name; of several definitions of one name it is that of the same file, or of
// a file that is gone: then it was moved.
type Comparison struct {
	base, head *Model
	baseFiles  files
	headFiles  files
	owned      map[scope][]rbacv1.PolicyRule
}

// scope is what a subject has in a namespace, as a file sees it.
type scope struct {
	subject         Subject
	namespace, file string
}

// files are where the input defines accounts, roles and workloads of a name.
type files struct {
	accounts  map[Subject][]string
	roles     map[string][]string
	workloads map[string][]*Workload
	bindings  map[string]bool
}

// Compare relates a model to the one before it.
func Compare(base, head *Model) *Comparison {
	return &Comparison{base, head, filesOf(base), filesOf(head), map[scope][]rbacv1.PolicyRule{}}
}

func filesOf(m *Model) files {
	f := files{map[Subject][]string{}, map[string][]string{}, map[string][]*Workload{}, map[string]bool{}}
	for _, a := range m.Accounts {
		s := a.Subject.plain()
		f.accounts[s] = append(f.accounts[s], a.Object.Origin.Path)
	}
	for _, r := range m.Roles {
		f.roles[r.Ref()] = append(f.roles[r.Ref()], r.Object.Origin.Path)
	}
	for _, w := range m.Workloads {
		f.workloads[w.key()] = append(f.workloads[w.key()], w)
	}
	for _, b := range m.Bindings {
		f.bindings[bindingPath(b)] = true
	}
	return f
}

func (s Subject) plain() Subject {
	s.Variant = ""
	return s
}

// key names the workload without its kind: a Deployment that becomes a
// StatefulSet is still the same application.
func (w *Workload) key() string { return w.Namespace + "/" + w.Object.Name }

// sameDefinition gives the files of base in which that of a file of head was:
// the same file, or files that are gone.
func sameDefinition(file string, head, base []string) []string {
	if slices.Contains(base, file) {
		return []string{file}
	}
	return slices.DeleteFunc(slices.Clone(base), func(f string) bool { return slices.Contains(head, f) })
}

// before gives what a subject of head was in the base.
func (c *Comparison) before(s Subject) []Subject {
	name := s.plain()
	if s.Kind != rbacv1.ServiceAccountKind {
		return []Subject{s}
	}
	head, base := c.headFiles.accounts[name], c.baseFiles.accounts[name]
	if len(base) == 0 {
		return c.undefined(s)
	}
	from := base
	switch {
	case len(head) == 1:
		from = sameDefinition(head[0], head, base)
	case len(head) > 1:
		from = sameDefinition(s.Variant, head, base)
	}
	if len(from) == 0 {
		return []Subject{s} // a further account of the name: it has what its groups have
	}
	var all []Subject
	for _, file := range from {
		if len(base) > 1 {
			name.Variant = file
		}
		all = append(all, name)
	}
	return all
}

// undefined gives the subjects of a name that the base does not define.
func (c *Comparison) undefined(s Subject) []Subject {
	var all []Subject
	for _, b := range c.base.subjects {
		if b == s {
			return []Subject{s}
		}
		if b.plain() == s.plain() {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return []Subject{s}
	}
	return all
}

// Lacked gives those parts of some powers of a subject that it did not have.
func (c *Comparison) Lacked(s Subject, powers []Power) []Power {
	var fewest []Power
	for i, b := range c.before(s) {
		lacked := beyond(powers, func(p Power) []rbacv1.PolicyRule { return c.rules(b, p.Namespace, bindingPath(p.Binding)) })
		if i == 0 || len(lacked) < len(fewest) {
			fewest = lacked
		}
	}
	return fewest
}

func lacking(powers []Power, had func(Power) bool) []Power {
	var all []Power
	for _, p := range powers {
		if !had(p) {
			all = append(all, p)
		}
	}
	return all
}

// beyond gives the parts of powers that no rule allows.
func beyond(powers []Power, rules func(Power) []rbacv1.PolicyRule) []Power {
	var all []Power
	for _, p := range powers {
		for _, p.Can = range uncovered(rules(p), p.Can) {
			all = append(all, p)
		}
	}
	return all
}

func allow(rules []rbacv1.PolicyRule, p Power) bool { return len(uncovered(rules, p.Can)) == 0 }

// rules are all that a subject had in a namespace, or in all of them, as far as
// it adds up with what a file of head says.
func (c *Comparison) rules(s Subject, namespace, file string) []rbacv1.PolicyRule {
	key := scope{s, namespace, file}
	if known, ok := c.owned[key]; ok {
		return known
	}
	all := c.granted(s, namespace, func(b *Binding) bool { return c.counts(b, file) })
	c.owned[key] = all
	return all
}

// granted are the rules that a subject had by those bindings that count.
func (c *Comparison) granted(s Subject, namespace string, counts func(*Binding) bool) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, g := range c.base.AllGrants(s) {
		if g.Role != nil && (g.Binding.Namespace == "" || g.Binding.Namespace == namespace) && counts(g.Binding) {
			all = append(all, policyRules(g.Role)...)
		}
	}
	return all
}

// counts tells whether a binding of the base adds up with what a file of head
// says: not where the two stand in alternatives, unless the binding's file is
// gone and it may be the one that was moved.
func (c *Comparison) counts(b *Binding, file string) bool {
	switch from := bindingPath(b); {
	case c.baseFiles.bindings[file]:
		return b.CountsFrom(file)
	case c.headFiles.bindings[from]:
		return !c.head.Bindings[0].forks.separate(from, file, false)
	}
	return true
}

// Bound tells whether the base, beside what Kubernetes ships, bound a subject
// to the role that a binding refers to, whatever that role may be, at least as
// widely.
func (c *Comparison) Bound(s Subject, to *Binding) bool {
	return slices.ContainsFunc(c.before(s), func(b Subject) bool {
		return slices.ContainsFunc(c.base.grants[b], func(g Grant) bool { return !g.Binding.Assumed && refersAsWidely(g.Binding, to) })
	})
}

func refersAsWidely(b, to *Binding) bool {
	return b.RoleRef.Kind == to.RoleRef.Kind && b.RoleRef.Name == to.RoleRef.Name &&
		(b.Namespace == to.Namespace || (b.Namespace == "" && to.RoleRef.Kind == "ClusterRole"))
}

// Dangled tells whether a binding to a role that is not there let the same
// subjects wait for that role.
func (c *Comparison) Dangled(to *Binding) bool {
	dangled := func(b *Binding) bool { return len(b.Roles) == 0 && refersAsWidely(b, to) }
	for _, s := range c.head.subjects {
		for _, g := range c.head.grants[s] {
			if g.Binding == to && !slices.ContainsFunc(c.before(s), func(b Subject) bool {
				return slices.ContainsFunc(c.base.grants[b], func(g Grant) bool { return dangled(g.Binding) })
			}) {
				return false
			}
		}
	}
	return slices.ContainsFunc(c.base.Bindings, dangled)
}

// LackedByRole gives those of a role's powers that it did not have, and that
// were not moved into it from a role which has them no more.
func (c *Comparison) LackedByRole(r *Role, powers []Power) []Power {
	return lacking(powers, func(p Power) bool {
		return slices.ContainsFunc(c.base.Roles, func(b *Role) bool { return c.wasRole(r, b) && b.gives(p) }) ||
			slices.ContainsFunc(c.base.Roles, func(b *Role) bool { return !b.Assumed && b.gives(p) && !c.keeps(b, p) })
	})
}

// gives tells whether a role gives a power to whoever is bound to it there.
func (r *Role) gives(p Power) bool {
	return (r.Namespace == "" || r.Namespace == p.Namespace) && allow(policyRules(r), p)
}

// wasRole tells whether a role of the base is what became of a role of head.
func (c *Comparison) wasRole(r, b *Role) bool {
	ref := r.Ref()
	return b.Namespace == r.Namespace && b.Name == r.Name && b.Ref() == ref && slices.Contains(sameDefinition(rolePath(r), c.headFiles.roles[ref], c.baseFiles.roles[ref]), rolePath(b))
}

// keeps tells whether what became of a role of the base still has a power.
func (c *Comparison) keeps(b *Role, p Power) bool {
	return slices.ContainsFunc(c.head.Roles, func(r *Role) bool {
		return c.wasRole(r, b) && r.gives(p)
	})
}

// LackedByShipped gives the powers that some of the shipped ClusterRoles of
// these names did not have.
func (c *Comparison) LackedByShipped(names []string, powers []Power) []Power {
	return lacking(powers, func(p Power) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			return !slices.ContainsFunc(c.base.Roles, func(b *Role) bool {
				return b.Namespace == "" && b.Name == name && allow(policyRules(b), p)
			})
		})
	})
}

// LackedByPods gives those parts of some powers which no token gave that the
// pods of a workload carried, and tells whether they carried any.
func (c *Comparison) LackedByPods(w *Workload, powers []Power) (lacked []Power, carried bool) {
	base := c.baseFiles.workloads[w.key()]
	from := sameDefinition(w.Object.Origin.Path, workloadPaths(c.headFiles.workloads[w.key()]), workloadPaths(base))
	for _, b := range base {
		if !slices.Contains(from, b.Object.Origin.Path) {
			continue
		}
		for _, t := range b.Tokens {
			carried = true
			powers = beyond(powers, func(p Power) []rbacv1.PolicyRule {
				return c.granted(t.Subject, p.Namespace, func(g *Binding) bool { return g.CountsFor(b, t) })
			})
		}
	}
	return powers, carried
}

func workloadPaths(all []*Workload) []string {
	var paths []string
	for _, w := range all {
		paths = append(paths, w.Object.Origin.Path)
	}
	return paths
}

// Same tells whether two witnesses, of the base and of head, are one: the same
// rule of the same role in the same binding, for the same subject.
func (w Witness) Same(as Witness) bool {
	if w.Rule == nil || as.Rule == nil || w.Rule.Index != as.Rule.Index || !SameObject(w.Rule.Object, as.Rule.Object) {
		return false
	}
	if w.Binding == nil || as.Binding == nil {
		return w.Binding == as.Binding
	}
	return w.Subject == as.Subject && SameObject(w.Binding.Object, as.Binding.Object)
}

// SameObject tells whether two models have an object from the same place and
// of the same content.
func SameObject(a, b *source.Object) bool {
	return a == b || (a.Origin.Path == b.Origin.Path && a.Kind == b.Kind && a.Namespace == b.Namespace && a.Name == b.Name && a.Equal(b))
}
