package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/triage"
)

// maxAnnotations is how many annotations of a level GitHub takes from a step;
// it drops the rest without a word, in order of print.
const maxAnnotations = 10

// GitHub writes workflow commands, which GitHub turns into annotations: the
// worst results of each level, as many as are shown, and how many there are.
// With a base the new ones come first, and what was there before is a notice.
func GitHub(w io.Writer, r *Report) error {
	var b strings.Builder
	printed := map[string]int{}
	left := 0
	results := slices.Clone(r.Results)
	slices.SortStableFunc(results, func(a, b Result) int { return before(a) - before(b) })
	for _, res := range results {
		command := annotationLevel(res)
		if printed[command]++; printed[command] > maxAnnotations {
			left++
			continue
		}
		r.annotate(&b, command, res.Location, annotationTitle(res), res.Message.String()+res.tried())
	}
	for _, p := range r.Problems {
		if !p.Incomplete {
			continue
		}
		if printed["warning"]++; printed["warning"] > maxAnnotations {
			left++
			continue
		}
		r.annotate(&b, "warning", p.Location, "Not judged", p.Text)
	}
	s := r.Summary
	fmt.Fprintf(&b, "Hotpod: %s, ", count(s.Findings, "finding"))
	if r.Base != "" {
		fmt.Fprintf(&b, "%d of them new since %s, ", s.New, Clean(r.Base))
	}
	fmt.Fprintf(&b, "%s at or above %s", count(s.Failing, "finding"), s.FailOn)
	if said := s.proofSummary(); said != "" {
		fmt.Fprintf(&b, "; on the cluster %s", said)
	}
	if left > 0 {
		fmt.Fprintf(&b, "; %d more results than GitHub shows as annotations, see the SARIF or text output", left)
	}
	if s.Incomplete {
		b.WriteString("; the result is incomplete")
	}
	b.WriteString(".\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing workflow commands: %w", err)
	}
	return nil
}

func (r *Report) annotate(b *strings.Builder, command string, l Location, title, message string) {
	var properties []string
	set := func(name, value string) {
		properties = append(properties, name+"="+escapeProperty(value))
	}
	if l.Path != "" {
		set("file", r.inRepository(l.Path))
	}
	if l.Line > 0 {
		set("line", fmt.Sprint(l.Line))
		set("endLine", fmt.Sprint(l.Line))
	}
	if l.Column > 0 {
		set("col", fmt.Sprint(l.Column))
		set("endColumn", fmt.Sprint(l.EndColumn))
	}
	set("title", title)
	fmt.Fprintf(b, "::%s %s::%s\n", command, strings.Join(properties, ","), escapeData(Clean(message)))
}

func annotationTitle(res Result) string {
	title := fmt.Sprintf("%s %s", res.Rule, res.Severity)
	if res.State == triage.Unchanged {
		title += " (there before)"
	}
	return title
}

// before is 1 for what was there before the change.
func before(res Result) int {
	if res.State == triage.Unchanged {
		return 1
	}
	return 0
}

func annotationLevel(res Result) string {
	if l := level(res.Severity); l != "note" && res.State != triage.Unchanged {
		return l
	}
	return "notice"
}

// escapeData and escapeProperty are those of actions/toolkit's core package.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
