package report_test

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/report"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/triage"
)

const fixtures = "../fixtures"

// scan makes the report of files and folders, as cmd does for one world.
func scan(t *testing.T, fsys fs.FS, names ...string) *report.Report {
	t.Helper()
	var trees []source.Tree
	for _, name := range names {
		trees = append(trees, source.Tree{FS: fsys, Name: name})
	}
	in, err := source.Load(t.Context(), trees, source.Options{Limits: source.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	if in.Files == 0 {
		t.Fatalf("%q hold no manifests", names)
	}
	return judge(t, fsys, in)
}

func judge(t *testing.T, fsys fs.FS, in source.Result) *report.Report {
	t.Helper()
	model, wrong := rbac.Build(in.Objects, rbac.Options{})
	findings, failures := checks.Run(model, checks.All(), checks.Options{Minor: 37})
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	ignores, odd := triage.Comments(in.Objects)
	outcome := triage.Apply(findings, triage.Options{
		Checks: checks.All(), FailOn: checks.High, Ignores: ignores, Today: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
	})
	r := report.New(report.Scan{
		Version: "0.0.0-test", Checks: checks.All(), Outcome: outcome, FailOn: checks.High,
		Problems: slices.Concat(in.Problems, wrong, odd, outcome.Notices), Files: in.Files, Objects: len(in.Objects),
	})
	for _, results := range [][]report.Result{r.Results, r.Ignored} {
		for i := range results {
			at := results[i].Location
			content, err := fs.ReadFile(fsys, at.Path)
			if err != nil {
				t.Fatal(err)
			}
			results[i].LineHash = report.LineHashes(content, at.Line)[at.Line-1]
		}
	}
	return r
}

// fixtureFolders are the folders of fixtures, each a world of its own.
func fixtureFolders(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(fixtures)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && hasManifest(t, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

func hasManifest(t *testing.T, folder string) bool {
	t.Helper()
	found := false
	err := fs.WalkDir(os.DirFS(fixtures), folder, func(name string, d fs.DirEntry, err error) error {
		found = found || slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
