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

// Added are the findings that a change brought about, each with the powers
// that nobody of its identity had before.
type Added map[*checks.Finding][]rbac.Power

// Compare tells which findings of a world say that somebody may do something
// that nobody of that identity could do in the world before. Renaming, moving
// and rewriting a manifest adds nothing, whatever it does to fingerprints.
// With the worlds the other way round it tells what is gone.
func Compare(base, head World) Added {
	c := comparer{rbac.Compare(base.Model, head.Model), map[*checks.Check][]*checks.Finding{}}
	for _, f := range base.Findings {
		c.base[f.Check] = append(c.base[f.Check], f)
	}
	added := Added{}
	for _, f := range head.Findings {
		if lacked, had := c.had(f); !had || c.raised(f) {
			added[f] = lacked
		}
	}
	return added
}

// Unknown are the findings whose fingerprints an earlier scan did not give.
func Unknown(findings []*checks.Finding, known map[string]bool) Added {
	added := Added{}
	for _, f := range findings {
		if !known[Fingerprint(f)] {
			added[f] = nil
		}
	}
	return added
}

type comparer struct {
	*rbac.Comparison
	base map[*checks.Check][]*checks.Finding
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

// place puts a new finding on the element that the change touched, where there
// is one: code scanning shows in a pull request what stands on its lines.
func place(f *checks.Finding, new []rbac.Power, changes *source.Changes) {
	if changes == nil || changes.Touched(f.Primary.Object, f.Primary.Path...) && len(new) == 0 {
		return
	}
	for _, p := range f.Elements(new) {
		if changes.Touched(p.Object, p.Path...) {
			f.MoveTo(p)
			return
		}
	}
}
