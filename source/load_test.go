package source_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/source"
)

// manifest is an account of a name.
func manifest(name string) string {
	return "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + name + "}\n"
}

// tree writes files below a new folder and opens it as the command line does.
func tree(t *testing.T, texts map[string]string) (dir string, fsys fs.FS) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range texts {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir, root.FS()
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

// load writes what was read: names of objects with their file, and problems.
func load(t *testing.T, o source.Options, trees ...source.Tree) (objects, problems []string) {
	t.Helper()
	if o.Limits == (source.Limits{}) {
		o.Limits = source.DefaultLimits()
	}
	r, err := source.Load(t.Context(), trees, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range r.Objects {
		objects = append(objects, obj.Origin.Path+" "+obj.Name)
	}
	for _, p := range r.Problems {
		problems = append(problems, fmt.Sprintf("%s %v", p.Position, p.Err))
		if !p.Incomplete {
			t.Errorf("%v is taken for a complete result", p.Err)
		}
	}
	return objects, problems
}

func expect(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestLoad(t *testing.T) {
	_, fsys := tree(t, map[string]string{
		"b.yaml": manifest("b"), "a.yml": manifest("a"), "c/d/e.json": `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "e"}}`,
		"c/x.txt": manifest("x"), "c/README": manifest("x"), "c/y.yaml.bak": manifest("y"), "c/bad.yaml": "kind: [", "vendor/v.yaml": manifest("v"), "skip.yaml": manifest("s"),
	})
	skip := func(name string, dir bool) bool {
		return name == "in/skip.yaml" && !dir || name == "in/vendor" && dir
	}
	objects, problems := load(t, source.Options{Skip: skip}, source.Tree{FS: fsys, Name: ".", Dir: "in"})
	expect(t, "objects", []string{"in/a.yml a", "in/b.yaml b", "in/c/d/e.json e"}, objects)
	expect(t, "problems", []string{"in/c/bad.yaml:1 not valid YAML: did not find expected node content"}, problems)

	// A file that is named is read whatever it is called, and not skipped.
	objects, _ = load(t, source.Options{Skip: func(string, bool) bool { return true }}, source.Tree{FS: fsys, Name: "c/x.txt"})
	expect(t, "named", []string{"c/x.txt x"}, objects)

	// What two trees share is read once; what is not there is a problem.
	objects, problems = load(t, source.Options{}, source.Tree{FS: fsys, Name: "c"}, source.Tree{FS: fsys, Name: "c/d"}, source.Tree{FS: fsys, Name: "c/d/e.json"}, source.Tree{FS: fsys, Name: "none"})
	expect(t, "shared", []string{"c/d/e.json e"}, objects)
	if len(problems) != 2 || !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, "none ") }) {
		t.Errorf("problems %v", problems)
	}
}

// TestLoadCounts holds that the result says how much was read.
func TestLoadCounts(t *testing.T) {
	fsys := fstest.MapFS{"a.yaml": {Data: []byte(manifest("a"))}, "b.yaml": {Data: []byte("# nothing\n")}, "c": {Data: []byte("x")}}
	r, err := source.Load(t.Context(), []source.Tree{{FS: fsys, Name: "."}}, source.Options{Limits: source.DefaultLimits()})
	if err != nil || r.Files != 2 || r.Bytes != int64(len(manifest("a"))+len("# nothing\n")) {
		t.Errorf("%d files of %d bytes, %v", r.Files, r.Bytes, err)
	}
}

// TestLoadOrder holds that the result does not depend on how many read at once.
func TestLoadOrder(t *testing.T) {
	fsys := fstest.MapFS{}
	var want []string
	for i := range 200 {
		name := fmt.Sprintf("%03d.yaml", i)
		fsys[name] = &fstest.MapFile{Data: []byte(manifest("n" + name[:3]))}
		want = append(want, name+" n"+name[:3])
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, n := range []int{1, 3, 8} {
		runtime.GOMAXPROCS(n)
		objects, _ := load(t, source.Options{}, source.Tree{FS: fsys, Name: "."})
		expect(t, fmt.Sprintf("with %d", n), want, objects)
	}
}

func TestLoadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := source.Load(ctx, []source.Tree{{FS: fstest.MapFS{"a.yaml": {Data: []byte(manifest("a"))}}, Name: "."}}, source.Options{Limits: source.DefaultLimits()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestLoadLargeFile(t *testing.T) {
	_, fsys := tree(t, map[string]string{"large.yaml": "# " + strings.Repeat("x", 3<<20) + "\n" + manifest("large"), "small.yaml": manifest("small")})
	objects, problems := load(t, source.Options{Limits: source.Limits{FileBytes: 2 << 20, Documents: 10}}, source.Tree{FS: fsys, Name: "."})
	expect(t, "objects", []string{"small.yaml small"}, objects)
	expect(t, "problems", []string{"large.yaml larger than 2 MiB: not read; split the file"}, problems)

	// The limit itself is still read.
	fits := manifest("fits")
	objects, problems = load(t, source.Options{Limits: source.Limits{FileBytes: int64(len(fits)), Documents: 10}}, source.Tree{FS: fstest.MapFS{"fits.yaml": {Data: []byte(fits)}}, Name: "."})
	expect(t, "objects", []string{"fits.yaml fits"}, objects)
	expect(t, "problems", nil, problems)
}

func TestLoadUnreadable(t *testing.T) {
	dir, fsys := tree(t, map[string]string{"a.yaml": manifest("a"), "b.yaml": manifest("b"), "c/c.yaml": manifest("c")})
	if os.Geteuid() <= 0 {
		t.Skip("for root, and on Windows, nothing is unreadable")
	}
	for _, name := range []string{"b.yaml", "c"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := os.Chmod(filepath.Join(dir, "c"), 0o755); err != nil { // so that it can be removed
			t.Error(err)
		}
	})
	objects, problems := load(t, source.Options{}, source.Tree{FS: fsys, Name: "."})
	expect(t, "objects", []string{"a.yaml a"}, objects)
	expect(t, "problems", []string{"c not read: permission denied", "b.yaml not read: permission denied"}, problems)
}

// broken is a file system with a file and a folder that cannot be read.
type broken struct{ fstest.MapFS }

func (b broken) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "broken") {
		return nil, &fs.PathError{Op: "open", Path: "/home/somebody/" + name, Err: errors.New("the disk is broken")}
	}
	return b.MapFS.Open(name)
}

// TestLoadBroken holds that what cannot be opened is named, without the path
// of the machine, and hides nothing else.
func TestLoadBroken(t *testing.T) {
	fsys := broken{fstest.MapFS{"a.yaml": {Data: []byte(manifest("a"))}, "broken.yaml": {Data: []byte(manifest("b"))}}}
	objects, problems := load(t, source.Options{}, source.Tree{FS: fsys, Name: ".", Dir: "in"})
	expect(t, "objects", []string{"in/a.yaml a"}, objects)
	expect(t, "problems", []string{"in/broken.yaml not read: the disk is broken"}, problems)
}

// TestLoadLinks holds that a link never leads out of the tree or in circles,
// and that what it leads to is read once, at its own place.
func TestLoadLinks(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret.yaml"), []byte(manifest("secret")), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, fsys := tree(t, map[string]string{"in/a.yaml": manifest("a"), "in/sub/b.yaml": manifest("b"), "in/notes.txt": manifest("c"), "beside/d.yaml": manifest("d")})
	at := func(name string) string { return filepath.Join(dir, "in", name) }
	link(t, "a.yaml", at("again.yaml"))
	link(t, "again.yaml", at("twice.yaml"))
	link(t, "notes.txt", at("notes.yaml"))
	link(t, ".", at("loop"))
	link(t, "..", at("sub/up"))
	link(t, "itself.yaml", at("itself.yaml"))
	link(t, "gone.yaml", at("gone-link.yaml"))
	link(t, filepath.Join(outside, "secret.yaml"), at("absolute.yaml"))
	link(t, "../../../../../../../../etc/passwd", at("passwd.yaml"))
	link(t, outside, at("outside"))
	link(t, "../beside", at("beside"))
	link(t, "../beside/d.yaml", at("d-link.yaml"))
	link(t, "loop/loop/sub/b.yaml", at("through-a-link.yaml"))
	link(t, "loop/../in/a.yaml", at("up-through-a-link.yaml"))

	objects, problems := load(t, source.Options{}, source.Tree{FS: fsys, Name: "in"})
	for _, o := range objects {
		if strings.Contains(o, "secret") {
			t.Errorf("read outside of the tree: %s", o)
		}
	}
	expect(t, "objects", []string{"beside/d.yaml d", "in/a.yaml a", "in/sub/b.yaml b"}, without(objects, "in/notes"))
	expect(t, "problems", []string{
		"in/absolute.yaml a symbolic link that is broken or leads outside of the scanned tree: not followed",
		"in/beside a symbolic link to a folder outside of the scanned tree: not followed",
		"in/gone-link.yaml a symbolic link that is broken or leads outside of the scanned tree: not followed",
		"in/itself.yaml a symbolic link that is broken or leads outside of the scanned tree: not followed",
		"in/passwd.yaml a symbolic link that is broken or leads outside of the scanned tree: not followed",
	}, problems)
}

func without(lines []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, prefix) })
}

// TestLoadTemplates holds that a template is named as part of its chart.
func TestLoadTemplates(t *testing.T) {
	const text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}-x\n"
	_, fsys := tree(t, map[string]string{
		"charts/shop/Chart.yaml": "apiVersion: v2\nname: 'shop'\nversion: 1.0.0\n", "charts/shop/templates/deep/pod.yaml": text,
		"charts/shop/charts/db/Chart.yaml": "name: db\r\n", "charts/shop/charts/db/templates/pod.yaml": text, "loose/pod.yaml": text,
	})
	_, problems := load(t, source.Options{}, source.Tree{FS: fsys, Name: "."})
	expect(t, "problems", []string{
		"charts/shop/charts/db/templates/pod.yaml:1 looks like a template of chart 'db': not read; render the chart (helm template) and scan the result",
		"charts/shop/templates/deep/pod.yaml:1 looks like a template of chart 'shop': not read; render the chart (helm template) and scan the result",
		"loose/pod.yaml:1 looks like a template ({{ }}): not read; render it and scan the result",
	}, problems)
}
