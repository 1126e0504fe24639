package source

import (
	"bytes"
	"iter"
	"unicode/utf8"
)

// split yields the YAML documents of a file with the line at which each
// starts. Like kubectl it cuts at every line that begins with "---"; unlike
// kubectl it keeps what stands behind "--- " on that line, so that nothing
// said there is lost. A line of "..." ends a document too: libyaml would
// silently stop reading there.
func split(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		start, startLine := 0, 1
		for pos, line := 0, 1; pos < len(data); line++ {
			end := lineEnd(data, pos)
			if marker, keep := separator(data[pos:end]); marker {
				if !emit(yield, startLine, data[start:pos]) {
					return
				}
				start, startLine = end, line+1
				if keep {
					start, startLine = pos, line
				}
			}
			pos = end
		}
		emit(yield, startLine, data[start:])
	}
}

func emit(yield func(int, []byte) bool, line int, text []byte) bool {
	if len(bytes.TrimSpace(text)) == 0 {
		return true
	}
	return yield(line, text)
}

// lineEnd gives the offset behind the newline of the line that starts at pos.
func lineEnd(data []byte, pos int) int {
	if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
		return pos + i + 1
	}
	return len(data)
}

// separator tells whether a line separates documents, and whether it also
// holds content of the document that it opens.
func separator(line []byte) (marker, keep bool) {
	if len(line) < 3 || (line[0] != '-' && line[0] != '.') {
		return false, false
	}
	if bytes.HasPrefix(line, []byte("...")) {
		return len(bytes.TrimSpace(line[3:])) == 0, false
	}
	if !bytes.HasPrefix(line, []byte("---")) {
		return false, false
	}
	rest := line[3:]
	content := bytes.TrimSpace(rest)
	spaced := len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t')
	return true, spaced && len(content) > 0 && content[0] != '#'
}

// oddBreaks tells whether YAML counts the lines of a text otherwise than
// editors do: it also ends them at a lone carriage return and at three
// characters of Unicode.
func oddBreaks(text []byte) bool {
	for rest := text; ; {
		i := bytes.IndexByte(rest, '\r')
		if i < 0 {
			break
		}
		if rest = rest[i+1:]; len(rest) == 0 || rest[0] != '\n' {
			return true
		}
	}
	return bytes.Contains(text, []byte("\u0085")) || bytes.Contains(text, []byte("\u2028")) || bytes.Contains(text, []byte("\u2029"))
}

// yamlLineEnd is lineEnd as YAML counts lines.
func yamlLineEnd(text []byte, pos int) int {
	end := lineEnd(text, pos)
	i := bytes.IndexAny(text[pos:end], "\r\u0085\u2028\u2029")
	if i < 0 {
		return end
	}
	r, size := utf8.DecodeRune(text[pos+i:])
	if size += pos + i; r == '\r' && size < len(text) && text[size] == '\n' {
		size++
	}
	return size
}
