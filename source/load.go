package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Tree is a part of a file system to read manifests from. FS must not lead
// out of itself: the command line hands in an os.Root, which refuses ".." and
// symbolic links that leave it.
type Tree struct {
	FS   fs.FS
	Name string // a folder or a file of FS, "." for all of it
	Dir  string // what positions put before names of FS: the path of FS itself
}

// Options say what of the trees is read.
type Options struct {
	// Skip leaves out a file or folder, named as positions name it. It may be nil.
	Skip   func(path string, dir bool) bool
	Limits Limits
	Memory *Memory // shared with other loads; it may be nil
}

// Result is what was read, in the order of paths.
type Result struct {
	Objects  []*Object
	Problems []Problem
	Files    int   // files read
	Bytes    int64 // their size
}

// Load reads all manifests of the trees: files that end in .yaml, .yml or
// .json, and any file that a Tree names itself. A file that two trees share is
// read once. What cannot be read is a Problem; the error is the context's.
func Load(ctx context.Context, trees []Tree, o Options) (Result, error) {
	var found finder
	for _, t := range trees {
		found.tree(t, o)
	}
	slices.SortFunc(found.files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	files := slices.CompactFunc(found.files, func(a, b file) bool { return a.path == b.path })

	parts := make([]Result, len(files))
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			var buffer bytes.Buffer
			for i := range next {
				parts[i] = read(files[i], o, &buffer)
			}
		})
	}
	for i := range files {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()

	all := Result{Problems: found.problems}
	for _, p := range parts {
		all.Objects = append(all.Objects, p.Objects...)
		all.Problems = append(all.Problems, p.Problems...)
		all.Files += p.Files
		all.Bytes += p.Bytes
	}
	return all, ctx.Err()
}

// file is a file to read: name within fsys, path for positions.
type file struct {
	fsys       fs.FS
	name, path string
}

// read parses one file. The buffer serves one file after the other.
func read(f file, o Options, buffer *bytes.Buffer) Result {
	if known, ok := o.Memory.recall(f); ok {
		return known
	}
	fail := func(err error) Result {
		return Result{Problems: []Problem{{Position: Position{Path: f.path}, Err: err, Incomplete: true}}}
	}
	in, err := f.fsys.Open(f.name)
	if err != nil {
		return fail(fmt.Errorf("not read: %w", reason(err)))
	}
	defer in.Close() // nothing was written
	buffer.Reset()
	n, err := buffer.ReadFrom(io.LimitReader(in, o.Limits.FileBytes+1))
	if err != nil {
		return fail(fmt.Errorf("not read: %w", reason(err)))
	}
	if n > o.Limits.FileBytes {
		return fail(fmt.Errorf("larger than %d MiB: not read; split the file", o.Limits.FileBytes>>20))
	}
	return o.Memory.parse(f.path, buffer.Bytes(), func() Result {
		objects, problems := Parse(f.path, buffer.Bytes(), o.Limits)
		nameCharts(f, problems)
		return Result{Objects: objects, Problems: problems, Files: 1, Bytes: n}
	})
}

// reason is the error without the path, which the position has already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// nameCharts tells of which chart a template is part: the nearest folder above
// it with a Chart.yaml.
func nameCharts(f file, problems []Problem) {
	for _, p := range problems {
		var t *TemplateError
		if errors.As(p.Err, &t) {
			t.Chart = chartOf(f)
		}
	}
}

func chartOf(f file) string {
	for dir := path.Dir(f.name); ; dir = path.Dir(dir) {
		if text, err := fs.ReadFile(f.fsys, path.Join(dir, "Chart.yaml")); err == nil {
			for line := range strings.Lines(string(text)) {
				if name, ok := strings.CutPrefix(line, "name:"); ok {
					return strings.Trim(name, " \t\r\n\"'")
				}
			}
		}
		if dir == "." || dir == "/" {
			return ""
		}
	}
}

// finder collects the files of trees.
type finder struct {
	files    []file
	problems []Problem
}

func (f *finder) tree(t Tree, o Options) {
	err := fs.WalkDir(t.FS, t.Name, func(name string, d fs.DirEntry, err error) error {
		shown := path.Join(t.Dir, name)
		switch {
		case err != nil:
			f.fail(shown, fmt.Errorf("not read: %w", reason(err)))
			return nil
		case name != t.Name && o.Skip != nil && o.Skip(shown, d.IsDir()):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type()&fs.ModeSymlink != 0:
			f.link(t, name, shown, o)
		case d.Type().IsRegular() && (name == t.Name || isManifest(name)):
			f.files = append(f.files, file{t.FS, name, shown})
		case name == t.Name && !d.IsDir():
			f.fail(shown, errors.New("not read: neither a file nor a folder"))
		}
		return nil
	})
	if err != nil {
		f.fail(path.Join(t.Dir, t.Name), reason(err))
	}
}

// link deals with a symbolic link. What it leads to inside the tree is read at
// its own place, under its own name, since code scanning cannot show a file
// through a link; what lies outside is never read.
func (f *finder) link(t Tree, name, shown string, o Options) {
	info, err := fs.Stat(t.FS, name)
	if err != nil {
		if isManifest(name) {
			f.fail(shown, errors.New("a symbolic link that is broken or leads outside of the scanned tree: not followed"))
		}
		return
	}
	target, ok := linkTarget(t.FS, name)
	switch {
	case info.IsDir() && ok && within(t.Name, target):
		// the walk comes by there
	case info.IsDir():
		f.fail(shown, errors.New("a symbolic link to a folder outside of the scanned tree: not followed"))
	case ok && info.Mode().IsRegular() && isManifest(name):
		if real := path.Join(t.Dir, target); o.Skip == nil || !o.Skip(real, false) {
			f.files = append(f.files, file{t.FS, target, real})
		}
	}
}

// maxLinks bounds how many links one name may lead through.
const maxLinks = 32

// linkTarget resolves a name to one within fsys that no link is part of.
func linkTarget(fsys fs.FS, name string) (string, bool) {
	done, todo := ".", strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == ".." {
			if done == "." {
				return "", false
			}
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		to, err := fs.ReadLink(fsys, next)
		if err != nil {
			done = next // no link
			continue
		}
		if links++; links > maxLinks || path.IsAbs(to) {
			return "", false
		}
		todo = append(strings.Split(to, "/"), todo...)
	}
	return done, true
}

func within(dir, name string) bool {
	return dir == "." || name == dir || strings.HasPrefix(name, dir+"/")
}

func (f *finder) fail(shown string, err error) {
	f.problems = append(f.problems, Problem{Position: Position{Path: shown}, Err: err, Incomplete: true})
}

func isManifest(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
