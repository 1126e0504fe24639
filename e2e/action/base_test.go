package action

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// other is as risky, for another account.
var other = strings.NewReplacer("name: all", "name: rest", "name: app", "name: other").Replace(risky)

func TestOldFindingsPass(t *testing.T) {
	t.Parallel()
	got := run(t, job{
		before:    map[string]string{"old.yaml": risky},
		meanwhile: map[string]string{"since.yaml": other},
		files:     map[string]string{"old.yaml": risky, "role.yaml": clean},
	})
	check(t, got, "success", map[string]string{
		"exit-code": "0", "findings": "2", "new-findings": "0", "highest-severity": "critical",
	})
	if diff := cmp.Diff([]string{"old.yaml", "since.yaml"}, got.files()); diff != "" {
		t.Errorf("uploaded, which is all there is now (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got.summary, "## ✅ Hotpod: no new finding") {
		t.Errorf("the summary is\n%s", got.summary)
	}
}

// With sparse-checkout, the clone has the files of one folder alone, and of the base none.
func TestSparseCheckout(t *testing.T) {
	t.Parallel()
	for _, depth := range []string{"1", "2"} {
		t.Run("depth "+depth, func(t *testing.T) {
			t.Parallel()
			got := run(t, job{
				sparse: "deploy", depth: depth,
				before: map[string]string{"deploy/old.yaml": risky, "rest/old.yaml": other},
				files:  map[string]string{"deploy/old.yaml": "# a comment\n" + risky, "rest/old.yaml": other},
				with:   map[string]string{"paths": "deploy"},
			})
			check(t, got, "success", map[string]string{
				"exit-code": "0", "findings": "1", "new-findings": "0", "highest-severity": "critical",
			})
		})
	}
}

func TestNewFindingsFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event    string
		uploaded []string
	}{
		"pull request":             {"", []string{"deploy/new.yaml", "old.yaml"}},
		"pull request from a fork": {"fork", nil},
		"push":                     {"push", []string{"deploy/new.yaml", "old.yaml"}},
		"merge group":              {"merge_group", []string{"deploy/new.yaml", "old.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, job{
				event:  test.event,
				before: map[string]string{"old.yaml": risky},
				files:  map[string]string{"old.yaml": risky, "deploy/new.yaml": other},
			})
			check(t, got, "failure", map[string]string{
				"exit-code": "1", "findings": "2", "new-findings": "1", "highest-severity": "critical",
			})
			if diff := cmp.Diff(test.uploaded, got.files()); diff != "" {
				t.Errorf("uploaded (-want +got):\n%s", diff)
			}
			if !strings.Contains(got.log, "::error file=deploy/new.yaml,") || strings.Contains(got.log, "::error file=old.yaml,") {
				t.Errorf("want the new finding alone to be an error:\n%s", got.log)
			}
			head, _, _ := strings.Cut(got.summary, "\n")
			if !strings.HasPrefix(head, "## ❌ Hotpod: 1 new finding") || !strings.Contains(got.summary, "deploy/new.yaml") {
				t.Errorf("the summary is\n%s", got.summary)
			}
		})
	}
}

// Where there is nothing to compare with, all findings count, and the log says so.
func TestWithoutBase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		job
		says string
	}{
		"new branch":   {job{event: "new branch"}, "every finding counts as new"},
		"schedule":     {job{event: "schedule"}, "nothing to compare with on schedule"},
		"switched off": {job{with: map[string]string{"base": "none"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.before = map[string]string{"old.yaml": risky}
			test.files = map[string]string{"old.yaml": risky, "role.yaml": clean}
			got := run(t, test.job)
			check(t, got, "failure", map[string]string{
				"exit-code": "1", "findings": "1", "new-findings": "1", "highest-severity": "critical",
			})
			if !strings.Contains(got.log, test.says) {
				t.Errorf("the log does not say %q:\n%s", test.says, got.log)
			}
		})
	}
}

func TestBaseThatCannotBeFetched(t *testing.T) {
	t.Parallel()
	old := map[string]string{"old.yaml": risky}
	t.Run("shallow", func(t *testing.T) {
		t.Parallel()
		got := run(t, job{before: old, files: old, noFetch: true})
		if got.outcome != "failure" || got.uploaded != nil || !strings.Contains(got.log, "Give actions/checkout fetch-depth: 2") {
			t.Errorf("outcome %s, uploaded %v; want a failure that names the fix:\n%s", got.outcome, got.uploaded, got.log)
		}
	})
	t.Run("deep enough", func(t *testing.T) {
		t.Parallel()
		check(t, run(t, job{before: old, files: old, noFetch: true, depth: "2"}), "success", map[string]string{
			"exit-code": "0", "findings": "1", "new-findings": "0", "highest-severity": "critical",
		})
	})
	t.Run("revision", func(t *testing.T) {
		t.Parallel()
		got := run(t, job{before: old, files: old, event: "schedule", noFetch: true, depth: "2", with: map[string]string{"base": "HEAD^1"}})
		check(t, got, "success", map[string]string{
			"exit-code": "0", "findings": "1", "new-findings": "0", "highest-severity": "critical",
		})
	})
	t.Run("commit", func(t *testing.T) {
		t.Parallel()
		got := run(t, job{before: old, files: old, event: "push", with: map[string]string{"base": "${{ github.event.before }}"}})
		check(t, got, "success", map[string]string{
			"exit-code": "0", "findings": "1", "new-findings": "0", "highest-severity": "critical",
		})
	})
}

// GitHub takes nothing at all of a summary that is too long. Hotpod writes none, so a stub does; no act is needed.
func TestLongSummary(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{
		1<<20 - 1: strings.Repeat("x", 1<<20-1),
		1 << 20:   "The summary is too long to be shown here: see the log.\n",
	} {
		dir := t.TempDir()
		stub(t, filepath.Join(dir, "hotpod"), `for arg in "$@"; do case $arg in
  --output=sarif=*) echo '{}' >"${arg#*=*=}" ;;
  --output=json=*) printf '{\n  "summary": {\n    "findings": 0,\n    "new": 0,\n    "highest": "none"\n  }\n}\n' >"${arg#*=*=}" ;;
  --output=markdown=*) head -c "$SIZE" /dev/zero | tr '\0' x >"${arg#*=*=}" ;;
esac; done`)
		command := exec.CommandContext(t.Context(), "bash", filepath.Join(root, ".github/action/run.sh"), "scan")
		command.Env = []string{
			"PATH=" + os.Getenv("PATH"), "SIZE=" + strconv.Itoa(size), "HOTPOD=" + filepath.Join(dir, "hotpod"),
			"RUNNER_TEMP=" + dir, "GITHUB_OUTPUT=" + filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY=" + filepath.Join(dir, "summary"),
			"GITHUB_WORKSPACE=" + dir, "GITHUB_REPOSITORY=shop/shop", "GITHUB_ACTOR=somebody", "PULL_REQUEST=", "HEAD_REPOSITORY=",
			"VISIBILITY=public", "INPUT_UPLOAD=auto", "INPUT_WORKING_DIRECTORY=.", "INPUT_PATHS=.", "INPUT_FAIL_ON=high",
			"INPUT_CHECKS=", "INPUT_NAMESPACE=", "INPUT_KUBERNETES_VERSION=", "INPUT_CONFIG=", "INPUT_BASE=none",
		}
		if log, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		if got := read(t, filepath.Join(dir, "summary")); got != want {
			t.Errorf("of a summary of %d bytes, %d are written", size, len(got))
		}
	}
}
