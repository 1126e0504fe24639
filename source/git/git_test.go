package git

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// repository makes a repository with one commit of some files. A value that
// starts with "-> " is a symbolic link.
func repository(t *testing.T, format string, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	git(t, dir, "init", "-q", "--object-format="+format)
	git(t, dir, "config", "user.name", "t")
	git(t, dir, "config", "user.email", "t@example.com")
	write(t, dir, files)
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", "one")
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		to, link := strings.CutPrefix(text, "-> ")
		err := error(nil)
		if link {
			err = os.Symlink(to, full)
		} else {
			err = os.WriteFile(full, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func open(t *testing.T, dir string, limit int64) (*Repo, *Tree) {
	t.Helper()
	repo, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	commit, err := repo.Commit(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Tree(context.WithoutCancel(t.Context()), commit, limit) // closed when the test's is cancelled
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return repo, tree
}

var files = map[string]string{
	"a.yaml":             "a: 1\n",
	"empty.yaml":         "",
	"dir/b.yaml":         "b: 2\n",
	"dir/deep/c.yaml":    strings.Repeat("c", 100_000),
	"odd \n name \".yml": "odd: true\n",
	"link.yaml":          "-> dir/b.yaml",
	"linked":             "-> dir",
}

func TestTreeIsAFileSystem(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			dir := repository(t, format, files)
			write(t, dir, map[string]string{"a.yaml": "changed since\n", "later.yaml": "x: 1\n"})
			repo, tree := open(t, dir, 1<<20)
			if err := fstest.TestFS(tree, "a.yaml", "empty.yaml", "dir/b.yaml", "dir/deep/c.yaml", "link.yaml", "linked"); err != nil {
				t.Error(err)
			}
			for name, want := range files {
				if strings.HasPrefix(want, "-> ") {
					continue
				}
				got, err := fs.ReadFile(tree, name)
				if err != nil || string(got) != want {
					t.Errorf("%q holds %.20q, %v; want %.20q", name, got, err, want)
				}
				if sum := tree.Sum(name); sum != repo.Sum([]byte(want)) || sum != git(t, dir, "rev-parse", "HEAD:"+name) {
					t.Errorf("%q has the sum %s, and its bytes %s", name, sum, repo.Sum([]byte(want)))
				}
			}
			if _, err := fs.Stat(tree, "later.yaml"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what was added since is there: %v", err)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	dir := repository(t, "sha1", map[string]string{
		"sub/a.yaml":      "a",
		"out.yaml":        "-> ../../etc/passwd",
		"absolute.yaml":   "-> /etc/passwd",
		"loop.yaml":       "-> loop.yaml",
		"sub/parent.yaml": "-> ../other.yaml",
		"other.yaml":      "other",
		"through.yaml":    "-> alias/a.yaml",
		"alias":           "-> sub",
	})
	_, tree := open(t, dir, 1<<20)
	for _, name := range []string{"out.yaml", "absolute.yaml", "loop.yaml"} {
		if text, err := fs.ReadFile(tree, name); err == nil {
			t.Errorf("%s leads to %q", name, text)
		}
	}
	for name, want := range map[string]string{"sub/parent.yaml": "other", "through.yaml": "a", "alias/a.yaml": "a"} {
		if text, err := fs.ReadFile(tree, name); err != nil || string(text) != want {
			t.Errorf("%s holds %q, %v; want %q", name, text, err, want)
		}
	}
	sub, err := tree.Sub("sub")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := fs.ReadFile(sub, "parent.yaml"); err == nil {
		t.Errorf("a link leads out of a folder, to %q", text)
	}
	if _, err := tree.Sub("alias"); err == nil {
		t.Error("a link is taken for a folder")
	}
}

func TestSubmodule(t *testing.T) {
	library := repository(t, "sha1", map[string]string{"lib.yaml": "lib: 1\n"})
	dir := repository(t, "sha1", files)
	git(t, dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library, "vendored/lib")
	git(t, dir, "commit", "-q", "-m", "with a submodule")
	write(t, dir, map[string]string{"vendored/lib/lib.yaml": "lib: 2\n"})
	git(t, filepath.Join(dir, "vendored/lib"), "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-a", "-m", "two")

	_, tree := open(t, dir, 1<<20)
	if text, err := fs.ReadFile(tree, "vendored/lib/lib.yaml"); err != nil || string(text) != "lib: 1\n" {
		t.Errorf("the submodule's file holds %q, %v; want what the commit names", text, err)
	}
	if len(tree.Missing()) > 0 {
		t.Errorf("%q are missing", tree.Missing())
	}

	git(t, dir, "update-index", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",vendored/lib")
	git(t, dir, "commit", "-q", "-m", "with a commit that is not there")
	_, tree = open(t, dir, 1<<20)
	if diff := cmp.Diff([]string{"vendored/lib"}, tree.Missing()); diff != "" {
		t.Errorf("missing submodules differ (-want +got):\n%s", diff)
	}

	if err := os.RemoveAll(filepath.Join(dir, "vendored")); err != nil {
		t.Fatal(err)
	}
	_, tree = open(t, dir, 1<<20)
	if entries, err := fs.ReadDir(tree, "vendored/lib"); err != nil || len(entries) != 0 || len(tree.Missing()) != 0 {
		t.Errorf("a submodule that is not checked out holds %v, %v; missing are %q", entries, err, tree.Missing())
	}
}

func TestLongFileIsCut(t *testing.T) {
	dir := repository(t, "sha1", files)
	_, tree := open(t, dir, 10)
	for range 2 { // and the stream of the other files is not lost
		if text, err := fs.ReadFile(tree, "dir/deep/c.yaml"); err != nil || len(text) != 11 {
			t.Errorf("%d bytes of a file, %v; want one more than the limit of 10", len(text), err)
		}
		if text, err := fs.ReadFile(tree, "dir/b.yaml"); err != nil || string(text) != "b: 2\n" {
			t.Errorf("then another file holds %q, %v", text, err)
		}
	}
}

func TestMissingBlob(t *testing.T) {
	dir := repository(t, "sha1", files)
	id := git(t, dir, "rev-parse", "HEAD:a.yaml")
	if err := os.Remove(filepath.Join(dir, ".git", "objects", id[:2], id[2:])); err != nil {
		t.Fatal(err)
	}
	_, tree := open(t, dir, 1<<20)
	var missing *missingError
	if _, err := fs.ReadFile(tree, "a.yaml"); !errors.As(err, &missing) {
		t.Errorf("the error is %v", err)
	}
	if text, err := fs.ReadFile(tree, "dir/b.yaml"); err != nil || string(text) != "b: 2\n" {
		t.Errorf("then another file holds %q, %v", text, err)
	}
}

// What git says of a file that a partial clone lacks depends on its version:
// one way or the other, it is said that the clone is partial.
func TestPartialClone(t *testing.T) {
	dir := repository(t, "sha1", files)
	git(t, dir, "config", "uploadpack.allowFilter", "true")
	clone := filepath.Join(t.TempDir(), "clone")
	git(t, dir, "clone", "-q", "--filter=blob:none", "--no-checkout", "file://"+dir, clone)
	repo, err := Open(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	commit, err := repo.Commit(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Tree(t.Context(), commit, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fs.ReadFile(tree, "a.yaml")
	if err = errors.Join(err, tree.Close()); err == nil || !strings.Contains(err.Error(), "partial") {
		t.Errorf("the error is %v", err)
	}
}

func TestCommit(t *testing.T) {
	dir := repository(t, "sha1", files)
	first := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "checkout", "-q", "-b", "side")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "side")
	side := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "checkout", "-q", "-b", "target", first)
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "target")
	target := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "merge", "-q", "--no-ff", "-m", "merge", "side")
	git(t, dir, "tag", "-a", "v1", "-m", "tag")

	repo, _ := open(t, dir, 1)
	for rev, want := range map[string]string{"HEAD^1": target, "HEAD^2": side, "side": side, first: first, "v1^1": target} {
		if got, err := repo.Commit(t.Context(), rev); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", rev, got, err, want)
		}
	}
	for _, rev := range []string{"no", "", "--help", "HEAD:a.yaml", "-x", "HEAD^{tree}"} {
		if got, err := repo.Commit(t.Context(), rev); err == nil {
			t.Errorf("%q is %s", rev, got)
		}
	}
	parents, err := repo.Parents(t.Context(), git(t, dir, "rev-parse", "HEAD"))
	if diff := cmp.Diff([]string{target, side}, parents); diff != "" || err != nil {
		t.Errorf("parents differ, %v (-want +got):\n%s", err, diff)
	}
	if got, err := repo.MergeBase(t.Context(), side, target); err != nil || got != first {
		t.Errorf("merge base is %s, %v; want %s", got, err, first)
	}
}

func TestShallow(t *testing.T) {
	dir := repository(t, "sha1", files)
	first := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "two")
	clone := t.TempDir()
	git(t, clone, "clone", "-q", "--depth=1", "file://"+dir, "c")
	repo, _ := open(t, filepath.Join(clone, "c"), 1)
	for _, rev := range []string{"HEAD^1", first} {
		if got, err := repo.Commit(t.Context(), rev); !errors.Is(err, ErrShallow) {
			t.Errorf("%s is %s, %v; want that the clone is shallow", rev, got, err)
		}
	}
	parents, err := repo.Parents(t.Context(), "HEAD")
	if diff := cmp.Diff([]string{first}, parents); diff != "" || err != nil {
		t.Errorf("the commit names its parents all the same; %v (-want +got):\n%s", err, diff)
	}
}

// TestNothingRuns puts what git could run into a repository and its tree, each
// of which would leave a file.
func TestNothingRuns(t *testing.T) {
	dir := repository(t, "sha1", map[string]string{
		"a.yaml": "a: 1\n", ".gitattributes": "*.yaml filter=evil diff=evil\n",
	})
	mark := filepath.Join(t.TempDir(), "ran")
	script := filepath.Join(t.TempDir(), "run")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch '"+mark+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "diff.evil.command", "core.fsmonitor", "core.pager", "core.sshCommand", "core.editor"} {
		git(t, dir, "config", key, script)
	}
	for _, hook := range []string{"post-checkout", "post-index-change", "reference-transaction"} {
		text, err := os.ReadFile(script)
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, ".git", "hooks"), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, ".git", "hooks", hook), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_, tree := open(t, dir, 1<<20)
	if text, err := fs.ReadFile(tree, "a.yaml"); err != nil || !bytes.Equal(text, []byte("a: 1\n")) {
		t.Errorf("a file holds %q, %v", text, err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("something of the repository was run")
	}
}

func TestNoRepository(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	if _, err := Open(t.Context(), dir); !errors.Is(err, ErrNoRepo) {
		t.Errorf("the error is %v", err)
	}
}

func TestBareRepositoryInTheTreeIsNotUsed(t *testing.T) {
	dir := repository(t, "sha1", files)
	git(t, dir, "clone", "-q", "--bare", dir, filepath.Join(dir, "sub"))
	repo, err := Open(t.Context(), filepath.Join(dir, "sub"))
	if err == nil && strings.HasSuffix(repo.Top, "sub") {
		t.Errorf("the repository is %s", repo.Top)
	}
}
