package report_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/report"
	"github.com/hotpod-dev/hotpod/triage"
)

// Each format of each report is a file in testdata/golden. HOTPOD_UPDATE=1
// writes them anew, to be reviewed as a diff.
func TestGolden(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) *report.Report{
		"demo": func(t *testing.T) *report.Report { return scan(t, os.DirFS(fixtures), "demo") },
		"grouped": func(t *testing.T) *report.Report {
			return scan(t, os.DirFS(fixtures), "HP101/bad-lists.yaml", "HP311/bad-through-group.yaml", "HP603/bad.yaml")
		},
		"odd": func(t *testing.T) *report.Report {
			r := scan(t, os.DirFS("testdata/input"), ".")
			r.Prefix, r.Category, r.ShowIgnored = "deploy/prod", "rbac", true
			return r
		},
		"base": func(t *testing.T) *report.Report {
			r := scan(t, os.DirFS(fixtures), "demo")
			return compared(r)
		},
		"quiet": func(t *testing.T) *report.Report { return scan(t, os.DirFS(fixtures), "HP101/good.yaml") },
	} {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			r.Rules = shortRules(r)
			formats := report.Formats()
			formats["color"] = colored
			for format, write := range formats {
				golden(t, filepath.Join("testdata/golden", name+"."+format), render(t, write, r))
			}
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if os.Getenv("HOTPOD_UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make golden writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; make golden accepts it):\n%s", file, diff)
	}
}

func render(t *testing.T, write report.Format, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shortRules are the rules of the results, with texts that stay the same when
// somebody mends those of a check.
func shortRules(r *report.Report) []report.Rule {
	var rules []report.Rule
	for _, rule := range r.Rules {
		named := func(res report.Result) bool { return res.Rule == rule.ID }
		if slices.ContainsFunc(slices.Concat(r.Results, r.Ignored), named) {
			rule.Why, rule.Fix, rule.Quiet = "Why `it` matters.", "What to do.", "What is left alone."
			rule.Links = []string{"https://kubernetes.io/docs/"}
			rules = append(rules, rule)
		}
	}
	return rules
}

// What a report holds can be written down and read back, and then gives the
// same bytes in every format.
func TestRoundTrip(t *testing.T) {
	check := func(t *testing.T, r *report.Report) {
		saved := render(t, report.JSON, r)
		again, err := report.Read(bytes.NewReader(saved))
		if err != nil {
			t.Fatal(err)
		}
		for name, write := range report.Formats() {
			if !bytes.Equal(render(t, write, r), render(t, write, again)) {
				t.Errorf("%s differs", name)
			}
		}
	}
	for _, folder := range fixtureFolders(t) {
		t.Run(folder, func(t *testing.T) { check(t, scan(t, os.DirFS(fixtures), folder)) })
	}
	t.Run("odd", func(t *testing.T) {
		r := scan(t, os.DirFS("testdata/input"), ".")
		r.Prefix, r.Category, r.ShowIgnored = "deploy/prod", "rbac", true
		check(t, r)
	})
}

func colored(w io.Writer, r *report.Report) error { return report.Text(w, r, true) }

// compared marks a report as one with a base: the first result was there
// before, the others are new, and something is gone.
func compared(r *report.Report) *report.Report {
	r.Base = "main [x](1)\n"
	for i := range r.Results {
		res := &r.Results[i]
		res.State = triage.New
		if i == 0 {
			res.State, res.Fails = triage.Unchanged, false
			r.Summary.New -= len(res.Findings)
			r.Summary.Failing -= len(res.Findings)
		}
		for j := range res.Findings {
			res.Findings[j].State = res.State
		}
	}
	gone := r.Results[len(r.Results)-1]
	gone.State = triage.Absent
	r.Absent, r.Summary.Absent = []report.Result{gone}, 1
	r.Delta = []report.Change{{
		Subject: "ServiceAccount:shop/checkout",
		Gains:   []report.Access{{Verbs: []string{"list"}, Resource: "secrets", Namespace: "shop"}, {Verbs: []string{"get"}, Path: "/metrics"}},
		Losses:  []report.Access{{Verbs: []string{"*"}, Group: "apps", Resource: "deployments", Names: []string{"web"}}},
	}}
	return r
}

// The findings of a result keep the severity of its rule.
func TestSeverityOfRule(t *testing.T) {
	for _, folder := range fixtureFolders(t) {
		r := scan(t, os.DirFS(fixtures), folder)
		severity := map[string]checks.Severity{}
		for _, rule := range r.Rules {
			severity[rule.ID] = rule.Severity
		}
		for _, res := range r.Results {
			if s, ok := severity[res.Rule]; !ok || s != res.Severity {
				t.Errorf("%s: %s is %s, its rule %s", folder, res.Rule, res.Severity, s)
			}
		}
	}
}
