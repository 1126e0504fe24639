package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/hotpod-dev/hotpod/report"
	"github.com/hotpod-dev/hotpod/source"
)

// input is what was read, and from where.
type input struct {
	source.Result
	trees []source.Tree
}

// load reads the manifests at paths: files, folders, globs, or - for stdin.
func load(ctx context.Context, paths []string, o source.Options, s streams) (input, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var trees []source.Tree
	var closed []source.Problem
	var stdin bool
	for _, p := range paths {
		if p == "-" {
			stdin = true
			continue
		}
		found, err := open(p)
		if errors.Is(err, os.ErrPermission) {
			closed = append(closed, unread(filepath.ToSlash(p), os.ErrPermission))
			continue
		}
		if err != nil {
			return input{}, fmt.Errorf("reading manifests: %w", err)
		}
		trees = append(trees, found...)
	}
	read, err := source.Load(ctx, trees, o)
	in := input{read, trees}
	if err != nil {
		return in, fmt.Errorf("reading manifests: %w", err)
	}
	in.Problems = append(in.Problems, closed...)
	if stdin {
		err = addStdin(ctx, &in.Result, s.in)
	}
	return in, err
}

func unread(name string, err error) source.Problem {
	return source.Problem{Position: source.Position{Path: name}, Err: fmt.Errorf("not read: %w", reason(err)), Incomplete: true}
}

// reason leaves out the path and the system call, which say nothing new.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// stdinPath is what standard input is called in places.
const stdinPath = "stdin.yaml"

func addStdin(ctx context.Context, in *source.Result, r io.Reader) error {
	limit := source.DefaultLimits().FileBytes
	data, err := readAll(ctx, io.LimitReader(r, limit+1))
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("reading standard input: %w", ctx.Err())
	case err != nil:
		in.Problems = append(in.Problems, unread(stdinPath, err))
		return nil
	case int64(len(data)) > limit:
		in.Problems = append(in.Problems, unread(stdinPath, fmt.Errorf("larger than %d MiB; write it to several files", limit>>20)))
		return nil
	}
	objects, problems := source.Parse(stdinPath, data, source.DefaultLimits())
	in.Objects, in.Problems = append(in.Objects, objects...), append(in.Problems, problems...)
	in.Files++
	return nil
}

// readAll reads to the end, or until it is interrupted: a pipe may stay open
// for as long as somebody likes.
func readAll(ctx context.Context, r io.Reader) ([]byte, error) {
	var data []byte
	var err error
	done := make(chan struct{})
	go func() {
		data, err = io.ReadAll(r)
		close(done)
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-done:
		return data, err
	}
}

// open makes trees of a path. Each is an os.Root, which nothing leads out of.
func open(name string) ([]source.Tree, error) {
	real, err := filepath.EvalSymlinks(name)
	if errors.Is(err, os.ErrNotExist) && strings.ContainsAny(name, "*?[{") {
		return glob(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, reason(err))
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, reason(err))
	}
	dir, base := real, "."
	if !info.IsDir() {
		dir, base = filepath.Dir(real), filepath.Base(real)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, reason(err))
	}
	return []source.Tree{{FS: root.FS(), Name: base, Dir: shown(dir)}}, nil
}

func glob(pattern string) ([]source.Tree, error) {
	matches, err := doublestar.FilepathGlob(pattern, doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pattern, reason(err))
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("nothing matches %s", pattern)
	}
	slices.Sort(matches)
	var trees []source.Tree
	for _, m := range matches {
		found, err := open(m)
		if err != nil {
			return nil, err
		}
		trees = append(trees, found...)
	}
	return trees, nil
}

// shown is how places name a folder: relative to the working directory, with
// slashes.
func shown(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return filepath.ToSlash(dir)
	}
	wd, err := workingDir()
	if err != nil {
		return filepath.ToSlash(abs)
	}
	rel, err := filepath.Rel(wd, abs)
	if err != nil {
		return filepath.ToSlash(abs)
	}
	return filepath.ToSlash(rel)
}

// workingDir is the working directory without symbolic links.
func workingDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(wd)
}

// skip leaves out what no team wants scanned, and what its configuration says.
func skip(exclude []string) func(string, bool) bool {
	return func(name string, dir bool) bool {
		switch path.Base(name) {
		case ".git", "vendor", "node_modules":
			return dir
		}
		return slices.ContainsFunc(exclude, func(pattern string) bool {
			return doublestar.MatchUnvalidated(strings.TrimSuffix(pattern, "/"), name)
		})
	}
}

// prefix is the path from the root of the git repository to the working
// directory, "" outside of one.
func prefix() string {
	wd, err := workingDir()
	if err != nil {
		return ""
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			rel, err := filepath.Rel(dir, wd)
			if err != nil || rel == "." {
				return ""
			}
			return filepath.ToSlash(rel)
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// addLineHashes gives each result the hash by which GitHub follows its line.
func addLineHashes(r *report.Report) {
	byFile := map[string][]*report.Result{}
	for _, results := range [][]report.Result{r.Results, r.Ignored} {
		for i := range results {
			file := results[i].Location.Path
			byFile[file] = append(byFile[file], &results[i])
		}
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for file, results := range byFile {
		free <- struct{}{}
		wg.Go(func() {
			hashFile(file, results)
			<-free
		})
	}
	wg.Wait()
}

// hashFile hashes one file as far as its results need. A file that is gone
// leaves them without a hash; the upload then computes it.
func hashFile(file string, results []*report.Result) {
	content, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		return
	}
	last := 0
	for _, res := range results {
		last = max(last, res.Location.Line)
	}
	hashes := report.LineHashes(content, last)
	for _, res := range results {
		if line := res.Location.Line; line > 0 && line <= len(hashes) {
			res.LineHash = hashes[line-1]
		}
	}
}
