package report

import (
	"bytes"
	"strings"
	"unicode"
)

// Clean makes text from manifests harmless on a terminal and in the log of a
// GitHub job: what would move the cursor, turn text around, hide, begin a new
// line or be a command to GitHub's runner is shown, not obeyed.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			return unicode.ReplacementChar
		}
		return r
	}, s)
	// The older form of a command, which counts anywhere in a line.
	return strings.ReplaceAll(s, "##[", "##\uFFFD")
}

// withoutCommands spells in JSON what the runner would take for a command
// another way.
func withoutCommands(json []byte) []byte {
	return bytes.ReplaceAll(json, []byte("##["), []byte(`##\u005b`))
}

// heading is a path with which a line begins: not what the runner takes for a
// command, which begins with two colons behind blanks of any kind.
func heading(path string) string {
	path = Clean(path)
	if strings.HasPrefix(strings.TrimSpace(path), "::") {
		return "./" + path
	}
	return path
}
