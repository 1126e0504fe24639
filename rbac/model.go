// Package rbac works out who may do what, exactly as the API server's RBAC
// authorizer decides it, and answers with witnesses: the binding, the role and
// the rule that allow an action.
package rbac

import (
	"iter"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/hotpod-dev/hotpod/source"
)

// Rule is a policy rule and the place that states it. Rules of an aggregated
// ClusterRole are stated by the roles that it selects.
type Rule struct {
	rbacv1.PolicyRule
	Object *source.Object // the role that states the rule
	Index  int            // its index in that role's rules
	// Assumed rules give no more than the role that Kubernetes ships by the
	// name of theirs.
	Assumed bool
}

// Role is a Role or ClusterRole with the rules that it has in effect.
type Role struct {
	Object     *source.Object
	Namespace  string // "" for a ClusterRole
	Name       string
	Rules      []Rule
	Assumed    bool // as Kubernetes ships it
	Bound      bool // some binding refers to it
	Aggregated bool // some ClusterRole aggregates it
	Elsewhere  bool // not bound, but another definition of this role is
	// AggregatesTo are the shipped roles (admin, edit, view …) that take in
	// this role's rules.
	AggregatesTo []string

	labels    labels.Set
	aggregate []labels.Selector // nil unless the role aggregates others
}

// Kind is Role or ClusterRole.
func (r *Role) Kind() string { return r.Object.Kind }

// Ref is the role's kind, namespace and name as one key.
func (r *Role) Ref() string { return ref(r.Object.Kind, r.Namespace, r.Name) }

// Binding is a RoleBinding or ClusterRoleBinding.
type Binding struct {
	Object    *source.Object
	Namespace string // "" for a ClusterRoleBinding
	Name      string
	RoleRef   rbacv1.RoleRef
	// Roles are the definitions that the roleRef may mean: one, none where the
	// role is not in the input, more where several are equally near.
	Roles   []*Role
	Assumed bool

	variants []*Binding // all definitions of this binding, where there are several
	assumed  bool       // a subject's namespace is not written down
	forks    forks
}

// Ref is the binding's kind, namespace and name as one key.
func (b *Binding) Ref() string { return ref(b.Object.Kind, b.Namespace, b.Name) }

// CountsFrom tells whether what a file says adds up with this binding. A
// cluster holds one binding of a name, so of several definitions the nearest to
// the file counts; and none does from a folder that is an alternative.
func (b *Binding) CountsFrom(file string) bool { return b.counts(file, false) }

// Near tells whether a file clearly belongs to the same cluster as this
// binding: in a tree of alternatives, that they are not far apart.
func (b *Binding) Near(file string) bool { return b.counts(file, true) }

// CountsFor tells the same of a workload that mounts a token. An account that
// no file defines is the same for both by its name alone, which is little where
// one of them does not say in which namespace it lives.
func (b *Binding) CountsFor(w *Workload, t Token) bool {
	return b.counts(w.Object.Origin.Path, t.Account == nil && (b.assumed || w.Object.Namespace == ""))
}

func (b *Binding) counts(file string, assumed bool) bool {
	if b.Assumed {
		return true
	}
	if len(b.variants) > 1 && !slices.Contains(nearest(file, b.variants, bindingPath), b) {
		return false
	}
	return !b.forks.separate(b.Object.Origin.Path, file, assumed)
}

func bindingPath(b *Binding) string { return b.Object.Origin.Path }

func ref(kind, namespace, name string) string {
	if namespace == "" {
		return kind + ":" + name
	}
	return kind + ":" + namespace + "/" + name
}

// Grant says that a subject has the rules of a role through a binding. Role is
// nil where the input does not hold the role that the binding refers to.
type Grant struct {
	Subject      Subject
	SubjectIndex int // in the binding's subjects
	Binding      *Binding
	Role         *Role
}

// Witness answers why an action is allowed: a grant and the rule of its role.
type Witness struct {
	Grant
	Rule *Rule
}

// Model is what the input says about one cluster. It does not change after Build.
type Model struct {
	Roles     []*Role
	Bindings  []*Binding
	Accounts  []*ServiceAccount
	Workloads []*Workload
	Secrets   []*TokenSecret

	grants   map[Subject][]Grant
	subjects []Subject
}

// Subjects lists all subjects that a binding names, sorted.
func (m *Model) Subjects() []Subject { return m.subjects }

// Grants lists what bindings give to the subject by name; what it has through
// its groups is not included.
func (m *Model) Grants(s Subject) []Grant { return m.grants[s.canonical()] }

// AllGrants lists what the subject has by name and through its groups.
func (m *Model) AllGrants(s Subject) []Grant {
	all := slices.Clone(m.Grants(s))
	for _, g := range s.Groups() {
		all = append(all, m.grants[Subject{Kind: rbacv1.GroupKind, Name: g}]...)
	}
	return all
}

// Allows lists why the subject may do the action: nothing where it may not.
// The API server also lets the group system:masters do everything.
func (m *Model) Allows(s Subject, a Action) []Witness {
	var all []Witness
	for _, g := range m.AllGrants(s) {
		all = append(all, g.allows(a)...)
	}
	return all
}

// WhoCan yields each subject that a binding allows to do the action, by name,
// with every witness, in order.
func (m *Model) WhoCan(a Action) iter.Seq2[Subject, Witness] {
	return func(yield func(Subject, Witness) bool) {
		for _, s := range m.subjects {
			for _, g := range m.grants[s] {
				for _, w := range g.allows(a) {
					if !yield(s, w) {
						return
					}
				}
			}
		}
	}
}

// allows judges one grant: a RoleBinding reaches its own namespace only, and
// so never a request for a cluster-scoped resource, which has no namespace.
// (A request for one namespace object has the namespace of that name.)
func (g Grant) allows(a Action) []Witness {
	if g.Role == nil || (g.Binding.Namespace != "" && (a.Path != "" || a.Namespace != g.Binding.Namespace)) {
		return nil
	}
	var all []Witness
	for i := range g.Role.Rules {
		if Covers(&g.Role.Rules[i].PolicyRule, a) {
			all = append(all, Witness{Grant: g, Rule: &g.Role.Rules[i]})
		}
	}
	return all
}
