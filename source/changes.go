package source

import (
	"bytes"
	"slices"
	"sync"
)

// Changes knows which lines of manifests are new, as a diff shows them.
type Changes struct {
	base    map[string][]*document // by path, in order of lines
	head    map[string][]*document
	objects map[objectKey][]*document // of the base
	files   map[string]func() map[int]bool
	mu      sync.Mutex
}

type objectKey struct{ kind, namespace, name string }

// NewChanges compares the texts of the objects of two trees.
func NewChanges(base, head []*Object) *Changes {
	c := &Changes{base: documents(base), head: documents(head), objects: map[objectKey][]*document{}, files: map[string]func() map[int]bool{}}
	for _, o := range base {
		if o.Origin.doc != nil {
			k := objectKey{o.Kind, o.Namespace, o.Name}
			c.objects[k] = append(c.objects[k], o.Origin.doc)
		}
	}
	return c
}

func documents(objects []*Object) map[string][]*document {
	all := map[string][]*document{}
	for _, o := range objects {
		if d := o.Origin.doc; d != nil && !slices.Contains(all[d.path], d) {
			all[d.path] = append(all[d.path], d)
		}
	}
	for _, docs := range all {
		slices.SortFunc(docs, func(a, b *document) int { return a.line - b.line })
	}
	return all
}

// Touched tells whether an element of an object stands on a line that the
// change added or edited. Where the file is new, a manifest that was moved
// there is compared with the place it came from.
func (c *Changes) Touched(o *Object, path ...any) bool {
	d := o.Origin.doc
	if d == nil {
		return false
	}
	line := o.At(path...).Line
	if len(c.base[d.path]) > 0 {
		return c.lines(d.path, func() map[int]bool { return added(c.base[d.path], c.head[d.path]) })[line]
	}
	k := objectKey{o.Kind, o.Namespace, o.Name}
	moved := c.objects[k]
	if len(moved) == 0 {
		return true
	}
	key := d.path + "\x00" + k.kind + "\x00" + k.namespace + "\x00" + k.name
	return c.lines(key, func() map[int]bool { return added(moved[:1], []*document{d}) })[line]
}

// lines computes the new lines of a file once.
func (c *Changes) lines(key string, compute func() map[int]bool) map[int]bool {
	c.mu.Lock()
	once, ok := c.files[key]
	if !ok {
		once = sync.OnceValue(compute)
		c.files[key] = once
	}
	c.mu.Unlock()
	return once()
}

// added gives the line numbers of the second text that the first has not.
func added(before, after []*document) map[int]bool {
	new := map[int]bool{}
	if slices.Equal(before, after) {
		return new
	}
	old, _ := textLines(before)
	now, numbers := textLines(after)
	for _, i := range inserted(old, now) {
		new[numbers[i]] = true
	}
	return new
}

func textLines(docs []*document) (lines []string, numbers []int) {
	for _, d := range docs {
		n := d.line
		for line := range bytes.Lines(d.text) {
			lines = append(lines, string(bytes.TrimRight(line, "\r\n")))
			numbers = append(numbers, n)
			n++
		}
	}
	return lines, numbers
}

// maxEdits bounds the work on texts that have little in common; beyond it all
// lines between the first and the last difference count as new.
const maxEdits = 1000

// inserted gives the indexes of lines of b that a shortest edit script from a
// to b inserts: Myers' algorithm, with what is the same at both ends cut off
// as git does, so that of equal neighbours the later one is the new one.
func inserted(a, b []string) []int {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	a, b = a[start:len(a)-end], b[start:len(b)-end]
	var all []int
	for i, same := range common(a, b) {
		if !same {
			all = append(all, start+i)
		}
	}
	return all
}

// common tells of each line of b whether it is part of a longest common
// subsequence with a.
func common(a, b []string) []bool {
	keep := make([]bool, len(b))
	var trace [][]int // the furthest x of each diagonal, after each number of edits
	offset := min(len(a)+len(b), maxEdits) + 1
	v := make([]int, 2*offset+1)
	for d := 0; d < offset; d++ {
		trace = append(trace, slices.Clone(v[offset-d:offset+d+1]))
		for k := -d; k <= d; k += 2 {
			x := step(v, offset, d, k)
			for y := x - k; x < len(a) && y < len(b) && a[x] == b[y]; y++ {
				x++
			}
			v[offset+k] = x
			if x >= len(a) && x-k >= len(b) {
				backtrack(trace, len(a), len(b), keep)
				return keep
			}
		}
	}
	return keep
}

// step gives where edit d on diagonal k begins: behind an insertion or a
// deletion, whichever gets further.
func step(v []int, offset, d, k int) int {
	if k == -d || (k != d && v[offset+k-1] < v[offset+k+1]) {
		return v[offset+k+1]
	}
	return v[offset+k-1] + 1
}

// backtrack follows the edits back from the ends and marks what was kept.
func backtrack(trace [][]int, x, y int, keep []bool) {
	for d := len(trace) - 1; d >= 0; d-- {
		v := trace[d] // from diagonal -d on
		at := func(k int) int {
			if k < -d || k > d {
				return 0
			}
			return v[d+k]
		}
		k := x - y
		from := k - 1
		if k == -d || (k != d && at(k-1) < at(k+1)) {
			from = k + 1
		}
		fromX := at(from)
		fromY := fromX - from
		for x > fromX && y > fromY {
			x, y = x-1, y-1
			keep[y] = true
		}
		x, y = fromX, fromY
	}
}
