package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/triage"
)

// Scan is what a report is made of.
type Scan struct {
	Version  string
	Checks   []*checks.Check // that ran
	Outcome  triage.Outcome
	Failures []checks.Failure
	Problems []source.Problem
	FailOn   checks.Severity
	Files    int
	Objects  int
	Base     string   // what the scan was compared with, in words; "" with nothing
	Delta    []Change // since the base
	Gone     []Result // since the base, where that is a saved result
}

// New makes the report of a scan.
func New(s Scan) *Report {
	r := &Report{
		Tool:    Tool{Name: "Hotpod", Version: s.Version},
		Rules:   rules(s.Checks),
		Results: results(s.Outcome.Shown),
		Ignored: results(s.Outcome.Ignored),
		Absent:  append(results(s.Outcome.Absent), s.Gone...),
		Base:    s.Base, Delta: s.Delta,

		Problems: []Problem{},
	}
	for _, p := range s.Problems {
		r.addProblem(p)
	}
	for _, f := range s.Failures {
		r.Problems = append(r.Problems, Problem{Text: fmt.Sprintf("check %s could not run: %v", f.Check.ID, f.Err), Incomplete: true})
	}
	slices.SortStableFunc(r.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Location.Path, b.Location.Path), cmp.Compare(a.Location.Line, b.Location.Line), cmp.Compare(a.Text, b.Text))
	})
	r.Problems = slices.Compact(r.Problems)
	r.summarize(s)
	return r
}

func (r *Report) addProblem(p source.Problem) {
	r.Problems = append(r.Problems, Problem{Location: locate(p.Position), Text: p.Err.Error(), Incomplete: p.Incomplete})
}

func (r *Report) summarize(s Scan) {
	r.Summary = Summary{
		Problems: len(r.Problems), Ignored: len(s.Outcome.Ignored), Absent: len(s.Outcome.Absent) + len(s.Gone), FailOn: "never",
		Files: s.Files, Objects: s.Objects, BySeverity: map[checks.Severity]int{},
	}
	if s.FailOn != checks.None {
		r.Summary.FailOn = s.FailOn.String()
	}
	for _, d := range s.Outcome.Shown {
		r.Summary.Findings++
		if d.State != triage.Unchanged {
			r.Summary.New++
		}
		r.Summary.BySeverity[d.Finding.Severity]++
		r.Summary.Highest = max(r.Summary.Highest, d.Finding.Severity)
		if d.Fails {
			r.Summary.Failing++
		}
		r.Summary.count(d.Finding.Proof)
	}
	r.Summary.Incomplete = slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Incomplete })
}

func rules(all []*checks.Check) []Rule {
	rules := []Rule{}
	for _, c := range all {
		for _, v := range c.Variants() {
			rules = append(rules, Rule{
				ID: c.RuleID(v), Check: c.ID, Name: c.Name, Title: c.Title, Reach: v.Reach, Severity: v.Severity,
				Why: c.Doc.Why, Fix: c.Doc.Fix, Quiet: c.Doc.Quiet, Links: c.Doc.References, CIS: c.Doc.CIS, MITRE: c.Doc.MITRE,
			})
		}
	}
	return rules
}

// results puts decisions of one rule about one place together.
func results(decisions []triage.Decision) []Result {
	type key struct {
		rule string
		at   source.Position
		why  *triage.Ignore
	}
	groups := map[key][]triage.Decision{}
	var order []key
	for _, d := range decisions {
		k := key{d.Finding.RuleID(), d.Finding.Position(), d.Ignore}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], d)
	}
	all := make([]Result, 0, len(order))
	for _, k := range order {
		all = append(all, result(groups[k]))
	}
	return all
}

// result speaks of what is new first, where anything is.
func result(group []triage.Decision) Result {
	slices.SortStableFunc(group, func(a, b triage.Decision) int { return -cmp.Compare(isNew(a), isNew(b)) })
	f := group[0].Finding
	r := Result{
		Rule: f.RuleID(), Check: f.Check.ID, Severity: f.Severity, State: group[0].State,
		Location: locatePlace(f.Primary, ""),
	}
	m := &messenger{result: &r}
	m.write(group)
	for _, d := range group {
		r.Fails = r.Fails || d.Fails
		r.Findings = append(r.Findings, parties(d))
		r.Fingerprints = append(r.Fingerprints, d.Fingerprint)
		if flow := flow(d.Finding); len(flow) > 1 {
			r.Flows = append(r.Flows, flow)
		}
		if d.Ignore != nil {
			r.Justified = d.Ignore.Reason
		}
	}
	r.Fix, r.Proof = fix(f), verdict(r.Findings)
	return r
}

// fix is the repair of a finding, if its text can be edited. Findings of one
// place have the same.
func fix(f *checks.Finding) *Fix {
	if f.Fix == nil {
		return nil
	}
	e, err := f.Fix.Edit()
	if err != nil {
		return nil
	}
	at := Location{Path: e.Path, Line: e.Line, Column: e.Column, EndColumn: e.EndColumn}
	return &Fix{Text: f.Fix.String(), Location: at, Insert: e.Text}
}

func isNew(d triage.Decision) int {
	if d.State == triage.New {
		return 1
	}
	return 0
}

func parties(d triage.Decision) Finding {
	f := d.Finding
	p := Finding{Fingerprint: d.Fingerprint, State: d.State, Namespace: f.Namespace, Names: f.Names, Path: way(f), Gives: gives(f), Proof: f.Proof}
	if f.Subject.Kind != "" {
		p.Subject = f.Subject.Key()
	}
	if f.Binding != nil {
		p.Binding = f.Binding.Ref()
	}
	if f.Role != nil {
		p.Role = f.Role.Ref()
	}
	if f.Workload != nil {
		p.Workload = f.Workload.Object.Kind + ":" + f.Workload.Namespace + "/" + f.Workload.Object.Name
	}
	return p
}

// way names the objects on the way of a finding. A hot pod has no grant of its
// own: the way goes on with the worst of its account's.
func way(f *checks.Finding) []string {
	var steps []string
	if f.Workload != nil {
		steps = append(steps, named(f.Workload.Object.Kind, f.Workload.Namespace, f.Workload.Object.Name))
	}
	if f.Subject.Kind != "" {
		steps = append(steps, f.Subject.String())
	}
	if f.Binding != nil {
		steps = append(steps, bindingTitle(f))
	}
	switch {
	case f.Role != nil:
		steps = append(steps, roleTitle(f))
	case f.Binding != nil: // to a role that is not in the input
		steps = append(steps, named(f.Binding.RoleRef.Kind, "", f.Binding.RoleRef.Name))
	case f.Workload != nil:
		for _, role := range []string{"binding", "rule"} {
			if i := lastIndex(f.Chain, role); i >= 0 {
				steps = append(steps, object(f.Chain[i]))
			}
		}
	}
	return slices.Compact(steps)
}

func lastIndex(chain []checks.Place, role string) int {
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].Role == role {
			return i
		}
	}
	return -1
}

// gives says what the subject at the end of the path can do.
func gives(f *checks.Finding) string {
	if f.Workload != nil {
		return strings.TrimPrefix(f.Can, fmt.Sprintf("carries the token of %s, which ", f.Subject))
	}
	return sentence(f.Can, f.Where)
}

// flow is the way from the workload or subject to the rule, step by step.
func flow(f *checks.Finding) []Location {
	var steps []Location
	for _, p := range f.Chain {
		if p.InFile() {
			steps = append(steps, locatePlace(p, stepText(f, p)))
		}
	}
	return slices.CompactFunc(steps, func(a, b Location) bool { return a == b })
}

// stepText says what a place has to do with a finding.
func stepText(f *checks.Finding, p checks.Place) string {
	switch p.Role {
	case "workload":
		return fmt.Sprintf("%s mounts the token of %s", object(p), f.Subject)
	case "account":
		return object(p)
	case "subject":
		return fmt.Sprintf("%s names the subject", object(p))
	case "binding":
		return fmt.Sprintf("%s refers to the role", object(p))
	}
	return fmt.Sprintf("%s grants it", object(p))
}

func object(p checks.Place) string { return cmp.Or(p.Title, p.Object.String()) }

func locatePlace(p checks.Place, text string) Location {
	at := p.Position()
	l := locate(at)
	l.Text = text
	l.Source, l.From = p.Object.Excerpt(at, maxSource)
	return l
}

// maxSource is how many characters a line may have to be shown.
const maxSource = 160

// locate gives a place with a column the width that formats need.
func locate(p source.Position) Location {
	l := Location{Path: p.Path, Line: p.Line, Column: p.Column, EndColumn: p.EndColumn}
	if l.Column > 0 {
		l.EndColumn = max(l.EndColumn, l.Column+1)
	}
	return l
}

// sentence joins words that are not empty.
func sentence(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}
