package main

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/source"
)

// world is a set of objects that live in one cluster: those of a folder that
// the configuration names, and those outside of all such folders.
type world struct {
	dir     string // "" where the tree is one world
	objects []*source.Object
}

// worlds divides objects by patterns of folders, in order of folders.
func worlds(objects []*source.Object, patterns []string) []world {
	byDir := map[string][]*source.Object{}
	var shared []*source.Object
	for _, o := range objects {
		if dir := worldOf(o.Origin.Path, patterns); dir != "" {
			byDir[dir] = append(byDir[dir], o)
		} else {
			shared = append(shared, o)
		}
	}
	if len(byDir) == 0 {
		return []world{{objects: shared}}
	}
	var all []world
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		all = append(all, world{dir: dir, objects: slices.Concat(shared, byDir[dir])})
	}
	return all
}

// worldOf finds the outermost folder of a file that a pattern matches.
func worldOf(file string, patterns []string) string {
	found := ""
	for dir := path.Dir(file); dir != "." && dir != "/" && dir != ".."; dir = path.Dir(dir) {
		for _, p := range patterns {
			if doublestar.MatchUnvalidated(path.Clean(p), dir) {
				found = dir
			}
		}
	}
	return found
}

// agreed leaves out findings about shared roles that nothing binds in one
// world, but something does in another.
func agreed(findings []*checks.Finding, worlds int) []*checks.Finding {
	key := func(f *checks.Finding) string {
		return strings.Join(append(f.Identity(), f.Position().String()), "\x00")
	}
	unbound := func(f *checks.Finding) bool { return f.Reach == checks.Unbound && f.World == "" }
	count := map[string]int{}
	for _, f := range findings {
		if unbound(f) {
			count[key(f)]++
		}
	}
	return slices.DeleteFunc(findings, func(f *checks.Finding) bool { return unbound(f) && count[key(f)] < worlds })
}

// keepSharedFixes keeps the fix of an object that several worlds share only
// where each of them asks for it: what one can do without another may need.
func keepSharedFixes(findings []*checks.Finding, worlds []judged) {
	type place struct {
		object *source.Object
		path   string
	}
	at := func(f *checks.Fix) place { return place{f.Object, fmt.Sprint(f.Path...)} }
	asked, shared := map[place]int{}, map[*source.Object]int{}
	for _, f := range findings {
		if f.Fix != nil && len(worlds) > 1 {
			asked[at(f.Fix)]++
			shared[f.Fix.Object] = 0
		}
	}
	for _, w := range worlds {
		for _, o := range w.objects {
			if _, known := shared[o]; known {
				shared[o]++
			}
		}
	}
	for _, f := range findings {
		if f.Fix != nil && len(worlds) > 1 && asked[at(f.Fix)] < shared[f.Fix.Object] {
			f.Fix = nil
		}
	}
}

// mark names the world of findings that depend on it. A finding that only
// shared files bring about is the same in each world.
func (w world) mark(findings []*checks.Finding) {
	if w.dir == "" {
		return
	}
	for _, f := range findings {
		for _, p := range append(slices.Clone(f.Chain), f.Primary) {
			if p.InFile() && strings.HasPrefix(p.Object.Origin.Path, w.dir+"/") {
				f.World = w.dir
			}
		}
	}
}
