package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/hotpod-dev/hotpod/checks"
)

// maxAnnotations is how many annotations of a level GitHub takes from a step;
// it drops the rest without a word, in order of print.
const maxAnnotations = 10

// GitHub writes workflow commands, which GitHub turns into annotations: the
// worst results of each level, as many as are shown, and how many there are.
func GitHub(w io.Writer, r *Report) error {
	var b strings.Builder
	printed := map[string]int{}
	left := 0
	for _, res := range r.Results {
		command := annotationLevel(res.Severity)
		if printed[command]++; printed[command] > maxAnnotations {
			left++
			continue
		}
		r.annotate(&b, command, res.Location, fmt.Sprintf("%s %s", res.Rule, res.Severity), res.Message.String())
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
	fmt.Fprintf(&b, "Hotpod: %s, %s at or above %s", count(s.Findings, "finding"), count(s.Failing, "finding"), s.FailOn)
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

func annotationLevel(s checks.Severity) string {
	if l := level(s); l != "note" {
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
