// Package triage is the only place that decides what becomes of a finding:
// shown, ignored, counted against the threshold. Nothing else filters.
package triage

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/source"
)

// Options of Apply.
type Options struct {
	Checks  []*checks.Check // those that were chosen; the findings of others are dropped
	FailOn  checks.Severity // findings of this severity and above fail; None is never
	Ignores []*Ignore
	Today   time.Time // by which ignores expire
	Base    *Base     // nil where the scan is compared with nothing
}

// Base is what a scan is compared with.
type Base struct {
	Added   Added             // the findings that are new
	Absent  []*checks.Finding // those that are gone
	Changes *source.Changes   // to the text of manifests; nil where it is not known
}

// State says what a finding is since the base.
type State string

// The states, as SARIF calls them; none without a base.
const (
	New       State = "new"
	Unchanged State = "unchanged"
	Absent    State = "absent"
)

// Decision is a finding and what became of it.
type Decision struct {
	Finding     *checks.Finding
	Fingerprint string
	State       State
	Fails       bool    // it counts against the threshold
	Ignore      *Ignore // why it is not shown; nil where it is
}

// Outcome is the fate of all findings, in order. Notices are what is wrong
// with the ignores themselves.
type Outcome struct {
	Shown   []Decision
	Ignored []Decision
	Absent  []Decision // found in the base, and not any more
	Notices []source.Problem
}

// Apply decides about findings, which are in order.
func Apply(findings []*checks.Finding, o Options) Outcome {
	var out Outcome
	uses := make(map[*Ignore]*usage)
	for _, i := range o.Ignores {
		uses[i] = &usage{expired: i.expired(o.Today)}
	}
	for _, d := range o.decisions(findings) {
		f := d.Finding
		if d.Ignore = ignoredBy(f, o.Ignores, uses); d.Ignore != nil {
			out.Ignored = append(out.Ignored, d)
			continue
		}
		d.Fails = o.FailOn != checks.None && f.Severity >= o.FailOn && d.State != Unchanged
		out.Shown = append(out.Shown, d)
	}
	out.Notices = notices(o, uses)
	if o.Base != nil {
		out.Absent = Options{Checks: o.Checks}.decisions(o.Base.Absent)
		for i := range out.Absent {
			out.Absent[i].State = Absent
		}
	}
	return out
}

// decisions opens one for each finding of the chosen checks. Several worlds
// may hold the same finding: it is new if it is new in any.
func (o Options) decisions(findings []*checks.Finding) []Decision {
	var all []Decision
	seen := map[string]int{}
	for _, f := range findings {
		d := Decision{Finding: f, Fingerprint: Fingerprint(f), State: o.state(f)}
		key := d.Fingerprint + " " + f.Position().String()
		if !slices.Contains(o.Checks, f.Check) {
			continue
		}
		if i, ok := seen[key]; !ok {
			seen[key] = len(all)
			all = append(all, d)
		} else if d.State == New {
			all[i] = d
		}
	}
	for _, d := range all {
		if d.State == New {
			o.Base.Added[d.Finding].tell(d.Finding, o.Base.Changes)
		}
	}
	slices.SortFunc(all, func(a, b Decision) int { return checks.Compare(a.Finding, b.Finding) })
	return all
}

func (o Options) state(f *checks.Finding) State {
	if o.Base == nil {
		return ""
	}
	if _, ok := o.Base.Added[f]; ok {
		return New
	}
	return Unchanged
}

// Fingerprint is the finding's identity as 32 hexadecimal digits, the value of
// hotpod/v1 in SARIF. It is made of meaning, not of file and line.
func Fingerprint(f *checks.Finding) string {
	sum := sha256.Sum256([]byte(strings.Join(f.Identity(), "\x00")))
	return hex.EncodeToString(sum[:16])
}

// ignoredBy finds the ignore that covers a finding. Each that does is used.
func ignoredBy(f *checks.Finding, ignores []*Ignore, uses map[*Ignore]*usage) *Ignore {
	var by *Ignore
	for _, i := range ignores {
		if !i.covers(f) {
			continue
		}
		u := uses[i]
		switch {
		case !i.matches(f):
			u.outgrown = cmp.Or(u.outgrown, i.outgrownBy(f))
		case u.expired:
			u.used = true
		default:
			u.used, by = true, i
		}
	}
	return by
}

// usage is what an ignore did.
type usage struct {
	used, expired bool
	outgrown      string // the rule of a finding that went beyond what is ignored
}
