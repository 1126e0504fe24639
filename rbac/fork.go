package rbac

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/source"
)

// forks knows which folders of a tree are alternatives to each other: those
// that define the same object differently, as folders of clusters, variants or
// unrelated projects do. A cluster holds one definition of an object, so what
// such folders say is not added up without need.
type forks map[string]map[string]map[string]bool // folder: child: children it conflicts with

// find compares all definitions of each object that the builder took for
// whole. Patches are not, and namespaces are left out: projects of one cluster
// often each bring a copy, with labels of their own.
func (f forks) find(m *Model) {
	definitions := map[string][]*source.Object{}
	enter := func(o *source.Object) {
		if o.Name != "" && o.Origin.Path != "" {
			key := ref(o.Group()+"/"+o.Kind, o.Namespace, o.Name)
			definitions[key] = append(definitions[key], o)
		}
	}
	for _, r := range m.Roles {
		if len(r.Rules) > 0 || r.aggregate != nil {
			enter(r.Object)
		}
	}
	for _, b := range m.Bindings {
		enter(b.Object)
	}
	for _, a := range m.Accounts {
		enter(a.Object)
	}
	for _, w := range m.Workloads {
		enter(w.Object)
	}
	for _, all := range definitions {
		if differ(all) {
			f.add(all)
		}
	}
}

func differ(all []*source.Object) bool {
	return slices.ContainsFunc(all, func(o *source.Object) bool { return !o.Equal(all[0]) })
}

// add marks the folders at which the definitions of one object part.
func (f forks) add(all []*source.Object) {
	children := map[string]map[string]bool{}
	for _, o := range all {
		for dir := path.Dir(o.Origin.Path); dir != "." && dir != "/" && dir != ".."; dir = path.Dir(dir) {
			parent := path.Dir(dir)
			if children[parent] == nil {
				children[parent] = map[string]bool{}
			}
			children[parent][dir] = true
		}
	}
	for parent, dirs := range children {
		if len(dirs) < 2 {
			continue
		}
		if f[parent] == nil {
			f[parent] = map[string]map[string]bool{}
		}
		for dir := range dirs {
			if f[parent][dir] == nil {
				f[parent][dir] = map[string]bool{}
			}
			maps.Copy(f[parent][dir], dirs)
			delete(f[parent][dir], dir)
		}
	}
}

// separate tells whether two files belong to alternatives. The two folders in
// which they part must conflict with each other, and each with a third: an
// overlay conflicts with its base too, and belongs to it. Where one of the files does not say in
// which namespace its objects live it is enough that others of the folders
// conflict: then the tree holds several things that are deployed apart, and
// nothing says that these two meet.
func (f forks) separate(a, b string, assumed bool) bool {
	at, childA, childB := parting(a, b)
	conflicts := f[at]
	if childA == "" || childB == "" || conflicts == nil {
		return false
	}
	if conflicts[childA][childB] && len(conflicts[childA]) > 1 && len(conflicts[childB]) > 1 {
		return true
	}
	if !assumed {
		return false
	}
	for child, with := range conflicts {
		if child == childA || child == childB {
			continue
		}
		for w := range with {
			if w != childA && w != childB {
				return true
			}
		}
	}
	return false
}

// parting finds the folder below which the ways to two files part, and the
// folder in it that each goes through; "" for a file that stands in it.
func parting(a, b string) (at, childA, childB string) {
	partsA, partsB := strings.Split(path.Dir(a), "/"), strings.Split(path.Dir(b), "/")
	n := 0
	for n < len(partsA) && n < len(partsB) && partsA[n] == partsB[n] {
		n++
	}
	child := func(parts []string) string {
		if n == len(parts) || (n == 0 && parts[0] == ".") {
			return ""
		}
		return strings.Join(parts[:n+1], "/")
	}
	return path.Clean(strings.Join(partsA[:n], "/")), child(partsA), child(partsB)
}
