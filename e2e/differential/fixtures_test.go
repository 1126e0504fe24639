package differential

import (
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/e2e/live"
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
			if refused := len(objects) - len(w.objects); refused > 0 {
				t.Logf("%d objects were refused", refused)
			}
			w.compare(t, c, newAsker(r, w).questions(n/len(worlds)))
		})
	}
}

// pack puts the RBAC objects of each file into the first world that has none
// of them. What a file itself defines twice is refused later.
func pack(objects []*source.Object) [][]*source.Object {
	var files [][]*source.Object
	for i, o := range objects {
		if i == 0 || o.Origin.Path != objects[i-1].Origin.Path {
			files = append(files, nil)
		}
		if o.Group() == rbacv1.GroupName {
			files[len(files)-1] = append(files[len(files)-1], o)
		}
	}
	var worlds [][]*source.Object
	var taken []map[string]bool
	for _, file := range files {
		i := 0
		for i < len(worlds) && anyOf(file, taken[i]) {
			i++
		}
		if i == len(worlds) {
			worlds, taken = append(worlds, nil), append(taken, map[string]bool{})
		}
		worlds[i] = append(worlds[i], file...)
		for _, o := range file {
			taken[i][o.String()] = true
		}
	}
	return worlds
}

func anyOf(file []*source.Object, taken map[string]bool) bool {
	for _, o := range file {
		if taken[o.String()] {
			return true
		}
	}
	return false
}
