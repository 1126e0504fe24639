package triage

import (
	"slices"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// World is a cluster as one state of the input has it.
type World struct {
	Model    *rbac.Model
	Findings []*checks.Finding
}

// Added are the findings that a change brought about.
type Added map[*checks.Finding]Addition

// Addition is what is new about a finding: powers that nobody of its identity
// had before. More says that the finding was there, with fewer of them.
type Addition struct {
	Powers []rbac.Power
	More   bool
}

// Compare tells which findings of a world say that somebody may do something
// that nobody of that identity could do in the world before. Renaming, moving
// and rewriting a manifest adds nothing, whatever it does to fingerprints.
// With the worlds the other way round it tells what is gone.
func Compare(base, head World) Added {
	c := comparer{rbac.Compare(base.Model, head.Model), map[*checks.Check][]*checks.Finding{}, map[string][]*checks.Finding{}}
	for _, f := range base.Findings {
		c.base[f.Check] = append(c.base[f.Check], f)
		c.byFile[fileKey(f)] = append(c.byFile[fileKey(f)], f)
	}
	added := Added{}
	for _, f := range head.Findings {
		if slices.ContainsFunc(c.byFile[fileKey(f)], func(b *checks.Finding) bool { return identical(b, f) }) {
			continue
		}
		if lacked, had := c.had(f); !had || c.raised(f) {
			added[f] = Addition{Powers: lacked, More: len(c.same(f)) > 0}
		}
	}
	return added
}

// Unknown are the findings whose fingerprints an earlier scan did not give.
func Unknown(findings []*checks.Finding, known map[string]bool) Added {
	added := Added{}
	for _, f := range findings {
		if !known[Fingerprint(f)] {
			added[f] = Addition{}
		}
	}
	return added
}

type comparer struct {
	*rbac.Comparison
	base   map[*checks.Check][]*checks.Finding
	byFile map[string][]*checks.Finding
}

// fileKey is shared by few findings, among them those that may be identical.
func fileKey(f *checks.Finding) string { return f.Check.ID + " " + f.Primary.Object.Origin.Path }

// identical tells at a glance that a finding is that of the base with nothing
// about it changed, as most are: then no question is left to the models.
func identical(b, f *checks.Finding) bool {
	if b.Subject != f.Subject || b.Severity != f.Severity || b.Reach != f.Reach || (b.Workload == nil) != (f.Workload == nil) {
		return false
	}
	if b.Workload != nil && !rbac.SameObject(b.Workload.Object, f.Workload.Object) {
		return false
	}
	return len(f.Powers) > 0 && slices.EqualFunc(b.Powers, f.Powers, func(x, y rbac.Power) bool {
		return x.Namespace == y.Namespace && x.Same(y.Witness)
	})
}

// had tells whether what a finding says was so before, and else which powers
// are new.
func (c comparer) had(f *checks.Finding) (lacked []rbac.Power, had bool) {
	nobody := f.Subject == (rbac.Subject{})
	switch {
	case f.Workload != nil:
		lacked, had = c.LackedByPods(f.Workload, f.Powers)
		return lacked, had && len(lacked) == 0
	case f.Reach == checks.Unbound:
		lacked = c.LackedByRole(f.Role, f.Powers)
	case nobody && f.Role != nil:
		lacked = c.LackedByShipped(f.Role.AggregatesTo, f.Powers)
	case nobody && f.Binding != nil:
		return nil, c.Dangled(f.Binding)
	case len(f.Powers) > 0:
		lacked = c.Lacked(f.Subject, f.Powers)
	case f.Binding != nil:
		return nil, c.Bound(f.Subject, f.Binding)
	default:
		return nil, len(c.same(f)) > 0
	}
	return lacked, len(lacked) == 0
}

// raised tells whether the same was found before, but counted less: what a
// role allows that a subject may bind, for example, is not the subject's own.
func (c comparer) raised(f *checks.Finding) bool {
	if len(f.Check.Raised) == 0 {
		return false
	}
	before := c.same(f)
	return len(before) > 0 && !slices.ContainsFunc(before, func(b *checks.Finding) bool { return b.Severity >= f.Severity })
}

// same lists the findings of the base that said of the same party what a
// finding says, about no less.
func (c comparer) same(f *checks.Finding) []*checks.Finding {
	var all []*checks.Finding
	for _, b := range c.base[f.Check] {
		if sameParty(b, f) && (len(b.Names) == 0 || (len(f.Names) > 0 && within(f.Names, b.Names))) {
			all = append(all, b)
		}
	}
	return all
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// sameParty tells whether two findings are about one workload, one role that
// nobody holds by name, or about one subject or a group that it is in.
func sameParty(b, f *checks.Finding) bool {
	switch {
	case f.Workload != nil:
		return b.Workload != nil && b.Workload.Namespace == f.Workload.Namespace && b.Workload.Object.Name == f.Workload.Object.Name
	case f.Subject == (rbac.Subject{}):
		return b.Subject == f.Subject && b.Role != nil && f.Role != nil && b.Role.Ref() == f.Role.Ref()
	}
	return b.Subject.Key() == f.Subject.Key() || (b.Subject.Kind == "Group" && slices.Contains(f.Subject.Groups(), b.Subject.Name))
}

// tell puts a new finding on the element that the change touched, where there
// is one: code scanning shows in a pull request what stands on its lines. Where
// the finding was there before it says what is new about it.
func (a Addition) tell(f *checks.Finding, changes *source.Changes) {
	if a.More && len(a.Powers) > 0 {
		f.More = append([]string{"New is: " + rbac.Words(a.Powers) + "."}, f.More...)
	}
	if changes == nil || (len(a.Powers) == 0 && changes.Touched(f.Primary.Object, f.Primary.Path...)) {
		return
	}
	for _, p := range f.Elements(a.Powers) {
		if changes.Touched(p.Object, p.Path...) {
			f.MoveTo(p)
			return
		}
	}
}
