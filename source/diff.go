package source

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// around is how many lines of a diff surround a change.
const around = 3

// Diff shows edits, all of one file, as a unified diff that git and patch take.
func Diff(content []byte, edits []Edit) string {
	lines := diffLines(string(content), edits)
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", diffName("a/"+edits[0].Path), diffName("b/"+edits[0].Path))
	before, after := 1, 1 // the numbers of the next line in both files
	for len(lines) > 0 {
		n := 0
		for n < len(lines) && lines[n].near {
			n++
		}
		if n == 0 {
			lines, before, after = lines[1:], before+1, after+1
			continue
		}
		hunk := lines[:n]
		removed, added := counts(hunk)
		fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@\n", before, removed, after, added)
		for _, l := range hunk {
			l.write(&b)
		}
		lines, before, after = lines[n:], before+removed, after+added
	}
	return b.String()
}

// diffLine is a line that is removed (-), added (+) or stays ( ).
type diffLine struct {
	mark byte
	text string // with its end
	near bool   // to a change
}

func (l diffLine) write(b *strings.Builder) {
	b.WriteByte(l.mark)
	b.WriteString(l.text)
	if !strings.HasSuffix(l.text, "\n") {
		b.WriteString("\n\\ No newline at end of file\n")
	}
}

func counts(lines []diffLine) (before, after int) {
	for _, l := range lines {
		if l.mark != '+' {
			before++
		}
		if l.mark != '-' {
			after++
		}
	}
	return before, after
}

// diffLines gives the lines of a file with edits. An edit that puts whole lines
// before or behind its line leaves that line alone.
func diffLines(content string, edits []Edit) []diffLine {
	byLine := map[int][]Edit{}
	for _, e := range inOrder(edits) {
		byLine[e.Line] = append(byLine[e.Line], e)
	}
	var all []diffLine
	add := func(mark byte, lines []string) {
		for _, l := range lines {
			all = append(all, diffLine{mark: mark, text: l})
		}
	}
	old := slices.Collect(strings.Lines(content))
	for i := range len(old) + 1 { // an edit may stand behind the last line
		was := old[i:min(i+1, len(old))]
		now := slices.Collect(strings.Lines(edited(strings.Join(was, ""), byLine[i+1])))
		switch more := max(0, len(now)-len(was)); {
		case slices.Equal(now[more:], was):
			add('+', now[:more])
			add(' ', was)
		case slices.Equal(now[:len(was)], was):
			add(' ', was)
			add('+', now[len(was):])
		default:
			add('-', was)
			add('+', now)
		}
	}
	for i, l := range all {
		for j := max(0, i-around); l.mark != ' ' && j <= min(len(all)-1, i+around); j++ {
			all[j].near = true
		}
	}
	return all
}

// edited makes edits of one line, which are in order.
func edited(line string, edits []Edit) string {
	text, first := strings.CutPrefix(line, bom)
	var b strings.Builder
	if first {
		b.WriteString(bom)
	}
	column := 1
	rest := []byte(text)
	for _, e := range edits {
		b.Write(rest[:len(rest)-len(skipRunes(rest, e.Column-column))])
		b.WriteString(e.Text)
		rest, column = skipRunes(rest, e.EndColumn-column), e.EndColumn
	}
	b.Write(rest)
	return b.String()
}

// diffName quotes a name that would not stand on its line as it is, as git does.
func diffName(name string) string {
	if strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsAny(name, `"\\`) {
		return strconv.Quote(name)
	}
	return name
}
