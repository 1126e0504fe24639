package report

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// LineHashes gives the hashes by which GitHub tells alerts apart, of the lines
// of a file: each of about a hundred characters from the line on, as
// github/codeql-action/src/fingerprints.ts computes it. So uploads which do not
// pass through the action keep their alerts too, and those which do are not
// warned of a different value.
//
// Blanks and tabs are skipped and line ends are LF. Over UTF-16 code units
// runs the rolling hash h = 37h + c - 37^100·old, in 64 bits; a line's hash is
// its value when the window of 100 units begins at the line's start. After a
// colon stands how many lines with this hash the file has had.
//
// Only the first lines are hashed, as many as are asked for.
func LineHashes(content []byte, lines int) []string {
	h := hasher{factor: 1, seen: map[uint64]int{}, atLineStart: true}
	for i := range h.lineAt {
		h.factor *= base
		h.lineAt[i] = none
	}
	afterCR := false
	units(content, func(c uint16) bool {
		skip := c == ' ' || c == '\t' || (afterCR && c == '\n')
		afterCR = c == '\r'
		switch {
		case skip:
		case afterCR:
			h.feed('\n')
		default:
			h.feed(c)
		}
		return len(h.lines) < lines
	})
	h.feed(0xFFFF)
	for range window {
		h.output()
		h.roll(0)
	}
	return h.lines
}

const (
	window = 100
	base   = 37
	none   = -1
)

type hasher struct {
	factor      uint64 // base^window
	hash        uint64
	units       [window]uint16
	lineAt      [window]int // the line that starts at each place of the window, or none
	index       int
	line        int
	atLineStart bool
	seen        map[uint64]int
	lines       []string
}

func (h *hasher) feed(c uint16) {
	h.output()
	if h.atLineStart {
		h.lineAt[h.index] = h.line
		h.line++
	}
	h.atLineStart = c == '\n'
	h.roll(c)
}

// output takes the hash of the line whose start is about to leave the window.
func (h *hasher) output() {
	line := h.lineAt[h.index]
	if line == none {
		return
	}
	h.lineAt[h.index] = none
	h.seen[h.hash]++
	for len(h.lines) <= line {
		h.lines = append(h.lines, "")
	}
	h.lines[line] = strconv.FormatUint(h.hash, 16) + ":" + strconv.Itoa(h.seen[h.hash])
}

func (h *hasher) roll(c uint16) {
	old := uint64(h.units[h.index])
	h.units[h.index] = c
	h.hash = base*h.hash + uint64(c) - h.factor*old
	h.index = (h.index + 1) % window
}

// units yields the UTF-16 code units of a text in UTF-8. Bytes that are not
// UTF-8 become U+FFFD, one for each maximal part of a character, as WHATWG's
// decoder has it.
// It ends when yield says so.
func units(text []byte, yield func(uint16) bool) {
	for len(text) > 0 {
		if text[0] < utf8.RuneSelf {
			if !yield(uint16(text[0])) {
				return
			}
			text = text[1:]
			continue
		}
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			size = maximalSubpart(text)
		}
		text = text[size:]
		if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
			yield(uint16(r1))
			r = r2
		}
		if !yield(uint16(r)) {
			return
		}
	}
}

// maximalSubpart gives how many bytes at the start of text are the longest
// beginning of a character, at least one.
func maximalSubpart(text []byte) int {
	lo, hi, more := byte(0x80), byte(0xBF), 0
	switch c := text[0]; {
	case c >= 0xC2 && c <= 0xDF:
		more = 1
	case c >= 0xE0 && c <= 0xEF:
		more = 2
		if c == 0xE0 {
			lo = 0xA0
		} else if c == 0xED {
			hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		more = 3
		if c == 0xF0 {
			lo = 0x90
		} else if c == 0xF4 {
			hi = 0x8F
		}
	}
	n := 1
	for n <= more && n < len(text) && text[n] >= lo && text[n] <= hi {
		n++
		lo, hi = 0x80, 0xBF
	}
	return n
}
