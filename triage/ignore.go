package triage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/source"
)

// Ignore is somebody's word that a finding is accepted, and why.
type Ignore struct {
	Rules    []string // checks (HP101, HP1*) or rules (HP101/namespace)
	Reason   string
	Until    time.Time // the last day on which it holds; zero is forever
	Position source.Position

	// An ignore in a manifest covers what has a place on these lines.
	from, to int

	// An ignore in the configuration covers what these patterns match, as
	// shells do, with ** for any path; an empty one matches anything.
	File, Subject, Binding, Role, Workload string
}

// dateLayout is how dates are written: 2027-01-31.
const dateLayout = time.DateOnly

func (i *Ignore) expired(today time.Time) bool {
	return !i.Until.IsZero() && today.After(i.Until.AddDate(0, 0, 1).Add(-time.Nanosecond))
}

// covers tells whether the ignore speaks of the finding's place or parties.
func (i *Ignore) covers(f *checks.Finding) bool {
	if i.from > 0 {
		return slices.ContainsFunc(places(f), func(p source.Position) bool {
			return p.Path == i.Position.Path && i.from <= p.Line && p.Line <= i.to
		})
	}
	subject, binding, role, workload := parties(f)
	return glob(i.File, f.Position().Path) && glob(i.Subject, subject) &&
		glob(i.Binding, binding) && glob(i.Role, role) && glob(i.Workload, workload)
}

func parties(f *checks.Finding) (subject, binding, role, workload string) {
	if f.Subject.Kind != "" {
		subject = f.Subject.Key()
	}
	if f.Binding != nil {
		binding = f.Binding.Ref()
	}
	if f.Role != nil {
		role = f.Role.Ref()
	}
	if f.Workload != nil {
		workload = f.Workload.Object.Kind + ":" + f.Workload.Namespace + "/" + f.Workload.Object.Name
	}
	return subject, binding, role, workload
}

func glob(pattern, s string) bool {
	return pattern == "" || doublestar.MatchUnvalidated(pattern, s)
}

// places are where a comment may ignore a finding: the element that grants,
// and each step of the way to it.
func places(f *checks.Finding) []source.Position {
	all := []source.Position{f.Position()}
	for _, p := range f.Chain {
		if p.InFile() {
			all = append(all, p.Position())
		}
	}
	return all
}

// matches tells whether the ignore names the finding's check or rule.
func (i *Ignore) matches(f *checks.Finding) bool {
	return slices.ContainsFunc(i.Rules, func(rule string) bool {
		if check, _, exact := strings.Cut(rule, "/"); exact {
			return f.Check.Matches(check) && strings.EqualFold(rule, f.RuleID())
		}
		return f.Check.Matches(rule)
	})
}

// outgrownBy names the finding's rule if the ignore accepts a smaller reach or
// severity of the same check.
func (i *Ignore) outgrownBy(f *checks.Finding) string {
	for _, rule := range i.Rules {
		if check, _, exact := strings.Cut(rule, "/"); exact && f.Check.Matches(check) {
			return f.RuleID()
		}
	}
	return ""
}

// notices reports ignores that do nothing, no longer hold, or hold too little.
func notices(o Options, uses map[*Ignore]*usage) []source.Problem {
	var all []source.Problem
	say := func(i *Ignore, format string, args ...any) {
		all = append(all, source.Problem{Position: i.Position, Err: fmt.Errorf("ignore of %s "+format, append([]any{strings.Join(i.Rules, ", ")}, args...)...)})
	}
	for _, i := range o.Ignores {
		switch u := uses[i]; {
		case u.outgrown != "":
			say(i, "does not cover what is there now: %s", u.outgrown)
		case u.expired && u.used:
			say(i, "expired on %s: its findings are shown again", i.Until.Format(dateLayout))
		case u.expired:
			say(i, "expired on %s and is of no use: remove it", i.Until.Format(dateLayout))
		case !u.used && i.selected(o.Checks):
			say(i, "is of no use: nothing is found there; remove it")
		}
	}
	slices.SortStableFunc(all, func(a, b source.Problem) int {
		return cmp.Or(cmp.Compare(a.Position.Path, b.Position.Path), cmp.Compare(a.Position.Line, b.Position.Line))
	})
	return all
}

// selected tells whether any check that the ignore names was run.
func (i *Ignore) selected(all []*checks.Check) bool {
	return slices.ContainsFunc(i.Rules, func(rule string) bool {
		check, _, _ := strings.Cut(rule, "/")
		return slices.ContainsFunc(all, func(c *checks.Check) bool { return c.Matches(check) })
	})
}

var (
	comment   = regexp.MustCompile(`(?:^|\s)#\s*hotpod:ignore\b(.*)$`)
	until     = regexp.MustCompile(`\s*\[?until=(\S*?)\]?\s*$`)
	separator = regexp.MustCompile(`[,\s]+`)
)

// Comments finds the ignores that are written in the manifests of objects:
//
//	# hotpod:ignore HP101 -- reason [until=2027-01-31]
//
// behind the element, on a line of its own above it, or at the head of the
// document for all of it. One without a reason is a problem and has no effect.
func Comments(objects []*source.Object) ([]*Ignore, []source.Problem) {
	var all []*Ignore
	var problems []source.Problem
	done := map[source.Position]bool{}
	for _, o := range objects {
		text, first := o.Document()
		at := source.Position{Path: o.Origin.Path, Line: first}
		if done[at] {
			continue
		}
		done[at] = true
		if !bytes.Contains(text, []byte("hotpod:ignore")) {
			continue
		}
		found, wrong := commentsOf(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), at)
		all, problems = append(all, found...), append(problems, wrong...)
	}
	return all, problems
}

func commentsOf(lines []string, at source.Position) (all []*Ignore, problems []source.Problem) {
	head := true // nothing but comments so far
	for n, line := range lines {
		content := strings.TrimSpace(line)
		own := strings.HasPrefix(content, "#")
		match := comment.FindStringSubmatch(strings.TrimRight(line, "\r"))
		here := source.Position{Path: at.Path, Line: at.Line + n}
		if match != nil {
			i, err := parseIgnore(match[1])
			if err != nil {
				problems = append(problems, source.Problem{Position: here, Err: err})
			} else {
				i.Position = here
				i.from, i.to = scope(lines, n, at.Line, own, head)
				all = append(all, i)
			}
		}
		head = head && (content == "" || own || content == "---")
	}
	return all, problems
}

// scope gives the lines that a comment on line n speaks of.
func scope(lines []string, n, first int, own, head bool) (from, to int) {
	switch {
	case own && head:
		return first, first + len(lines) - 1
	case !own:
		return first + n, first + n
	}
	for next := n + 1; next < len(lines); next++ {
		if text := strings.TrimSpace(lines[next]); text != "" && !strings.HasPrefix(text, "#") {
			return first + next, first + next
		}
	}
	return first + n, first + n
}

// parseIgnore reads what stands behind hotpod:ignore.
func parseIgnore(text string) (*Ignore, error) {
	rules, reason, _ := strings.Cut(text, "--")
	i := &Ignore{Reason: strings.TrimSpace(reason)}
	for _, r := range separator.Split(strings.TrimSpace(rules), -1) {
		if r != "" {
			i.Rules = append(i.Rules, r)
		}
	}
	if match := until.FindStringSubmatchIndex(i.Reason); match != nil {
		date, err := time.Parse(dateLayout, i.Reason[match[2]:match[3]])
		if err != nil {
			return nil, fmt.Errorf("hotpod:ignore has no effect: until=%s is not a date such as 2027-01-31", i.Reason[match[2]:match[3]])
		}
		i.Until, i.Reason = date, strings.TrimSpace(i.Reason[:match[0]])
	}
	return i, i.validate()
}

// validate wants checks that exist and a reason.
func (i *Ignore) validate() error {
	if len(i.Rules) == 0 {
		return errors.New("hotpod:ignore has no effect: it names no check, such as HP101")
	}
	for _, rule := range i.Rules {
		check, _, _ := strings.Cut(rule, "/")
		if _, err := checks.Select(checks.All(), []string{check}); err != nil || strings.HasPrefix(check, "-") {
			return fmt.Errorf("hotpod:ignore has no effect: there is no check %q", rule)
		}
	}
	if i.Reason == "" {
		return errors.New("hotpod:ignore has no effect: it gives no reason; write # hotpod:ignore HP101 -- reason")
	}
	return nil
}
