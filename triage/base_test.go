package triage_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/triage"
)

// TestSince compares pairs of trees: before/ and after/, with both/ in each.
// On the lines of after/ at which a new finding must stand a comment names its
// check or rule, once for each finding: "# new HP101 HP603/high". The comment
// is taken out before anything is read. Files that are called quiet-* have none.
func TestSince(t *testing.T) {
	files, err := filepath.Glob("testdata/since/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		kind, _, _ := strings.Cut(name, "-")
		count[kind]++
		t.Run(name, func(t *testing.T) { since(t, file, kind == "alarm") })
	}
	if len(files) < 40 || count["quiet"] < count["alarm"] {
		t.Errorf("of %d pairs %d must alarm and %d must stay quiet; want 40 at least, and as many quiet ones", len(files), count["alarm"], count["quiet"])
	}
}

var wanted = regexp.MustCompile(`(?m)[ \t]+# new (.*)$`)

func since(t *testing.T, file string, alarm bool) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string][]string{}
	var before, after []*source.Object
	for _, f := range archive.Files {
		state, path, _ := strings.Cut(f.Name, "/")
		if state != "after" {
			before = append(before, parse(t, path, f.Data)...)
		}
		if state != "before" {
			for n, line := range strings.Split(string(f.Data), "\n") {
				if m := wanted.FindStringSubmatch(line); m != nil {
					wants[fmt.Sprintf("%s:%d", path, n+1)] = strings.Fields(m[1])
				}
			}
			after = append(after, parse(t, path, f.Data)...)
		}
	}
	if alarm != (len(wants) > 0) {
		t.Fatalf("%d lines want a finding", len(wants))
	}
	got := map[string][]string{}
	for _, d := range compared(t, before, after) {
		p := d.Finding.Position()
		at := fmt.Sprintf("%s:%d", p.Path, p.Line)
		id := d.Finding.RuleID()
		if !slices.Contains(wants[at], id) && slices.Contains(wants[at], d.Finding.Check.ID) {
			id = d.Finding.Check.ID
		}
		got[at] = append(got[at], id)
	}
	for _, all := range []map[string][]string{wants, got} {
		for _, ids := range all {
			slices.Sort(ids)
		}
	}
	if diff := cmp.Diff(wants, got); diff != "" {
		t.Errorf("new findings differ (-want +got):\n%s", diff)
	}
}

func parse(t *testing.T, path string, text []byte) []*source.Object {
	t.Helper()
	objects, problems := source.Parse(path, wanted.ReplaceAll(text, nil), source.DefaultLimits())
	for _, p := range problems {
		t.Fatalf("%s: %v", p.Position, p.Err)
	}
	return objects
}

// compared gives the decisions about new findings.
func compared(t *testing.T, before, after []*source.Object) []triage.Decision {
	t.Helper()
	base, head := judge(t, before), judge(t, after)
	out := triage.Apply(head.Findings, triage.Options{
		Checks: checks.All(), FailOn: checks.Low, Today: time.Now(),
		Base: &triage.Base{Added: triage.Compare(base, head), Changes: source.NewChanges(before, after)},
	})
	var all []triage.Decision
	for _, d := range out.Shown {
		if d.Fails != (d.State == triage.New) {
			t.Errorf("a finding that is %s: fails is %v", d.State, d.Fails)
		}
		if d.State == triage.New {
			all = append(all, d)
		}
	}
	return all
}

func judge(t *testing.T, objects []*source.Object) triage.World {
	t.Helper()
	model, problems := rbac.Build(objects, rbac.Options{})
	for _, p := range problems {
		t.Fatalf("%s: %v", p.Position, p.Err)
	}
	findings, failures := checks.Run(model, checks.All(), checks.Options{Minor: 37})
	for _, f := range failures {
		t.Fatalf("%s: %v", f.Check.ID, f.Err)
	}
	return triage.World{Model: model, Findings: findings}
}
