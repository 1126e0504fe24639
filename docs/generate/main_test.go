package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/checks"
)

// TestFresh holds that the pages in docs are those of today's checks.
func TestFresh(t *testing.T) {
	want, err := pages(os.DirFS("../../fixtures"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("run make generate: %v", err)
		} else if diff := cmp.Diff(string(text), string(got)); diff != "" {
			t.Errorf("run make generate: docs/%s is not up to date (-want +got):\n%s", name, diff)
		}
	}
	there, err := filepath.Glob("../checks/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range there {
		if want["checks/"+filepath.Base(name)] == nil {
			t.Errorf("docs/checks/%s belongs to no check", filepath.Base(name))
		}
	}
}

// TestPages holds what would spoil a page.
func TestPages(t *testing.T) {
	all, err := pages(os.DirFS("../../fixtures"))
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range all {
		text := string(raw)
		for what, pattern := range map[string]string{
			"three line ends": `\n\n\n`, "a stray blank": `[ \t]\n`, "an expectation": `# want`, "a missing value": `<no value>`, "no final line end": `[^\n]\z`,
		} {
			if found := regexp.MustCompile(pattern).FindString(text); found != "" {
				t.Errorf("%s has %s: %q", name, what, found)
			}
		}
		if strings.Count(text, "```")%2 != 0 {
			t.Errorf("%s: a block of code is not closed", name)
		}
	}
	for _, c := range checks.All() {
		if titles[c.ID[2]] == "" {
			t.Errorf("%s is in a group without a title", c.ID)
		}
		if !strings.Contains(string(all["checks.md"]), "(checks/"+c.ID+".md)") {
			t.Errorf("the index lacks %s", c.ID)
		}
	}
}

// TestWrite holds that pages of former checks go, and that twice is once.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "checks"), 0o755); err != nil {
		t.Fatal(err)
	}
	former := filepath.Join(dir, "checks", "HP999.md")
	if err := os.WriteFile(former, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := write(dir, os.DirFS("../../fixtures")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(former); !os.IsNotExist(err) {
		t.Errorf("the page of a former check is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "checks", "HP101.md")); err != nil {
		t.Error(err)
	}
}

func TestPermission(t *testing.T) {
	for want, p := range map[string]checks.Permission{
		"`get` on `secrets`":                           {Verbs: []string{"get"}, Resources: []string{"secrets"}},
		"`a`, `b` or `c` on `x` or `y/z` of `g`":       {Verbs: []string{"a", "b", "c"}, Resources: []string{"x", "y/z"}, Group: "g"},
		"`get` on `users`, by a ClusterRoleBinding":    {Verbs: []string{"get"}, Resources: []string{"users"}, ClusterScoped: true},
		"`get` on `pods/exec`, before Kubernetes 1.35": {Verbs: []string{"get"}, Resources: []string{"pods/exec"}, Before: 35},
	} {
		if got := permission(p); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
