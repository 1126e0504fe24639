package git

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Tree is the tree of a commit as a file system, for reading. Symbolic links
// are followed inside of it only. Submodules are part of it as far as the work
// tree has them with the commit that is named, and else empty folders.
type Tree struct {
	root    *node
	limit   int64
	opened  []*blobs
	missing []string
}

// node is a file, folder or symbolic link.
type node struct {
	name  string
	mode  fs.FileMode
	id    string
	blobs *blobs           // that hold it
	below map[string]*node // of a folder
}

// Tree lists the tree of a commit. Of a file that is longer than the limit no
// more than one byte above it is read. Close ends the process that reads.
func (r *Repo) Tree(ctx context.Context, commit string, limit int64) (*Tree, error) {
	list, err := r.run(ctx, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
	if err != nil {
		return nil, err
	}
	held := &blobs{command: func() *command { return r.batch(ctx) }}
	t := &Tree{root: folder("."), limit: limit, opened: []*blobs{held}}
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		head, name, ok := strings.Cut(entry, "\t")
		fields := strings.Fields(head) // mode, type, id
		if !ok || len(fields) != 3 || !fs.ValidPath(name) {
			continue // an empty tree, or a name that no work tree could hold
		}
		n := &node{name: path.Base(name), mode: 0o644, id: fields[2], blobs: held}
		switch fields[0] {
		case "160000":
			n = t.submodule(ctx, r, name, fields[2])
		case "120000":
			n.mode = fs.ModeSymlink | 0o777
		}
		t.root.add(strings.Split(name, "/"), n)
	}
	return t, nil
}

// submodule lists the tree of a submodule's commit. Its repository is that of
// the work tree; nothing is fetched.
func (t *Tree) submodule(ctx context.Context, r *Repo, name, commit string) *node {
	empty := folder(path.Base(name))
	dir := filepath.Join(r.Top, filepath.FromSlash(name))
	sub, err := Open(ctx, dir)
	if err != nil || sub.Top != dir {
		return empty // not checked out: nor is it scanned
	}
	tree, err := sub.Tree(ctx, commit, t.limit)
	if err != nil {
		t.missing = append(t.missing, name)
		return empty
	}
	t.opened, t.missing = append(t.opened, tree.opened...), append(t.missing, tree.missing...)
	tree.root.name = empty.name
	return tree.root
}

// Missing lists the submodules that are checked out, but not known as they
// were in the commit.
func (t *Tree) Missing() []string { return t.missing }

// Close ends the processes that read files.
func (t *Tree) Close() error {
	var err error
	for _, b := range t.opened {
		err = errors.Join(err, b.close())
	}
	return err
}

func folder(name string) *node {
	return &node{name: name, mode: fs.ModeDir | 0o755, below: map[string]*node{}}
}

func (n *node) add(names []string, leaf *node) {
	for _, dir := range names[:len(names)-1] {
		if n.below[dir] == nil {
			n.below[dir] = folder(dir)
		}
		n = n.below[dir]
		if n.below == nil {
			return // below a file: no tree of git's own making
		}
	}
	n.below[leaf.name] = leaf
}

// maxLinks bounds how many symbolic links lead on to each other.
const maxLinks = 16

// find walks down to a node; follow says whether a link at the end is followed.
func (t *Tree) find(op, name string, follow bool) (*node, error) {
	fail := func(err error) (*node, error) { return nil, &fs.PathError{Op: op, Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	at := name
walk:
	for range maxLinks {
		n := t.root
		parts := strings.Split(at, "/")
		if at == "." {
			parts = nil
		}
		for i, part := range parts {
			if n = n.below[part]; n == nil {
				return fail(fs.ErrNotExist)
			}
			if n.mode&fs.ModeSymlink == 0 || (i == len(parts)-1 && !follow) {
				continue
			}
			to, err := n.blobs.read(n.id, maxLinkLength)
			if err != nil {
				return fail(err)
			}
			at = path.Join(path.Join(parts[:i]...), string(to.data), path.Join(parts[i+1:]...))
			if path.IsAbs(string(to.data)) || !fs.ValidPath(at) {
				return fail(errOutside)
			}
			continue walk
		}
		return n, nil
	}
	return fail(errLinks)
}

const maxLinkLength = 4096

var (
	errOutside = errors.New("a symbolic link leads outside of the tree")
	errLinks   = errors.New("too many symbolic links")
)

// Open is that of fs.FS.
func (t *Tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return &openDir{info: info{n}, left: n.entries()}, nil
	}
	b, err := n.blobs.read(n.id, t.limit+1)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{info: info{n}, rest: b.data}, nil
}

// Stat is that of fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name, true) }

// Lstat is that of fs.ReadLinkFS.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, false) }

func (t *Tree) stat(op, name string, follow bool) (fs.FileInfo, error) {
	n, err := t.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

// ReadLink is that of fs.ReadLinkFS.
func (t *Tree) ReadLink(name string) (string, error) {
	n, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	b, err := n.blobs.read(n.id, maxLinkLength)
	return string(b.data), err
}

// ReadDir is that of fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	return n.entries(), nil
}

// Sub gives a folder as a tree of its own, which links do not lead out of.
func (t *Tree) Sub(name string) (fs.FS, error) {
	n, err := t.find("sub", name, false)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "sub", Path: name, Err: errors.New("not a folder")}
	}
	return &Tree{root: n, limit: t.limit}, nil
}

// Sum names the contents of a file, as Repo.Sum does, without reading it.
func (t *Tree) Sum(name string) string {
	n, err := t.find("sum", name, true)
	if err != nil {
		return ""
	}
	return n.id
}

func (n *node) entries() []fs.DirEntry {
	var all []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.below)) {
		all = append(all, fs.FileInfoToDirEntry(info{n.below[name]}))
	}
	return all
}

// info is what is known of a node. Its size is asked for only when needed: the
// list of a tree does not hold it.
type info struct{ *node }

func (i info) Size() int64 {
	if i.mode.IsDir() {
		return 0
	}
	b, err := i.blobs.read(i.id, 0)
	if err != nil {
		return 0
	}
	return b.size
}

func (i info) Name() string       { return i.name }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

type openFile struct {
	info info
	rest []byte
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }
func (f *openFile) Read(into []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(into, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

type openDir struct {
	info info
	left []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.Name(), Err: errors.New("is a folder")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.left)
	} else if len(d.left) == 0 {
		return nil, io.EOF
	}
	found := d.left[:min(n, len(d.left))]
	d.left = d.left[len(found):]
	return found, nil
}

var _ interface {
	fs.ReadLinkFS
	fs.ReadDirFS
	fs.SubFS
} = (*Tree)(nil)
