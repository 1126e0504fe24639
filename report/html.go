package report

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/triage"
)

//go:embed html.tmpl
var htmlPage string

// HTML writes a page that holds all it needs: no script, no font, no image. It
// can be mailed, kept as an artifact of a build, and printed.
func HTML(w io.Writer, r *Report) error {
	page, err := template.New("page").Funcs(template.FuncMap{
		"clean":   Clean,
		"count":   count,
		"docs":    docPage,
		"code":    codeSpans,
		"snippet": snippet,
		"subject": func(key string) string { return Clean(strings.Replace(key, ":", " ", 1)) },
		"place":   func(l Location, linked bool) link { return r.htmlLink(l.String(), l, linked) },
		"message": r.htmlMessage,
	}).Parse(htmlPage)
	if err != nil {
		return fmt.Errorf("making HTML: %w", err)
	}
	if err := page.Execute(w, r.page()); err != nil {
		return fmt.Errorf("writing HTML: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	*Report
	Kind     string // what counts against the threshold
	Counts   string // of findings, by severity
	Sections []section
	Rules    []Rule // one for each check that found something
}

// section is a part of the page with findings.
type section struct {
	Title   string
	Folded  bool
	Linked  bool // its lines are those of the commit that was scanned
	Results []Result
}

func (r *Report) page() page {
	s := summary{report: r}
	fresh, known := s.split()
	title := "Findings"
	if r.Base != "" {
		title = "New findings"
	}
	p := page{Report: r, Kind: s.kind(), Counts: bySeverity(r.Summary)}
	for _, sec := range []section{
		{title, false, true, fresh},
		{"Known findings", r.Base != "", true, known},
		{"Findings that are gone", true, false, r.Absent},
		{"Ignored findings", true, true, r.Ignored},
	} {
		if len(sec.Results) > 0 {
			p.Sections = append(p.Sections, sec)
		}
	}
	for _, rule := range r.Rules {
		found := func(res Result) bool { return res.Check == rule.Check && res.State != triage.Absent }
		said := func(other Rule) bool { return other.Check == rule.Check }
		if slices.ContainsFunc(r.Results, found) && !slices.ContainsFunc(p.Rules, said) {
			p.Rules = append(p.Rules, rule)
		}
	}
	return p
}

// link is a text, with an address if it has one.
type link struct{ Text, Address string }

func (r *Report) htmlLink(text string, l Location, linked bool) link {
	if !linked {
		return link{Text: Clean(text)}
	}
	return link{Clean(text), r.address(l)}
}

func (r *Report) htmlMessage(res Result, linked bool) []link {
	var all []link
	for _, span := range res.Message {
		var at Location
		if n := span.Related; n > 0 && n <= len(res.Related) {
			at = res.Related[n-1]
		}
		all = append(all, r.htmlLink(span.Text, at, linked))
	}
	return all
}

// codeSpans shows what stands between backticks in Hotpod's own texts as code.
func codeSpans(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String()) // each part is escaped
}

// cutLine is a line with the element that a location points at.
type cutLine struct{ Before, Element, After string }

func snippet(l Location) cutLine {
	line := []rune(l.Source)
	start := min(max(l.Column-max(l.From, 1), 0), len(line))
	end := min(max(l.EndColumn-max(l.From, 1), start), len(line))
	if l.Column == 0 {
		start, end = 0, 0
	}
	return cutLine{Clean(string(line[:start])), Clean(string(line[start:end])), Clean(string(line[end:]))}
}
