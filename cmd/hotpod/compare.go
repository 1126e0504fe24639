package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/report"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/triage"
)

// judged is a world and what the checks say about it.
type judged struct {
	world
	triage.World
	problems []source.Problem
	failures []checks.Failure
}

func (w world) judge(minor int, o rbac.Options) judged {
	j := judged{world: w}
	j.Model, j.problems = rbac.Build(w.objects, o)
	j.Findings, j.failures = checks.Run(j.Model, checks.All(), checks.Options{Minor: minor})
	w.mark(j.Findings)
	return j
}

// judgeAll judges the worlds of a tree.
func (st settings) judgeAll(objects []*source.Object, namespace string) []judged {
	o := rbac.Options{Namespace: namespace, Shared: st.shared}
	var all []judged
	for _, w := range worlds(objects, st.config.Worlds) {
		all = append(all, w.judge(st.minor, o))
	}
	return all
}

// findingsOf are those that all worlds of a tree leave standing.
func findingsOf(all []judged) []*checks.Finding {
	var findings []*checks.Finding
	for _, j := range all {
		findings = append(findings, j.Findings...)
	}
	findings = agreed(findings, len(all))
	keepSharedFixes(findings, all)
	slices.SortFunc(findings, checks.Compare)
	return findings
}

// judge judges the worlds of the base, if it is a tree.
func (b *base) judge(st settings, namespace string) {
	if b != nil && b.tree != nil && b.judged == nil {
		b.judged = st.judgeAll(b.read.Objects, namespace)
	}
}

// compare tells what is new since the base, and what is gone, and says so in
// what the report is made of. It gives nil where there is no base.
func (b *base) compare(scan *report.Scan, findings []*checks.Finding, now []judged, in source.Result) *triage.Base {
	switch {
	case b == nil:
		return nil
	case b.tree == nil:
		scan.Base, scan.Gone = b.name, gone(b.results, findings)
		return &triage.Base{Added: triage.Unknown(findings, fingerprints(b.results))}
	}
	scan.Base, scan.Problems = b.name, append(scan.Problems, unlike(b.read.Problems, in.Problems)...)
	var added *triage.Base
	added, scan.Delta = since(b.judged, now)
	added.Changes = source.NewChanges(b.read.Objects, in.Objects)
	return added
}

// since tells what is new in the worlds of a tree since another tree, what is
// gone, and what each subject can do now.
func since(before, now []judged) (*triage.Base, []report.Change) {
	b := &triage.Base{Added: triage.Added{}}
	var delta []report.Change
	there := map[string]bool{}
	removed := map[*checks.Finding]bool{}
	for _, p := range pairs(before, now) {
		maps.Copy(b.Added, triage.Compare(p.before.World, p.now.World))
		lost := triage.Compare(p.now.World, p.before.World)
		for _, f := range p.before.Findings {
			if _, ok := lost[f]; ok {
				removed[f] = true
			} else {
				there[triage.Fingerprint(f)] = true
			}
		}
		for _, c := range rbac.Compare(p.before.Model, p.now.Model).Changes() {
			delta = append(delta, change(c, p.now.dir))
		}
	}
	for _, f := range findingsOf(before) {
		if removed[f] && !there[triage.Fingerprint(f)] {
			b.Absent = append(b.Absent, f)
		}
	}
	return b, delta
}

// change is what a subject can do since the base, as plain data.
func change(c rbac.Change, world string) report.Change {
	plain := func(all []rbac.Access) (some []report.Access) {
		for _, a := range all {
			some = append(some, report.Access(a))
		}
		return some
	}
	return report.Change{Subject: c.Subject.Key(), World: world, Gains: plain(c.Gains), Losses: plain(c.Losses)}
}

// pair is a world before and now.
type pair struct{ before, now judged }

// pairs puts the worlds of both trees together by their folders. One that is
// not in the other tree is compared with what is shared by all worlds there,
// and a single one that is gone with a single one that is new: it was moved.
func pairs(before, now []judged) []pair {
	find := func(all []judged, dir string) int {
		return slices.IndexFunc(all, func(j judged) bool { return j.dir == dir })
	}
	var all []pair
	var gone, fresh []judged
	for _, n := range now {
		if i := find(before, n.dir); i >= 0 {
			all = append(all, pair{before[i], n})
		} else {
			fresh = append(fresh, n)
		}
	}
	for _, b := range before {
		if find(now, b.dir) < 0 {
			gone = append(gone, b)
		}
	}
	if len(gone) == 1 && len(fresh) == 1 {
		return append(all, pair{gone[0], fresh[0]})
	}
	for _, n := range fresh {
		all = append(all, pair{shared(before), n})
	}
	for _, b := range gone {
		all = append(all, pair{b, shared(now)})
	}
	return all
}

// shared is the world of what all worlds of a tree share. Nothing is found
// there: its objects are judged in each of them.
func shared(all []judged) judged {
	var objects []*source.Object
	for _, o := range all[0].objects {
		if all[0].dir == "" || worldOf(o.Origin.Path, []string{all[0].dir}) == "" {
			objects = append(objects, o)
		}
	}
	model, _ := rbac.Build(objects, rbac.Options{})
	return judged{World: triage.World{Model: model}}
}

// unlike keeps the problems of the base that the scan itself does not have:
// what could not be read there counts as new here.
func unlike(before, now []source.Problem) []source.Problem {
	known := map[string]bool{}
	for _, p := range now {
		known[p.Position.Path+" "+p.Err.Error()] = true
	}
	var all []source.Problem
	for _, p := range before {
		if p.Incomplete && !known[p.Position.Path+" "+p.Err.Error()] {
			all = append(all, source.Problem{Position: source.Position{Path: p.Position.Path}, Err: fmt.Errorf("in the base, so that what stood there counts as new: %w", p.Err)})
		}
	}
	return all
}

// fingerprints are those that an earlier scan gave.
func fingerprints(results []report.Result) map[string]bool {
	known := map[string]bool{}
	for _, r := range results {
		for _, id := range r.Fingerprints {
			known[id] = true
		}
	}
	return known
}

// gone are the results of an earlier scan of which nothing is found any more.
func gone(results []report.Result, findings []*checks.Finding) []report.Result {
	now := map[string]bool{}
	for _, f := range findings {
		now[triage.Fingerprint(f)] = true
	}
	return slices.DeleteFunc(slices.Clone(results), func(r report.Result) bool {
		return slices.ContainsFunc(r.Fingerprints, func(id string) bool { return now[id] })
	})
}
