package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// load reads the manifests at paths: files, folders, globs, or - for stdin.
func load(ctx context.Context, paths, exclude []string, s streams) (source.Result, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var trees []source.Tree
	var stdin bool
	for _, p := range paths {
		if p == "-" {
			stdin = true
			continue
		}
		found, err := open(p)
		if err != nil {
			return source.Result{}, err
		}
		trees = append(trees, found...)
	}
	in, err := source.Load(ctx, trees, source.Options{Skip: skip(exclude), Limits: source.DefaultLimits})
	if err != nil {
		return in, fmt.Errorf("reading manifests: %w", err)
	}
	if stdin {
		err = addStdin(&in, s.in)
	}
	return in, err
}

// stdinPath is what standard input is called in places.
const stdinPath = "stdin.yaml"

func addStdin(in *source.Result, r io.Reader) error {
	limit := source.DefaultLimits.FileBytes
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("reading standard input: %w", err)
	}
	if int64(len(data)) > limit {
		return fmt.Errorf("standard input is larger than %d MiB: write it to several files", limit>>20)
	}
	objects, problems := source.Parse(stdinPath, data, source.DefaultLimits)
	in.Objects, in.Problems = append(in.Objects, objects...), append(in.Problems, problems...)
	in.Files++
	return nil
}

// open makes trees of a path. Each is an os.Root, which nothing leads out of.
func open(name string) ([]source.Tree, error) {
	real, err := filepath.EvalSymlinks(name)
	if errors.Is(err, os.ErrNotExist) && strings.ContainsAny(name, "*?[{") {
		return glob(name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	dir, base := real, "."
	if !info.IsDir() {
		dir, base = filepath.Dir(real), filepath.Base(real)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	return []source.Tree{{FS: root.FS(), Name: base, Dir: shown(dir)}}, nil
}

func glob(pattern string) ([]source.Tree, error) {
	matches, err := doublestar.FilepathGlob(pattern, doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %s: %w", pattern, err)
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("reading manifests: nothing matches %s", pattern)
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
