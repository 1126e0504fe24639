package checks

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/hotpod-dev/hotpod/rbac"
)

// Options of Run.
type Options struct {
	// Minor is the minor version of Kubernetes that the cluster runs, such as
	// 37 for 1.37. It decides about permissions whose meaning changed.
	Minor int
}

// Pass is what a check sees while it runs, and where it reports.
type Pass struct {
	Model *rbac.Model
	Check *Check
	Minor int

	rows     []*Check // the checks of permissions: HP1 to HP4
	findings []*Finding
	risks    map[rbac.Subject][]*Finding // for late checks: what others found
}

// Failure is a check that could not do its work.
type Failure struct {
	Check *Check
	Err   error
}

// Run runs the checks over a model. It gives their findings in order, with
// those left out that another one says already.
func Run(m *rbac.Model, all []*Check, o Options) ([]*Finding, []Failure) {
	p := &Pass{Model: m, Minor: o.Minor, rows: rows(all)}
	failures := p.run(all, false)
	p.findings = collapse(subsume(p.findings))
	p.risks = map[rbac.Subject][]*Finding{}
	inOrder(p.findings)
	for _, f := range p.findings {
		p.risks[f.Subject] = append(p.risks[f.Subject], f)
	}
	for _, f := range p.findings {
		if f.Check.explain != nil {
			f.Check.explain(p, f)
		}
	}
	failures = append(failures, p.run(all, true)...)
	inOrder(p.findings)
	return p.findings, failures
}

// inOrder finds the places of findings, which takes most of the time here, and
// sorts them.
func inOrder(findings []*Finding) {
	var wg sync.WaitGroup
	next := make(chan *Finding)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range next {
				f.at = f.Primary.Position()
			}
		})
	}
	for _, f := range findings {
		if f.at.Path == "" {
			next <- f
		}
	}
	close(next)
	wg.Wait()
	slices.SortFunc(findings, Compare)
}

func (p *Pass) run(all []*Check, late bool) []Failure {
	var failures []Failure
	for _, c := range all {
		if c.Late != late {
			continue
		}
		p.Check = c
		if c.Run == nil {
			p.asks()
			continue
		}
		if err := c.Run(p); err != nil {
			failures = append(failures, Failure{c, err})
		}
	}
	return failures
}

// rows are the checks that ask for permissions on named resources.
func rows(all []*Check) []*Check {
	var rows []*Check
	for _, c := range all {
		if c.ID < "HP5" && len(c.Asks) > 0 {
			rows = append(rows, c)
		}
	}
	return rows
}

// report takes a finding, unless its check has no severity for its reach or no
// file shows its place.
func (p *Pass) report(f *Finding) {
	f.Check = p.Check
	if f.Severity == None {
		f.Severity = p.Check.Severity[f.Reach]
	}
	if f.Severity == None || !f.Primary.InFile() {
		return
	}
	p.findings = append(p.findings, f)
}

// risksTo are the findings about what a workload's account may do, by name and
// through its groups; what gives most comes first.
func (p *Pass) risksTo(w *rbac.Workload, t rbac.Token) []*Finding {
	s := t.Subject
	all := slices.Clone(p.risks[s])
	for _, g := range s.Groups() {
		all = append(all, p.risks[group(g)]...)
	}
	all = slices.DeleteFunc(all, func(f *Finding) bool { return f.Binding == nil || !f.Binding.CountsFor(w, t) })
	slices.SortFunc(all, comparePower)
	return all
}

// comparePower orders findings by what they give: by severity, then everything
// before wildcards before single permissions.
func comparePower(a, b *Finding) int {
	breadth := func(f *Finding) int { return slices.Index([]string{"HP502", "HP503", "HP501"}, f.Check.ID) }
	return cmp.Or(-cmp.Compare(a.Severity, b.Severity), -cmp.Compare(breadth(a), breadth(b)), Compare(a, b))
}

func group(name string) rbac.Subject { return rbac.Subject{Kind: "Group", Name: name} }

// reachOf gives how far a grant goes.
func reachOf(namespace string, names []string) Reach {
	switch {
	case len(names) > 0:
		return Named
	case namespace == "" || namespace == "kube-system":
		return Cluster
	}
	return Namespace
}

// where says a grant's scope in words.
func where(namespace string) string {
	if namespace == "" {
		return "in all namespaces"
	}
	return fmt.Sprintf("in namespace '%s'", namespace)
}

// grant is what findings are told apart by, besides their check.
type grant struct {
	subject rbac.Subject
	binding *rbac.Binding
	role    *rbac.Role
}

func (f *Finding) grant() grant { return grant{f.Subject, f.Binding, f.Role} }

// subsume leaves out findings that another one about the same grant covers.
func subsume(findings []*Finding) []*Finding {
	wide := map[grant][]*Finding{}
	for _, f := range findings {
		if f.Rule != nil && len(f.Check.Subsumes) > 0 {
			wide[f.grant()] = append(wide[f.grant()], f)
		}
	}
	return slices.DeleteFunc(findings, func(f *Finding) bool {
		return f.Rule != nil && slices.ContainsFunc(wide[f.grant()], func(by *Finding) bool { return by.covers(f) })
	})
}

// covers tells whether f says all that other says.
func (f *Finding) covers(other *Finding) bool {
	if f == other || (f.Check.OneRule && f.Rule != other.Rule) {
		return false
	}
	if slices.Index(Reaches, f.Reach) > slices.Index(Reaches, other.Reach) {
		return false
	}
	return slices.ContainsFunc(f.Check.Subsumes, other.Check.Matches)
}

// collapse makes one finding of those that different rules of one role give to
// one check: the widest, which names the places of the others.
func collapse(findings []*Finding) []*Finding {
	type key struct {
		check *Check
		grant grant
	}
	widest := map[key]*Finding{}
	for _, f := range findings {
		if k := (key{f.Check, f.grant()}); f.Rule != nil && (widest[k] == nil || f.wider(widest[k])) {
			widest[k] = f
		}
	}
	return slices.DeleteFunc(findings, func(f *Finding) bool {
		kept := widest[key{f.Check, f.grant()}]
		if f.Rule == nil || f == kept {
			return false
		}
		if f.Primary.InFile() && f.Rule != kept.Rule && f.Primary.Role == "rule" {
			also := f.Primary
			if f.Can != kept.Can {
				also.Gives = strings.TrimPrefix(f.Can, "can ")
			}
			kept.Also = append(kept.Also, also)
		}
		kept.Powers = append(kept.Powers, f.Powers...)
		return true
	})
}

// wider tells which of two findings about one grant says more.
func (f *Finding) wider(than *Finding) bool {
	if f.Severity != than.Severity {
		return f.Severity > than.Severity
	}
	return slices.Index(Reaches, f.Reach) < slices.Index(Reaches, than.Reach)
}
