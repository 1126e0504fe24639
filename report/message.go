package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/triage"
)

// maxNamed is how many grantees of one result are named in its message.
const maxNamed = 10

// maxRelated is how many related locations GitHub keeps of a result.
const maxRelated = 100

// messenger writes a result's message and collects the places it links to.
type messenger struct {
	result *Result
}

func (m *messenger) say(format string, args ...any) {
	m.result.Message = append(m.result.Message, Span{Text: fmt.Sprintf(format, args...)})
}

// link says words that stand for a place; plain words where it has no file or
// where there are too many.
func (m *messenger) link(p checks.Place, words string) {
	span := Span{Text: words}
	if p.InFile() {
		at := locatePlace(p, words)
		i := slices.Index(m.result.Related, at)
		if i < 0 && len(m.result.Related) < maxRelated {
			i = len(m.result.Related)
			m.result.Related = append(m.result.Related, at)
		}
		span.Related = i + 1
	}
	m.result.Message = append(m.result.Message, span)
}

// write says who can do what, where; then how, and what else is to know. The
// first sentence is the title of the alert.
func (m *messenger) write(group []triage.Decision) {
	f := group[0].Finding
	who := distinctWho(group)
	switch {
	case len(group) == 1:
		m.say("%s.", sentence(f.Who, f.Can, f.Where))
		m.how(f)
	case len(who) == 1:
		m.say("%s.", sentence(f.Who, f.Can, m.where(group)))
		m.each(group, false)
	default:
		m.say("%s and %d more %s.", f.Who, len(who)-1, sentence(f.Can, m.where(group)))
		m.each(group, true)
	}
	for _, more := range f.More {
		m.say(" %s", more)
	}
	m.also(group)
}

// where is the scope that all of a group share.
func (m *messenger) where(group []triage.Decision) string {
	first := group[0].Finding.Where
	for _, d := range group {
		if d.Finding.Where != first {
			return fmt.Sprintf("through %d bindings", len(group))
		}
	}
	return first
}

// how says by which binding and role a finding comes about.
func (m *messenger) how(f *checks.Finding) {
	switch {
	case f.Workload != nil || f.Role == nil:
		m.steps(f)
	case f.Binding != nil:
		m.granted(f)
		m.say(", bound by ")
		m.link(bindingOf(f), bindingTitle(f))
		m.say(".")
	}
}

// steps links the places of a finding that is about more than one grant.
func (m *messenger) steps(f *checks.Finding) {
	var places []checks.Place
	for _, p := range f.Chain {
		if p.InFile() && p.Position() != f.Position() && !slices.ContainsFunc(places, func(q checks.Place) bool { return q.Object == p.Object }) {
			places = append(places, p)
		}
	}
	for i, p := range places {
		if i == 0 {
			m.say(" See ")
		} else {
			m.say(", ")
		}
		m.link(p, object(p))
	}
	if len(places) > 0 {
		m.say(".")
	}
}

// each names the grantees of a result, the first of them.
func (m *messenger) each(group []triage.Decision, who bool) {
	f := group[0].Finding
	switch {
	case f.Role == nil || f.Binding == nil:
		m.say(" They are ")
	case who:
		m.granted(f)
		m.say(" to ")
	default:
		m.granted(f)
		m.say(", bound by ")
	}
	named := map[string]bool{}
	for _, d := range group {
		f, words := d.Finding, ""
		if f.Binding != nil {
			words = bindingTitle(f)
		}
		if key := f.Who + words; named[key] || len(named) == maxNamed {
			continue
		} else if named[key] = true; len(named) > 1 {
			m.say("; ")
		}
		switch {
		case f.Binding == nil:
			m.say("%s", f.Who)
		case who:
			m.say("%s by ", f.Who)
			m.link(bindingOf(f), words)
		default:
			m.link(bindingOf(f), words)
		}
	}
	if len(group) > maxNamed && len(named) == maxNamed {
		m.say(" and more")
	}
	m.say(".")
}

// granted says which role grants, and where its rule comes from if that is
// another one.
func (m *messenger) granted(f *checks.Finding) {
	m.say(" Granted by ")
	rule := ruleOf(f)
	if !rule.InFile() || rule.Object == f.Role.Object {
		m.link(rule, roleTitle(f))
		return
	}
	m.link(checks.Place{Object: f.Role.Object, Path: []any{"metadata", "name"}}, roleTitle(f))
	m.say(" (which aggregates ")
	m.link(rule, object(rule))
	m.say(")")
}

// also links the further rules that grant the same or more of its kind, and
// the further workloads of a finding about an account.
func (m *messenger) also(group []triage.Decision) {
	var said []checks.Place
	for _, d := range group {
		for _, p := range d.Finding.Also {
			if p.InFile() && !slices.ContainsFunc(said, func(q checks.Place) bool { return sameWords(p, q) }) {
				said = append(said, p)
			}
		}
	}
	slices.SortStableFunc(said, func(a, b checks.Place) int {
		pa, pb := a.Position(), b.Position()
		return cmp.Or(cmp.Compare(a.Gives, b.Gives), cmp.Compare(pa.Path, pb.Path), cmp.Compare(pa.Line, pb.Line))
	})
	for i, p := range said[:min(len(said), maxNamed)] {
		switch {
		case i > 0 && p.Gives == said[i-1].Gives:
			m.say(", ")
		case p.Gives != "":
			m.say("%s Also %s by ", stop(i), p.Gives)
		case p.Role == "workload":
			m.say("%s It is used by ", stop(i))
		default:
			m.say("%s The same comes from ", stop(i))
		}
		if p.Role == "workload" {
			m.link(p, object(p))
		} else {
			m.link(p, fmt.Sprintf("line %d of %s", p.Position().Line, object(p)))
		}
	}
	if more := len(said) - maxNamed; more > 0 {
		m.say(" and %d more", more)
	}
	if len(said) > 0 {
		m.say(".")
	}
}

// sameWords tells places apart as far as a message does: a workload by its
// name, of which a tree may hold variants, a rule by its line.
func sameWords(p, q checks.Place) bool {
	if p.Role == "workload" {
		return object(p) == object(q)
	}
	return p.Position() == q.Position()
}

// stop ends the sentence before the next one.
func stop(i int) string {
	if i == 0 {
		return ""
	}
	return "."
}

func distinctWho(group []triage.Decision) []string {
	var who []string
	for _, d := range group {
		if !slices.Contains(who, d.Finding.Who) {
			who = append(who, d.Finding.Who)
		}
	}
	return who
}

// ruleOf is the rule of a finding that has one: the last step of its chain.
func ruleOf(f *checks.Finding) checks.Place {
	if n := len(f.Chain); n > 0 && f.Chain[n-1].Role == "rule" {
		return f.Chain[n-1]
	}
	return checks.Place{Object: f.Role.Object}
}

func bindingOf(f *checks.Finding) checks.Place {
	return checks.Place{Object: f.Binding.Object, Path: []any{"roleRef", "name"}, Role: "binding"}
}

func roleTitle(f *checks.Finding) string {
	return named(f.Role.Kind(), f.Role.Namespace, f.Role.Name)
}

func bindingTitle(f *checks.Finding) string {
	return named(f.Binding.Object.Kind, f.Binding.Namespace, f.Binding.Name)
}

func named(kind, namespace, name string) string {
	if namespace == "" {
		return fmt.Sprintf("%s '%s'", kind, name)
	}
	return fmt.Sprintf("%s '%s/%s'", kind, namespace, name)
}
