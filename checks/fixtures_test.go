package checks_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

const fixturesDir = "../fixtures"

// minor is the Kubernetes version of fixtures that name no other.
const minor = 37

// TestFixtures scans each fixture as a world of its own and compares the
// findings with the "# want" comments: on the line where a finding must start
// stands its check, HP101, or its rule, HP101/cluster; once for each finding.
func TestFixtures(t *testing.T) {
	for _, c := range checks.All() {
		for _, name := range worlds(t, c) {
			t.Run(c.ID+"/"+name, func(t *testing.T) { scanFixture(t, c, path.Join(c.ID, name)) })
		}
	}
}

// worlds lists the fixtures of a check: files and folders bad* and good*.
func worlds(t *testing.T, c *checks.Check) []string {
	t.Helper()
	entries, err := os.ReadDir(path.Join(fixturesDir, c.ID))
	if err != nil {
		t.Fatalf("every check has fixtures: %v", err)
	}
	var names []string
	count := map[string]int{}
	for _, e := range entries {
		kind := "good"
		if !strings.HasPrefix(e.Name(), kind) {
			kind = "bad"
		}
		if !strings.HasPrefix(e.Name(), kind) || (!e.IsDir() && path.Ext(e.Name()) != ".yaml") {
			t.Errorf("%s/%s: fixtures are called bad*.yaml and good*.yaml, or are folders bad* and good*", c.ID, e.Name())
		}
		count[kind]++
		names = append(names, e.Name())
	}
	for _, needed := range []string{"bad.yaml", "good.yaml"} {
		if !slices.Contains(names, needed) {
			t.Errorf("%s has no %s, which its page shows", c.ID, needed)
		}
	}
	if count["good"] < count["bad"] {
		t.Errorf("%s has %d good fixtures and %d bad ones: what stays quiet needs as many", c.ID, count["good"], count["bad"])
	}
	return names
}

func scanFixture(t *testing.T, c *checks.Check, name string) {
	fsys := os.DirFS(fixturesDir)
	wants, minor := readWants(t, fsys, name)
	objects := load(t, fsys, name)
	model, problems := rbac.Build(objects, rbac.Options{})
	for _, p := range problems {
		t.Errorf("problem: %s: %v", p.Position, p.Err)
	}
	findings, failures := checks.Run(model, checks.All(), checks.Options{Minor: minor})
	for _, f := range failures {
		t.Errorf("%s failed: %v", f.Check.ID, f.Err)
	}
	own := 0
	got := map[string][]string{}
	for _, f := range findings {
		if f.Check.ID == c.ID {
			own++
		}
		p := f.Primary.Position()
		place := fmt.Sprintf("%s:%d", p.Path, p.Line)
		got[place] = append(got[place], nearestWant(wants[place], got[place], f))
		validFinding(t, fsys, f)
	}
	for _, all := range []map[string][]string{wants, got} {
		for _, ids := range all {
			slices.Sort(ids)
		}
	}
	if diff := cmp.Diff(wants, got); diff != "" {
		t.Errorf("findings differ (-want +got):\n%s", diff)
	}
	if bad := strings.HasPrefix(path.Base(name), "bad"); bad != (own > 0) {
		t.Errorf("%d findings of %s in a fixture that is called %s", own, c.ID, path.Base(name))
	}
}

// nearestWant names a finding as the comment on its line does: by its check
// alone where only that is wanted.
func nearestWant(wanted, already []string, f *checks.Finding) string {
	left := slices.Clone(wanted)
	for _, a := range already {
		if i := slices.Index(left, a); i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	if !slices.Contains(left, f.RuleID()) && slices.Contains(left, f.Check.ID) {
		return f.Check.ID
	}
	return f.RuleID()
}

// load reads a fixture; nothing in it may be odd.
func load(t *testing.T, fsys fs.FS, name string) []*source.Object {
	t.Helper()
	result, err := source.Load(t.Context(), []source.Tree{{FS: fsys, Name: name}}, source.Options{Limits: source.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range result.Problems {
		t.Errorf("problem: %s: %v", p.Position, p.Err)
	}
	return result.Objects
}

var (
	wantComment    = regexp.MustCompile(`# want(.*)$`)
	ruleID         = regexp.MustCompile(`^HP\d{3}(/[a-z-]+)?$`)
	versionComment = regexp.MustCompile(`(?m)^# kubernetes-version: 1\.(\d+)$`)
)

// readWants collects the expectations of all files of a fixture, by place, and
// the Kubernetes version that it is for: "# kubernetes-version: 1.34".
func readWants(t *testing.T, fsys fs.FS, name string) (wants map[string][]string, version int) {
	t.Helper()
	wants, version = map[string][]string{}, minor
	err := fs.WalkDir(fsys, name, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		if m := versionComment.FindSubmatch(text); m != nil {
			version, _ = strconv.Atoi(string(m[1]))
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			m := wantComment.FindSubmatch(line)
			if m == nil {
				continue
			}
			place := fmt.Sprintf("%s:%d", file, i+1)
			wants[place] = strings.Fields(string(m[1]))
			for _, id := range wants[place] {
				if !ruleID.MatchString(id) {
					t.Errorf("%s: %q is not the ID of a check or rule", place, id)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return wants, version
}

// validFinding holds what every reader of findings relies on.
func validFinding(t *testing.T, fsys fs.FS, f *checks.Finding) {
	t.Helper()
	if f.Who == "" || f.Can == "" || f.Severity == checks.None {
		t.Errorf("%s says too little: %q %q %v", f.RuleID(), f.Who, f.Can, f.Severity)
	}
	if !slices.Contains(f.Check.Variants(), f.Variant()) {
		t.Errorf("%s is not among the variants of its check", f.RuleID())
	}
	for _, sentence := range append([]string{f.Who, f.Can, f.Where}, f.More...) {
		if sentence != strings.TrimSpace(sentence) || strings.Contains(sentence, "  ") {
			t.Errorf("%s: stray spaces in %q", f.RuleID(), sentence)
		}
	}
	for _, place := range slices.Concat([]checks.Place{f.Primary}, f.Chain, f.Also) {
		if place.InFile() {
			inside(t, fsys, place.Position())
		}
	}
}

// inside tells whether a position lies within its file.
func inside(t *testing.T, fsys fs.FS, p source.Position) {
	t.Helper()
	text, err := fs.ReadFile(fsys, p.Path)
	if err != nil {
		t.Errorf("%s: %v", p, err)
		return
	}
	lines := strings.Split(string(text), "\n")
	if p.Line < 1 || p.Line > len(lines) {
		t.Errorf("%s is outside of the file's %d lines", p, len(lines))
		return
	}
	width := len([]rune(lines[p.Line-1]))
	if p.Column < 1 || p.EndColumn <= p.Column || p.EndColumn > width+1 {
		t.Errorf("%s: columns %d to %d are outside of a line of %d", p, p.Column, p.EndColumn, width)
	}
}

// TestNoOrphanFixtures holds that each folder of fixtures belongs to a check.
func TestNoOrphanFixtures(t *testing.T) {
	entries, err := os.ReadDir(fixturesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := checks.Find(e.Name()); err != nil && strings.HasPrefix(e.Name(), "HP") {
			t.Errorf("fixtures/%s: %v", e.Name(), err)
		}
	}
}

// TestOrderDoesNotMatter scans a folder's objects in several orders.
func TestOrderDoesNotMatter(t *testing.T) {
	for _, c := range checks.All() {
		objects := load(t, os.DirFS(fixturesDir), c.ID)
		var first []string
		for i := range 3 {
			switch i {
			case 1:
				slices.Reverse(objects)
			case 2: // the even ones before the odd ones
				half := len(objects) / 2
				objects = append(slices.Clone(objects[half:]), objects[:half]...)
			}
			model, _ := rbac.Build(objects, rbac.Options{})
			findings, _ := checks.Run(model, checks.All(), checks.Options{Minor: minor})
			var said []string
			for _, f := range findings {
				said = append(said, fmt.Sprint(f.Primary.Position(), f.RuleID(), f.Who, f.Can, f.Where, f.More))
				for _, p := range slices.Concat(f.Chain, f.Also) {
					said = append(said, fmt.Sprint(p.Role, p.Position()))
				}
			}
			if i == 0 {
				first = said
			} else if diff := cmp.Diff(first, said); diff != "" {
				t.Errorf("%s: the order of objects changes the findings:\n%s", c.ID, diff)
			}
		}
	}
}

// TestDemo holds what make demo shows.
func TestDemo(t *testing.T) {
	model, problems := rbac.Build(load(t, os.DirFS(fixturesDir), "demo"), rbac.Options{})
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	findings, _ := checks.Run(model, checks.All(), checks.Options{Minor: minor})
	var got []string
	for _, f := range findings {
		p := f.Primary.Position()
		got = append(got, fmt.Sprintf("%s:%d %s", p.Path, p.Line, f.RuleID()))
	}
	want := []string{
		"demo/support-portal.yaml:10 HP301/cluster",
		"demo/support-portal.yaml:10 HP302/cluster",
		"demo/checkout-rbac.yaml:48 HP311/cluster",
		"demo/checkout.yaml:25 HP603/critical",
		"demo/checkout-rbac.yaml:20 HP101/namespace",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings of the demo (-want +got):\n%s", diff)
	}
}
