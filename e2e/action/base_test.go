package action

import (
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
}
