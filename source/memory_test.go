package source

import (
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"
)

// counted is a file system that knows sums and counts what is opened.
type counted struct {
	fstest.MapFS
	mu     *sync.Mutex // files are read side by side
	opened map[string]int
}

func (c counted) Open(name string) (fs.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened[name]++
	return c.MapFS.Open(name)
}

func (c counted) Sum(name string) string { return "sum of " + string(c.MapFS[name].Data) }

func TestMemoryParsesOnce(t *testing.T) {
	role := func(name string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + name + "}\n")}
	}
	head := fstest.MapFS{"same.yaml": role("same"), "changed.yaml": role("after"), "copy.yaml": role("same")}
	base := counted{fstest.MapFS{"same.yaml": role("same"), "changed.yaml": role("before"), "gone.yaml": role("gone")}, &sync.Mutex{}, map[string]int{}}
	o := Options{Limits: DefaultLimits(), Memory: NewMemory(func(data []byte) string { return "sum of " + string(data) })}
	load := func(fsys fs.FS) map[string]*Object {
		in, err := Load(t.Context(), []Tree{{FS: fsys, Name: "."}}, o)
		if err != nil || len(in.Problems) > 0 {
			t.Fatal(err, in.Problems)
		}
		byPath := map[string]*Object{}
		for _, o := range in.Objects {
			byPath[o.Origin.Path] = o
		}
		return byPath
	}
	after, before := load(head), load(base)
	if after["same.yaml"] != before["same.yaml"] || base.opened["same.yaml"] != 0 {
		t.Errorf("a file that did not change was read again, %d times", base.opened["same.yaml"])
	}
	if before["changed.yaml"].Name != "before" || after["changed.yaml"].Name != "after" || before["gone.yaml"].Name != "gone" {
		t.Errorf("files that changed hold %v and %v, and %v", before["changed.yaml"], after["changed.yaml"], before["gone.yaml"])
	}
	if after["same.yaml"] == after["copy.yaml"] || after["copy.yaml"].Origin.Path != "copy.yaml" {
		t.Error("a copy under another path is the same object")
	}
}
