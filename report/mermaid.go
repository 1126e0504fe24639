package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Mermaid's limits are 50,000 characters and 500 edges; past them GitHub shows
// an error in place of the graph.
const (
	maxGraphBytes = 45_000
	maxEdges      = 450
	maxLabel      = 100
)

// mermaid draws the ways to findings as a flow chart, "" where there is nothing
// to draw. Ways that share an object meet there.
func mermaid(findings []Finding) string {
	g := graph{ids: map[string]string{}, drawn: map[string]bool{}}
	g.b.WriteString("flowchart LR\n")
	ways := 0
	for i, f := range findings {
		if len(f.Path) == 0 || f.Gives == "" {
			continue
		}
		if !g.way(append(f.Path[:len(f.Path):len(f.Path)], f.Gives)) {
			fmt.Fprintf(&g.b, "  more[\"and %d more\"]\n", len(findings)-i)
			break
		}
		ways++
	}
	if ways == 0 {
		return ""
	}
	return g.b.String()
}

// graph is a flow chart that grows until it is full.
type graph struct {
	b     strings.Builder
	ids   map[string]string // by what the node stands for
	drawn map[string]bool   // the edges
}

// way adds nodes and edges from step to step, all or none.
func (g *graph) way(steps []string) bool {
	var lines []string
	size := 0
	add := func(line string) {
		lines, size = append(lines, line), size+len(line)
	}
	before := ""
	for i, step := range steps {
		id, known := g.ids[step]
		if !known {
			id = fmt.Sprintf("n%d", len(g.ids))
			g.ids[step] = id
			add(fmt.Sprintf("  %s%s\n", id, shape(step, i == len(steps)-1)))
		}
		if edge := before + " --> " + id; before != "" && !g.drawn[edge] {
			g.drawn[edge] = true
			add("  " + edge + "\n")
		}
		before = id
	}
	if g.b.Len()+size > maxGraphBytes || len(g.drawn) > maxEdges {
		return false
	}
	g.b.WriteString(strings.Join(lines, ""))
	return true
}

// shape is a node's text in its brackets: what a way leads to has corners cut.
func shape(step string, last bool) string {
	if last {
		return `{{"` + escapeMermaid(step) + `"}}`
	}
	kind, name, named := strings.Cut(strings.TrimSuffix(step, "'"), " '")
	if !named {
		return `["` + escapeMermaid(step) + `"]`
	}
	return `["` + escapeMermaid(kind) + "<br/>" + escapeMermaid(name) + `"]`
}

// escapeMermaid writes all but letters, digits and harmless marks as Mermaid's
// own character references, so that no name ends its label, begins markup or
// passes for a directive.
func escapeMermaid(text string) string {
	if text = Clean(text); utf8.RuneCountInString(text) > maxLabel {
		text = string([]rune(text)[:maxLabel]) + "…"
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == ' ', r == '/', r == '-':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}
