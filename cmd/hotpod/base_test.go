package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hotpod-dev/hotpod/report"
)

// gitIn runs git for its output in the folder that a script is in, or another.
func gitIn(ts *testscript.TestScript, dir string, args ...string) string {
	cmd := exec.Command("git", args...)
	cmd.Dir = ts.MkAbs(dir)
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_GLOBAL="+ts.Getenv("GIT_CONFIG_GLOBAL"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		ts.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

var commitName = regexp.MustCompile(`"@([^"]+)"`)

// writeEvent writes what GitHub says of an event; "@REV" is a commit's name.
func writeEvent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: event JSON")
	}
	text := commitName.ReplaceAllStringFunc(args[0], func(rev string) string {
		return `"` + gitIn(ts, ".", "rev-parse", strings.Trim(rev, `"@`)) + `"`
	})
	ts.Check(os.WriteFile(ts.Getenv("GITHUB_EVENT_PATH"), []byte(text), 0o644))
}

// isRevision holds that a file has the name of a commit of a repository.
func isRevision(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: rev FILE REV [REPO]")
	}
	got, want := strings.TrimSpace(ts.ReadFile(args[0])), gitIn(ts, append(args, ".")[2], "rev-parse", args[1])
	if got != want {
		ts.Fatalf("%q is not %s, %s", got, args[1], want)
	}
}

// fetchCommit gets a commit that a file names, and nothing else.
func fetchCommit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fetch FILE")
	}
	gitIn(ts, ".", "fetch", "-q", "--depth=1", "origin", strings.TrimSpace(ts.ReadFile(args[0])))
}

// TestMovedLinesKeepFingerprints scans the same findings at other lines of
// their files: code scanning must know its alerts again by the hash of their
// line, and Hotpod by its own fingerprint.
func TestMovedLinesKeepFingerprints(t *testing.T) {
	demo, err := filepath.Abs("../../fixtures/demo")
	if err != nil {
		t.Fatal(err)
	}
	before, after := t.TempDir(), t.TempDir()
	files, err := filepath.Glob(filepath.Join(demo, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(before, filepath.Base(file)), text, 0o644)
		}
		if err == nil {
			more := "# one\n\n# two\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: more}\n---\n"
			err = os.WriteFile(filepath.Join(after, filepath.Base(file)), append([]byte(more), text...), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	type alert struct {
		Rule, Path, LineHash string
		Fingerprints         []string
	}
	alerts := func(dir string) (all []alert, lines int) {
		for _, r := range scanned(t, dir).Results {
			all = append(all, alert{r.Rule, r.Location.Path, r.LineHash, r.Fingerprints})
			lines += r.Location.Line
		}
		return all, lines
	}
	was, atLines := alerts(before)
	is, movedTo := alerts(after)
	if movedTo != atLines+8*len(was) || len(was) == 0 {
		t.Errorf("%d results moved by %d lines together, want 8 each", len(was), movedTo-atLines)
	}
	if diff := cmp.Diff(was, is); diff != "" {
		t.Errorf("alerts are others at other lines (-before +after):\n%s", diff)
	}
}

// scanned is the report of a folder.
func scanned(t *testing.T, dir string) *report.Report {
	t.Helper()
	t.Chdir(dir)
	var out, problems strings.Builder
	code := run(t.Context(), []string{"scan", "-o", "json"}, streams{
		in: strings.NewReader(""), out: &out, err: &problems, now: time.Now, env: func(string) string { return "" },
	})
	if code != exitClean && code != exitFindings {
		t.Fatalf("exit code %d: %s", code, problems.String())
	}
	r, err := report.Read(strings.NewReader(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
