package report

import (
	"fmt"
	"strings"

	"github.com/hotpod-dev/hotpod/checks"
)

// verdicts in order of what a reader must not miss.
var verdicts = [...]checks.Verdict{checks.Refuted, checks.Proven, checks.NotTried}

// count counts a finding that was tried.
func (s *Summary) count(p *checks.Proof) {
	if p == nil {
		return
	}
	if s.Proofs == nil {
		s.Proofs = map[checks.Verdict]int{}
	}
	s.Proofs[p.Verdict]++
}

// verdict is that of a result's findings together.
func verdict(findings []Finding) checks.Verdict {
	for _, v := range verdicts {
		for _, f := range findings {
			if f.Proof != nil && f.Proof.Verdict == v {
				return v
			}
		}
	}
	return ""
}

// proofs are what a cluster answered to the findings of a result, by verdict.
func (res *Result) proofs(v checks.Verdict) []*checks.Proof {
	var all []*checks.Proof
	for _, f := range res.Findings {
		if f.Proof != nil && f.Proof.Verdict == v {
			all = append(all, f.Proof)
		}
	}
	return all
}

// loud is a verdict as it is printed: nobody overlooks a refutation.
func loud(v checks.Verdict) string {
	if v == checks.Refuted {
		return strings.ToUpper(string(v))
	}
	return string(v)
}

// evidence says in one line how a verdict came about.
func evidence(p *checks.Proof) string {
	if p.Verdict == checks.NotTried || len(p.Tried) == 0 {
		return p.Reason
	}
	t := p.Tried[len(p.Tried)-1]
	request := t.Request
	if t.Body != "" {
		request += " (" + t.Body + ")"
	}
	var shows []string
	for _, other := range p.Tried { // several reviews are one request to the reader
		if other.As == t.As && other.Request == t.Request && other.Status == t.Status {
			shows = append(shows, other.Shows)
		}
	}
	return fmt.Sprintf("%s, %s: %d, %s", t.As, request, t.Status, strings.Join(shows, "; "))
}

// tried is what to add to a message about what a cluster answered.
func (res *Result) tried() string {
	all := res.proofs(res.Proof)
	if len(all) == 0 {
		return ""
	}
	said := " On the cluster this is " + loud(res.Proof)
	if n := len(res.Findings); n > 1 {
		said += fmt.Sprintf(" for %d of %d", len(all), n)
	}
	said += ": " + evidence(all[0]) + "."
	if res.Proof == checks.Refuted {
		said += " Either a guard of the cluster stops it that manifests do not show, or Hotpod is wrong."
	}
	return said
}

// proofSummary counts the proofs of a report; "" where nothing was tried.
func (s Summary) proofSummary() string {
	var parts []string
	for _, v := range verdicts {
		if n := s.Proofs[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, loud(v)))
		}
	}
	return strings.Join(parts, ", ")
}
