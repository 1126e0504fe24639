package report

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/triage"
)

// maxSummary keeps a summary below the 1 MiB that GitHub takes from a step,
// with room for what else the step writes.
const maxSummary = 1_000_000

// maxGraphs is how many graphs a summary has: each costs the browser time.
const maxGraphs = 20

// Markdown writes a summary in GitHub's Markdown: the verdict first, then new
// findings, the ways that lead to them as graphs, and all else. What would make
// it too large for a job summary is left out, the least important first, and
// counted.
func Markdown(w io.Writer, r *Report) error {
	s := summary{report: r, left: maxSummary}
	s.verdict()
	fresh, known := s.split()
	if r.Base == "" {
		s.findings("Findings", fresh, false)
	} else {
		s.findings("New findings", fresh, false)
	}
	s.delta()
	s.graphs(fresh)
	s.advice(fresh)
	s.findings("Known findings", known, true)
	s.findings("Findings that are gone", r.Absent, true)
	s.findings("Ignored findings", r.Ignored, true)
	s.problems()
	s.ending()
	if _, err := io.WriteString(w, s.b.String()); err != nil {
		return fmt.Errorf("writing Markdown: %w", err)
	}
	return nil
}

// summary is a page that grows until it is full.
type summary struct {
	report *Report
	b      strings.Builder
	left   int      // bytes that still fit
	cut    []string // what did not
}

// add appends a text as a whole, or not at all.
func (s *summary) add(format string, args ...any) bool {
	text := fmt.Sprintf(format, args...)
	if len(text) > s.left {
		return false
	}
	s.left -= len(text)
	s.b.WriteString(text)
	return true
}

// list adds a head, rows until the page is full, and a foot.
func (s *summary) list(what, head string, rows []string, foot string) {
	if len(rows) == 0 || !s.add("%s", head) {
		s.missed(what, len(rows))
		return
	}
	s.left -= len(foot)
	for i, row := range rows {
		if !s.add("%s", row) {
			s.missed(what, len(rows)-i)
			break
		}
	}
	s.b.WriteString(foot)
}

func (s *summary) missed(what string, n int) {
	if n > 0 {
		s.cut = append(s.cut, count(n, what))
	}
}

// verdict is the first line, and the numbers behind it.
func (s *summary) verdict() {
	sum := s.report.Summary
	fails := "at or above " + sum.FailOn
	switch {
	case sum.Failing > 0:
		s.add("## ❌ Hotpod: %s %s\n\n", count(sum.Failing, s.kind()), fails)
	case sum.Incomplete:
		s.add("## ⚠️ Hotpod: the result is incomplete\n\n")
	case sum.FailOn == "never":
		s.add("## ✅ Hotpod: %s\n\n", count(sum.New, s.kind()))
	default:
		s.add("## ✅ Hotpod: no %s %s\n\n", s.kind(), fails)
	}
	s.add("%s in %s with %s", count(sum.Findings, "finding")+bySeverity(sum), count(sum.Files, "file"), count(sum.Objects, "object"))
	if sum.Ignored > 0 {
		s.add(", %d more ignored", sum.Ignored)
	}
	if r := s.report; r.Base != "" {
		s.add(". Compared with %s: %d new, %d gone", escapeMarkdown(r.Base), sum.New, sum.Absent)
	}
	s.add(".\n")
	if sum.Incomplete {
		s.add("\n**Incomplete:** some of the input was not judged, see the end of this page.\n")
	}
}

func bySeverity(sum Summary) string {
	var parts []string
	for _, sev := range []checks.Severity{checks.Critical, checks.High, checks.Medium, checks.Low} {
		if n := sum.BySeverity[sev]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, sev))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// findings is a table of results, folded where they are not news.
func (s *summary) findings(title string, results []Result, folded bool) {
	var rows []string
	for i := range results {
		res, from := &results[i], s.report
		if res.State == triage.Absent {
			from = &Report{} // its lines are those of the base
		}
		text := from.linkedMessage(res)
		if res.Justified != "" {
			text += "<br>Ignored: " + escapeMarkdown(res.Justified)
		}
		rows = append(rows, fmt.Sprintf("| %s | [%s](%s) | %s | %s |\n",
			res.Severity, escapeMarkdown(res.Rule), docPage(res.Check), text, from.place(res.Location)))
	}
	const columns = "| Severity | Rule | Finding | Place |\n|---|---|---|---|\n"
	if folded {
		s.list("finding", fmt.Sprintf("\n<details><summary>%s: %d</summary>\n\n%s", title, len(results), columns), rows, "\n</details>\n")
		return
	}
	s.list("finding", "\n### "+title+"\n\n"+columns, rows, "")
}

// split parts what is new from what is not. Without a base all is news.
func (s *summary) split() (fresh, known []Result) {
	for _, res := range s.report.Results {
		if res.State == triage.Unchanged {
			known = append(known, res)
		} else {
			fresh = append(fresh, res)
		}
	}
	return fresh, known
}

// kind is what counts against the threshold.
func (s *summary) kind() string {
	if s.report.Base == "" {
		return "finding"
	}
	return "new finding"
}

// delta is what the change lets subjects do and what it takes from them.
func (s *summary) delta() {
	var rows []string
	for _, c := range s.report.Delta {
		kind, name, _ := strings.Cut(c.Subject, ":")
		subject := escapeMarkdown(fmt.Sprintf("%s '%s'", kind, name))
		if c.World != "" {
			subject += " in " + escapeMarkdown(c.World)
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", subject, accesses(c.Gains), accesses(c.Losses)))
	}
	s.list("subject", "\n### What subjects can do\n\n| Subject | Can now | Can no longer |\n|---|---|---|\n", rows, "")
}

// maxAccesses is how many permissions of a subject a cell names.
const maxAccesses = 20

func accesses(all []Access) string {
	var parts []string
	for _, a := range all[:min(len(all), maxAccesses)] {
		parts = append(parts, escapeMarkdown(a.String()))
	}
	if more := len(all) - maxAccesses; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "<br>")
}

// linkedMessage is a result's message, with links to the places it speaks of.
func (r *Report) linkedMessage(res *Result) string {
	var b strings.Builder
	for _, span := range res.Message {
		text := escapeMarkdown(span.Text)
		if n := span.Related; n > 0 && n <= len(res.Related) {
			text = r.link(text, res.Related[n-1])
		}
		b.WriteString(text)
	}
	return b.String()
}

// place names a file and line, with a link where the address is known.
func (r *Report) place(l Location) string {
	text := l.Path
	if l.Line > 0 {
		text = fmt.Sprintf("%s:%d", l.Path, l.Line)
	}
	return r.link(escapeMarkdown(text), l)
}

func (r *Report) link(text string, l Location) string {
	address := r.address(l)
	if address == "" || text == "" {
		return text
	}
	// These mean something inside of a link, even in an address.
	address = strings.NewReplacer("(", "%28", ")", "%29", "&", "%26", "'", "%27").Replace(address)
	return fmt.Sprintf("[%s](%s)", text, address)
}

// address is where the line can be read in a browser, "" if that is not known
// or if there is no line, as of an object that only a cluster has.
func (r *Report) address(l Location) string {
	if r.Blob == "" || l.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%s#L%d", strings.TrimSuffix(r.Blob, "/"), r.uri(l.Path), l.Line)
}

// graphs draws the ways to results, one graph each, the first of them open.
func (s *summary) graphs(results []Result) {
	var rows []string
	for i := range results {
		graph := mermaid(news(results[i].Findings))
		if graph == "" {
			continue
		}
		open := ""
		if len(rows) == 0 {
			open = " open"
		}
		title := escapeMarkdown(results[i].Message[:1].String())
		rows = append(rows, fmt.Sprintf("\n<details%s><summary>%s</summary>\n\n```mermaid\n%s```\n\n</details>\n", open, title, graph))
	}
	shown := rows[:min(len(rows), maxGraphs)]
	s.list("graph", "\n### How to get there\n", shown, "")
	s.missed("graph", len(rows)-len(shown))
}

// news are the findings that were not there before.
func news(all []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return f.State == triage.Unchanged })
}

// advice says what to do about each check that found something new. Its text is
// Hotpod's own.
func (s *summary) advice(results []Result) {
	var rows, said []string
	fixes := 0
	for _, res := range results {
		if res.Fix != nil {
			fixes++
		}
		if slices.Contains(said, res.Check) {
			continue
		}
		said = append(said, res.Check)
		if i := slices.IndexFunc(s.report.Rules, func(rule Rule) bool { return rule.Check == res.Check }); i >= 0 {
			rule := s.report.Rules[i]
			rows = append(rows, fmt.Sprintf("- **%s: %s.** %s\n", rule.Check, escapeMarkdown(rule.Title), strings.ReplaceAll(rule.Fix, "\n", " ")))
		}
	}
	if fixes > 0 {
		rows = append(rows, fmt.Sprintf("\n`hotpod scan --fix` repairs %d of these places.\n", fixes))
	}
	s.list("advice", "\n### What to do\n\n", rows, "")
}

func (s *summary) problems() {
	var rows []string
	problems := slices.Clone(s.report.Problems)
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(rank(a.Incomplete), rank(b.Incomplete)) })
	for _, p := range problems {
		word := "note"
		if p.Incomplete {
			word = "**not judged**"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", s.report.place(p.Location), word, escapeMarkdown(p.Text)))
	}
	open := ""
	if s.report.Summary.Incomplete {
		open = " open"
	}
	s.list("problem", fmt.Sprintf("\n<details%s><summary>Not judged, or odd: %d</summary>\n\n| Place | | What |\n|---|---|---|\n", open, len(rows)), rows, "\n</details>\n")
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

// ending says what the page does not hold.
func (s *summary) ending() {
	if len(s.cut) > 0 {
		fmt.Fprintf(&s.b, "\nLeft out, as GitHub takes no more of a summary: %s. The SARIF and JSON outputs hold everything.\n", strings.Join(s.cut, ", "))
	}
}

// escapeMarkdown makes text that may hold a stranger's names plain text to
// GitHub: no markup of Markdown or HTML, no cell of a table, no mention, link
// or emoji. What stands in single quotes, as names do in messages, is shown as
// code.
func escapeMarkdown(text string) string {
	text = Clean(text)
	var b strings.Builder
	done := 0
	for _, at := range quotedName.FindAllStringSubmatchIndex(text, -1) {
		from, to := at[2], at[3]
		b.WriteString(inert(text[done:from-1]) + "<code>" + inert(text[from:to]) + "</code>")
		done = to + 1
	}
	return b.String() + inert(text[done:])
}

var quotedName = regexp.MustCompile(`(?:^|[ (])'([^']+)'`)

// inert writes marks as character references, which Markdown takes for text.
// GitHub looks for mentions, addresses and emoji in what comes out of that; a
// comment behind their marks keeps it from finding any.
func inert(text string) string {
	const nothing = "<!-- -->"
	var b strings.Builder
	for i, r := range text {
		rest := text[i+utf8.RuneLen(r):]
		switch {
		case r == '@', r == '#', r == ':' && rest != "" && rest[0] != ' ':
			fmt.Fprintf(&b, "&#%d;%s", r, nothing)
		case r == '.' && i >= 3 && strings.EqualFold(text[i-3:i], "www"):
			b.WriteString(nothing + ".")
		case strings.ContainsRune("!\"$&*<>[\\]^_`{|}~", r):
			fmt.Fprintf(&b, "&#%d;", r)
		case r == '\t':
			b.WriteRune(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
