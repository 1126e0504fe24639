package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hotpod-dev/hotpod/report"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/source/git"
)

// base is what a scan is compared with: a tree, which is scanned the same way,
// or the results of an earlier scan.
type base struct {
	name    string
	tree    *baseTree
	results []report.Result

	read   source.Result // of the tree
	judged []judged
}

// baseTree is a file system that stands for a folder of the machine.
type baseTree struct {
	dir    string         // the folder that it stands for, absolute
	memory *source.Memory // shared with the scan
	open   func() error   // before the rest is used
	sub    func(dir string) (fs.FS, error)
	close  func() error
	// missing are folders of it that could not be read.
	missing func() []string
}

// openBase finds out what --base means: auto, a file or folder where it is
// written as a path, else a revision, else a file or folder. A revision goes
// before a folder of its name, since whoever proposes a change can make
// folders, but not branches. It gives nil where there is nothing to compare
// with.
func openBase(ctx context.Context, value string, paths []string, s streams) (*base, error) {
	if value == "" {
		return nil, nil
	}
	for _, p := range paths {
		if p == "-" {
			return nil, errors.New("--base: standard input has no base; write both states to folders and give one as PATH and the other as --base")
		}
	}
	b, err := findBase(ctx, value, paths, s)
	if err != nil {
		return nil, fmt.Errorf("--base %s: %w", value, err)
	}
	return b, nil
}

func findBase(ctx context.Context, value string, paths []string, s streams) (*base, error) {
	if value == "auto" {
		return autoBase(ctx, s)
	}
	if !writtenAsPath(value) {
		b, err := revision(ctx, value)
		if err == nil || ctx.Err() != nil {
			return b, err
		}
		if _, missing := os.Stat(value); missing != nil {
			return nil, err
		}
	}
	info, err := os.Stat(value)
	if err != nil {
		return nil, reason(err)
	}
	if info.IsDir() {
		return folder(value, paths)
	}
	return saved(value)
}

func writtenAsPath(value string) bool {
	slashed := filepath.ToSlash(value)
	return filepath.IsAbs(value) || slashed == "." || slashed == ".." || strings.HasPrefix(slashed, "./") ||
		strings.HasPrefix(slashed, "../") || strings.HasSuffix(slashed, "/") || path.Ext(slashed) == ".sarif"
}

// revision takes the tree of a revision of the repository of the working directory.
func revision(ctx context.Context, rev string) (*base, error) {
	repo, err := openRepo(ctx)
	if err != nil {
		return nil, err
	}
	commit, err := repo.Commit(ctx, rev)
	if err != nil {
		return nil, deepen(err)
	}
	return commitBase(ctx, repo, commit, rev), nil
}

func openRepo(ctx context.Context) (*git.Repo, error) {
	wd, err := workingDir()
	if err != nil {
		return nil, err
	}
	return git.Open(ctx, wd)
}

// deepen names the fix for a clone that lacks a commit.
func deepen(err error) error {
	if errors.Is(err, git.ErrShallow) {
		return fmt.Errorf("%w; set fetch-depth: 2 for actions/checkout if it is a parent of what is checked out, else fetch-depth: 0", err)
	}
	return err
}

// commitBase lists the tree of a commit while the scan is already reading.
func commitBase(ctx context.Context, repo *git.Repo, commit, name string) *base {
	if short := commit[:12]; strings.HasPrefix(name, short) {
		name = short
	} else {
		name = fmt.Sprintf("%s (%s)", name, short)
	}
	var tree *git.Tree
	var err error
	listed := make(chan struct{})
	go func() {
		tree, err = repo.Tree(ctx, commit, source.DefaultLimits().FileBytes)
		close(listed)
	}()
	return &base{name: name, tree: &baseTree{
		dir: repo.Top, memory: source.NewMemory(repo.Sum),
		open:    func() error { <-listed; return err },
		sub:     func(dir string) (fs.FS, error) { return tree.Sub(dir) },
		close:   func() error { return tree.Close() },
		missing: func() []string { return tree.Missing() },
	}}
}

// folder takes another folder in place of the working directory; in place of
// the only folder that is scanned, where that is not found in it.
func folder(dir string, paths []string) (*base, error) {
	stands, err := workingDir()
	if err != nil {
		return nil, err
	}
	if len(paths) == 1 {
		only, err := filepath.EvalSymlinks(paths[0])
		if info, _ := os.Stat(paths[0]); err == nil && info != nil && info.IsDir() {
			if only, err = filepath.Abs(only); err != nil {
				return nil, err
			}
			rel, err := filepath.Rel(stands, only)
			if err != nil || !filepath.IsLocal(rel) || !isDir(filepath.Join(dir, rel)) {
				stands = only
			}
		}
	}
	open := func(sub string) (fs.FS, error) {
		root, err := os.OpenRoot(filepath.Join(dir, filepath.FromSlash(sub)))
		if err != nil {
			return nil, err
		}
		return root.FS(), nil
	}
	sum := func(data []byte) string {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	}
	nothing := func() error { return nil }
	return &base{name: filepath.ToSlash(dir), tree: &baseTree{
		dir: stands, memory: source.NewMemory(sum), open: nothing, sub: open, close: nothing, missing: func() []string { return nil },
	}}, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// saved takes the results of an earlier scan.
func saved(file string) (*base, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, reason(err)
	}
	defer in.Close() // nothing was written
	results, err := report.ReadSARIF(in)
	return &base{name: filepath.ToSlash(file), results: results}, err
}

// memory is what the scan shares with its base; nil where it shares nothing.
func (b *base) memory() *source.Memory {
	if b == nil || b.tree == nil {
		return nil
	}
	return b.tree.memory
}

// load reads the base as the scan was read, if it is a tree.
func (b *base) load(ctx context.Context, head input, o source.Options) error {
	if b == nil || b.tree == nil {
		return nil
	}
	if err := b.tree.open(); err != nil {
		return fmt.Errorf("reading the base: %w", err)
	}
	var trees []source.Tree
	for _, t := range head.trees {
		trees = append(trees, b.tree.like(t, o.Skip)...)
	}
	var err error
	b.read, err = source.Load(ctx, trees, o)
	for _, dir := range b.tree.missing() {
		at := source.Position{Path: shown(filepath.Join(b.tree.dir, filepath.FromSlash(dir)))}
		b.read.Problems = append(b.read.Problems, source.Problem{Position: at, Err: errors.New("the submodule's repository lacks the commit that the base names"), Incomplete: true})
	}
	if closed := b.tree.close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("reading the base: %w", err)
	}
	return nil
}

// like gives what of the base corresponds to a tree that is scanned: the same
// folder or file. A file may have been renamed in its folder and be given by
// name, so those that are there no more belong to it.
func (b *baseTree) like(t source.Tree, skip func(string, bool) bool) []source.Tree {
	wd, err := workingDir()
	if err != nil {
		return nil
	}
	dir := filepath.FromSlash(t.Dir)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(wd, dir)
	}
	rel, err := filepath.Rel(b.dir, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return nil // outside of what the base knows
	}
	fsys, err := b.sub(filepath.ToSlash(rel))
	if err != nil {
		return nil // a new folder
	}
	if t.Name == "." {
		return []source.Tree{{FS: fsys, Name: ".", Dir: t.Dir}}
	}
	var all []source.Tree
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.Name() == t.Name || wasThere(e, t, skip) {
			all = append(all, source.Tree{FS: fsys, Name: e.Name(), Dir: t.Dir})
		}
	}
	return all
}

// wasThere tells whether a manifest of the base is not in the folder of a scanned
// file any more.
func wasThere(e fs.DirEntry, t source.Tree, skip func(string, bool) bool) bool {
	switch path.Ext(e.Name()) {
	case ".yaml", ".yml", ".json":
	default:
		return false
	}
	_, err := fs.Stat(t.FS, e.Name())
	return e.Type().IsRegular() && errors.Is(err, fs.ErrNotExist) && !skip(path.Join(t.Dir, e.Name()), false)
}
