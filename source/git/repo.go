// Package git reads the tree of a revision out of a repository's object store.
// Nothing is checked out, and nothing in the tree is run or obeyed: no hooks,
// no filters, no attributes; nothing is fetched.
package git

import (
	"bytes"
	"context"
	"crypto/sha1" // as git names objects
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os/exec"
	"strings"
)

// Repo is a repository and the work tree that it belongs to.
type Repo struct {
	Top  string // the root of the work tree
	hash func() hash.Hash
}

// ErrNoRepo says that a folder is in no work tree, or that git is missing.
var ErrNoRepo = errors.New("not in the work tree of a git repository")

// ErrShallow says that the repository was cloned without the commit.
var ErrShallow = errors.New("the clone is shallow and does not hold the commit")

// Open finds the repository of a folder.
func Open(ctx context.Context, dir string) (*Repo, error) {
	r := &Repo{Top: dir}
	out, err := r.run(ctx, "rev-parse", "--show-toplevel", "--show-object-format")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRepo, err)
	}
	top, format, _ := strings.Cut(strings.TrimSuffix(out, "\n"), "\n")
	r.Top = top
	switch format {
	case "sha1":
		r.hash = sha1.New
	case "sha256":
		r.hash = sha256.New
	default:
		return nil, fmt.Errorf("the repository's objects are named by %q, which is not known", format)
	}
	return r, nil
}

// Commit gives the name of the commit that a revision means.
func (r *Repo) Commit(ctx context.Context, rev string) (string, error) {
	out, err := r.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err == nil {
		return strings.TrimSpace(out), nil
	}
	if ctx.Err() == nil && r.isShallow(ctx) {
		return "", fmt.Errorf("%s: %w", rev, ErrShallow)
	}
	return "", fmt.Errorf("%q is not a revision of the repository: %w", rev, err)
}

// Parents lists the parents of a commit, as the commit itself states them: in
// a shallow clone they need not be there.
func (r *Repo) Parents(ctx context.Context, commit string) ([]string, error) {
	text, err := r.run(ctx, "cat-file", "commit", "--end-of-options", commit)
	if err != nil {
		return nil, err
	}
	var parents []string
	for line := range strings.Lines(text) {
		parent, ok := strings.CutPrefix(strings.TrimSpace(line), "parent ")
		if ok {
			parents = append(parents, parent)
		} else if strings.TrimSpace(line) == "" {
			break
		}
	}
	return parents, nil
}

// MergeBase gives the commit at which two lines of work parted.
func (r *Repo) MergeBase(ctx context.Context, a, b string) (string, error) {
	out, err := r.run(ctx, "merge-base", "--", a, b)
	if err == nil {
		return strings.TrimSpace(out), nil
	}
	if ctx.Err() == nil && r.isShallow(ctx) {
		return "", fmt.Errorf("where %s and %s parted: %w", a, b, ErrShallow)
	}
	return "", fmt.Errorf("%s and %s have no commit in common: %w", a, b, err)
}

func (r *Repo) isShallow(ctx context.Context) bool {
	out, err := r.run(ctx, "rev-parse", "--is-shallow-repository")
	return err == nil && strings.TrimSpace(out) == "true"
}

// Sum is the name that git gives to a file of these bytes.
func (r *Repo) Sum(data []byte) string {
	h := r.hash()
	fmt.Fprintf(h, "blob %d\x00", len(data))
	h.Write(data) // a hash takes all
	return hex.EncodeToString(h.Sum(nil))
}

// run runs git for its output.
func (r *Repo) run(ctx context.Context, args ...string) (string, error) {
	cmd := r.command(ctx, args...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if text := strings.TrimSpace(problem.String()); text != "" {
			err = errors.New(text)
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return out.String(), nil
}

// command makes a command of git that reads the repository as it is. What
// could make git run something, speak to a server or show other objects than
// those that the commit names is switched off.
func (r *Repo) command(ctx context.Context, args ...string) *exec.Cmd {
	all := append([]string{
		"-C", r.Top, "--no-pager", "--no-replace-objects", "--literal-pathspecs", "--no-optional-locks",
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
		"-c", "protocol.allow=never", "-c", "safe.bareRepository=explicit",
	}, args...)
	cmd := exec.CommandContext(ctx, "git", all...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1")
	return cmd
}
