package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/triage"
)

// Text writes the report for a person: grouped by file, each result with the
// line that grants and a mark under the element.
func Text(w io.Writer, r *Report, colors bool) error {
	t := textWriter{colors: colors}
	byFile := slices.Clone(r.Results)
	slices.SortStableFunc(byFile, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Location.Path, b.Location.Path), cmp.Compare(a.Location.Line, b.Location.Line), cmp.Compare(a.Location.Column, b.Location.Column))
	})
	for i := range byFile {
		if i == 0 || byFile[i].Location.Path != byFile[i-1].Location.Path {
			t.line("%s", t.paint(bold, heading(byFile[i].Location.Path)))
		}
		t.result(&byFile[i])
	}
	t.problems(r)
	t.summary(r)
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return fmt.Errorf("writing text: %w", err)
	}
	return nil
}

type textWriter struct {
	b      strings.Builder
	colors bool
}

// Terminal codes.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	yellow = "33"
	cyan   = "36"
)

func (t *textWriter) paint(code, s string) string {
	if !t.colors {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *textWriter) line(format string, args ...any) {
	fmt.Fprintf(&t.b, format+"\n", args...)
}

func (t *textWriter) result(res *Result) {
	color := map[checks.Severity]string{checks.Critical: red, checks.High: red, checks.Medium: yellow, checks.Low: cyan}[res.Severity]
	mark := ""
	if res.State == triage.New {
		mark = t.paint(bold, "new") + " "
	}
	t.line("  %s%s %s: %s", mark, t.paint(color, res.Severity.String()), t.paint(bold, res.Rule), Clean(res.Message.String()))
	t.snippet(res.Location, color)
	t.proof(res)
	said := map[string]bool{}
	for _, l := range res.Related {
		at := l.String()
		if !said[at] && at != res.Location.String() {
			t.line("       %s %s %s", t.paint(faint, "="), Clean(l.Text), t.paint(faint, Clean(at)))
		}
		said[at] = true
	}
	t.line("")
}

// proof says what a cluster answered, each verdict once.
func (t *textWriter) proof(res *Result) {
	for _, v := range verdicts {
		all := res.proofs(v)
		if len(all) == 0 {
			continue
		}
		many := ""
		if n := len(res.Findings); n > 1 {
			many = fmt.Sprintf(" for %d of %d", len(all), n)
		}
		t.line("       %s %s%s: %s", t.paint(faint, "="), t.paint(verdictColor(v), loud(v)), many, Clean(evidence(all[0])))
	}
}

func verdictColor(v checks.Verdict) string {
	switch v {
	case checks.Refuted:
		return bold + ";" + red
	case checks.Proven:
		return bold
	}
	return faint
}

func (t *textWriter) snippet(l Location, color string) {
	if l.Line == 0 {
		return // an object of a cluster, which has no lines
	}
	number, source, before := fmt.Sprintf("%5d", l.Line), Clean(l.Source), l.Column-1
	if l.From > 0 {
		source, before = "…"+source+"…", 1+l.Column-l.From
	}
	t.line("%s %s", t.paint(faint, number+" |"), source)
	if l.Column > 0 && l.Source != "" {
		blanks := indent(source, before)
		width := min(l.EndColumn-l.Column, utf8.RuneCountInString(source)-utf8.RuneCountInString(blanks))
		t.line("%s %s%s", t.paint(faint, "      |"), blanks, t.paint(color, strings.Repeat("^", max(1, width))))
	}
}

// indent gives blanks as wide as the first n characters of a line.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (t *textWriter) problems(r *Report) {
	if len(r.Problems) == 0 {
		return
	}
	t.line("%s", t.paint(bold, "Not judged, or odd"))
	for _, p := range r.Problems {
		word := "note"
		if p.Incomplete {
			word = t.paint(yellow, "incomplete")
		}
		t.line("  %s: %s: %s", heading(p.Location.String()), word, Clean(p.Text))
	}
	t.line("")
}

func (t *textWriter) summary(r *Report) {
	s, kind := r.Summary, "finding"
	if r.Base != "" {
		kind = "new finding"
	}
	if s.Findings == 0 {
		t.line("No findings in %s with %s.", count(s.Files, "file"), count(s.Objects, "object"))
	} else {
		t.line("%s%s in %s with %s.", count(s.Findings, "finding"), bySeverity(s), count(s.Files, "file"), count(s.Objects, "object"))
		if r.Base != "" {
			t.line("Compared with %s: %s new, %d there before.", Clean(r.Base), count(s.New, "finding"), s.Findings-s.New)
		}
		t.line("%s at or above the threshold (--fail-on %s).", count(s.Failing, kind), s.FailOn)
	}
	if said := s.proofSummary(); said != "" {
		color := bold
		if s.Proofs[checks.Refuted] > 0 {
			color = verdictColor(checks.Refuted)
		}
		t.line("Tried on the cluster: %s.", t.paint(color, said))
	}
	if s.Absent > 0 {
		t.line("%s of %s gone.", count(s.Absent, "finding"), Clean(r.Base))
	}
	if s.Ignored > 0 {
		t.line("%s ignored, with a reason.", count(s.Ignored, "finding"))
	}
	if s.Incomplete {
		t.line("The result is incomplete: see above for what was not judged.")
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
