package differential

import (
	"fmt"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// TestFixtures compares in the worlds of the checks' fixtures. As many files
// share the API server at a time as do not define the same objects.
func TestFixtures(t *testing.T) {
	c := live.Need(t)
	n, r := budget(t), random(seed(t))
	worlds := pack(live.Load(t, "."))
	for i, objects := range worlds {
		t.Run(fmt.Sprint("world ", i), func(t *testing.T) {
			w := hold(t, c, objects)
			for _, o := range objects {
				if !slices.Contains(w.objects, o) {
					t.Logf("%s: %s was refused", o.At(), o)
				}
			}
			w.compare(t, c, newAsker(r, w).questions(n/len(worlds)))
		})
	}
}

// pack puts the RBAC objects of each file into the first world that has none
// of them. A file that gives something to all has a world of its own, in which
// one can tell what others have. What a file itself defines twice is refused
// later.
func pack(objects []*source.Object) (worlds [][]*source.Object) {
	var taken []map[string]bool // by world; nil where nothing may be added
	for _, file := range byFile(objects) {
		i := 0
		for i < len(worlds) && (toAll(file) || taken[i] == nil || hasOneOf(file, taken[i])) {
			i++
		}
		if i == len(worlds) {
			worlds, taken = append(worlds, nil), append(taken, nil)
			if !toAll(file) {
				taken[i] = map[string]bool{}
			}
		}
		worlds[i] = append(worlds[i], file...)
		for _, o := range file {
			if taken[i] != nil {
				taken[i][o.String()] = true
			}
		}
	}
	return worlds
}

func byFile(objects []*source.Object) (files [][]*source.Object) {
	at := ""
	for _, o := range objects {
		if o.Group() != rbacv1.GroupName {
			continue
		}
		if o.Origin.Path != at {
			at, files = o.Origin.Path, append(files, nil)
		}
		files[len(files)-1] = append(files[len(files)-1], o)
	}
	return files
}

func toAll(file []*source.Object) bool {
	m, _ := rbac.Build(file, rbac.Options{})
	for _, name := range []string{rbac.Authenticated, rbac.Unauthenticated, rbac.AllAccounts} {
		if slices.ContainsFunc(m.Grants(group(name)), func(g rbac.Grant) bool { return !g.Binding.Assumed || g.Role != nil && !g.Role.Assumed }) {
			return true
		}
	}
	return false
}

func hasOneOf(file []*source.Object, taken map[string]bool) bool {
	return slices.ContainsFunc(file, func(o *source.Object) bool { return taken[o.String()] })
}
