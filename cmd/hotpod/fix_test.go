package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/report"
)

// hotpod runs a command as main does.
func hotpod(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), args, streams{
		in: strings.NewReader(""), out: &stdout, err: &stderr,
		now: func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) },
		env: noEnv,
	})
	return code, stdout.String(), stderr.String()
}

// noEnv is an environment without variables.
func noEnv(string) string { return "" }

// inCopyOf copies folders of fixtures to a new working directory.
func inCopyOf(t *testing.T, folders ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range folders {
		if err := os.CopyFS(filepath.Join(dir, f), os.DirFS(filepath.Join("../../fixtures", f))); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// tree reads all files below the working directory.
func tree(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// fixable are the folders of checks whose findings have a fix.
var fixable = []string{"HP601", "HP602"}

func TestFix(t *testing.T) {
	for _, check := range fixable {
		files, err := filepath.Glob("../../fixtures/" + check + "/bad*.yaml")
		if err != nil || len(files) == 0 {
			t.Fatalf("no fixtures of %s: %v", check, err)
		}
		for _, file := range files {
			name := filepath.Base(file)
			t.Run(check+"/"+name, func(t *testing.T) {
				inCopyOf(t, check)
				before := tree(t)
				code, out, errs := hotpod(t, "scan", "--fix", "--fail-on", "low", "-o", "json", check+"/"+name)
				if code != exitClean {
					t.Errorf("exit code %d: there still is something to find\n%s%s", code, errs, out)
				}
				after := tree(t)
				for file, old := range before {
					if now := after[file]; file == check+"/"+name {
						onlyAutomount(t, old, now)
					} else if now != old {
						t.Errorf("%s has changed too", file)
					}
				}
			})
		}
	}
}

// onlyAutomount wants the lines of a file to be those it had, but for the ones
// that switch a token off.
func onlyAutomount(t *testing.T, old, now string) {
	t.Helper()
	without := func(s string) string {
		var kept []string
		for line := range strings.Lines(s) {
			if !strings.Contains(line, "automountServiceAccountToken:") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	if diff := cmp.Diff(without(old), without(now)); diff != "" {
		t.Errorf("lines that are none of its business have changed:\n%s", diff)
	}
	if old == now {
		t.Error("nothing has changed")
	}
}

func TestFixDryRun(t *testing.T) {
	inCopyOf(t, "HP601")
	before := tree(t)
	code, out, errs := hotpod(t, "scan", "--fix", "--dry-run", "--fail-on", "low", "-o", "json=report.json", "HP601/bad.yaml")
	if code != exitFindings || !strings.Contains(errs, "would fix 1 findings in 1 files") {
		t.Errorf("exit code %d, %s", code, errs)
	}
	want := `--- a/HP601/bad.yaml
+++ b/HP601/bad.yaml
@@ -20,6 +20,7 @@
         app: web
     spec:
       serviceAccountName: web # want HP601
+      automountServiceAccountToken: false
       containers:
         - name: web
           image: registry.example.com/web:1.9.0
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("the diff differs (-want +got):\n%s", diff)
	}
	saved, err := os.Open("report.json")
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	r, err := report.Read(saved)
	if err != nil || len(r.Results) != 1 || r.Results[0].Fix == nil {
		t.Errorf("the report has no fix: %+v, %v", r, err)
	}
	if err := os.Remove("report.json"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tree(t)); diff != "" {
		t.Errorf("a dry run changes files:\n%s", diff)
	}
}

// A pod spec that two workloads share by an alias is left alone, aloud.
func TestFixRefusesAlias(t *testing.T) {
	t.Chdir(t.TempDir())
	manifest := `apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Pod
    metadata: {name: a}
    spec: &spec
      containers: [{name: a, image: a}]
  - apiVersion: v1
    kind: Pod
    metadata: {name: b}
    spec: *spec
`
	if err := os.WriteFile("pods.yaml", []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	_, out, errs := hotpod(t, "scan", "--fix", "--check", "HP601", ".")
	for _, want := range []string{
		"pods.yaml:7:5: HP601 not fixed: cannot set automountServiceAccountToken: false in the pod spec of Pod 'default/a': spec has an anchor (&spec), and others share it",
		"Pod 'default/b': spec is an alias (*spec), so others share it",
		"fixed 0 findings in 0 files",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("stderr does not say %q:\n%s", want, errs)
		}
	}
	if !strings.Contains(out, "2 findings") {
		t.Errorf("the findings are not shown:\n%s", out)
	}
	if got := tree(t)["pods.yaml"]; got != manifest {
		t.Errorf("the file has changed:\n%s", got)
	}
}

// What one world can do without, another may need.
func TestFixKeepsToAllWorlds(t *testing.T) {
	t.Chdir(t.TempDir())
	role := "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: default, namespace: default}]\n"
	for name, content := range map[string]string{
		".hotpod.yaml":  "worlds: ['envs/*']\n",
		"pod.yaml":      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a, image: a}]\n",
		"envs/a/x.yaml": role,
		"envs/b/x.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, out, errs := hotpod(t, "scan", "--fix", "."); !strings.Contains(errs, "fixed 0 findings") {
		t.Errorf("%s%s", errs, out)
	}
}

func TestFixFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{"scan", "--dry-run"},
		{"scan", "--fix", "-"},
		{"scan", "--fix", "--dry-run", "-o", "text"},
	} {
		if code, _, errs := hotpod(t, args...); code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, code, errs)
		}
	}
}
