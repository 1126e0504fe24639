// Package action runs the GitHub Action in act, as a workflow of a scratch repository would, and looks at what reaches
// the log, the outputs and code scanning.
package action

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const (
	root = "../.."

	clean = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules:
  - apiGroups: [""]
    resources: [configmaps]
    resourceNames: [menu]
    verbs: [get]
`
	risky = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all}
rules:
  - apiGroups: ["*"]
    resources: ["*"]
    verbs: ["*"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: all}
subjects:
  - {kind: ServiceAccount, name: app, namespace: shop}
`
)

// A job is one use of the action, and what it runs on.
type job struct {
	files      map[string]string // of the pull request's merge commit, or of what was pushed
	before     map[string]string // where the pull request's branch began, or before the push
	meanwhile  map[string]string // what the target of the pull request got since
	with       map[string]string
	event      string // "pull_request" by default, or "fork", "push", "new branch", "merge_group" or "schedule"
	visibility string // "public" by default
	noUpload   bool   // code scanning refuses the upload
	noFetch    bool   // the repository cannot be fetched from
	depth      string // that checkout was told to fetch; 1 by default
	sparse     string // the only folder that checkout was told to fetch
}

// A result is what was left when the job was over.
type result struct {
	outcome   string            // of the action: success or failure
	outputs   map[string]string // of the action
	uploaded  *sarif            // nil without an upload
	category  string            // of the upload
	workspace []string          // files, afterwards
	summary   string
	log       string
}

type sarif struct {
	Runs []struct {
		Results []struct {
			Locations []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
				}
			}
		}
	}
}

func TestCleanTreePasses(t *testing.T) {
	t.Parallel()
	got := run(t, job{files: map[string]string{"role.yaml": clean}})
	check(t, got, "success", map[string]string{
		"exit-code": "0", "findings": "0", "new-findings": "0", "highest-severity": "none",
	})
	if got.uploaded == nil || len(got.uploaded.Runs) != 1 || len(got.uploaded.Runs[0].Results) != 0 {
		t.Errorf("uploaded %+v, want one run without results, which closes the alerts", got.uploaded)
	}
	if got.category != "hotpod" {
		t.Errorf("category is %q, want the fixed one", got.category)
	}
}

func TestRiskyTreeFailsAfterTheUpload(t *testing.T) {
	t.Parallel()
	got := run(t, job{
		files: map[string]string{"deploy/role.yaml": risky},
		with:  map[string]string{"category": "shop"},
	})
	check(t, got, "failure", map[string]string{
		"exit-code": "1", "findings": "1", "new-findings": "1", "highest-severity": "critical",
	})
	if diff := cmp.Diff([]string{"deploy/role.yaml"}, got.files()); diff != "" {
		t.Errorf("uploaded (-want +got):\n%s", diff)
	}
	if got.category != "shop" {
		t.Errorf("category is %q, want the input's", got.category)
	}
	if !strings.Contains(got.log, "::error file=deploy/role.yaml,") {
		t.Errorf("no annotation of the file in the log:\n%s", got.log)
	}
}

func TestInputsReachTheScan(t *testing.T) {
	t.Parallel()
	got := run(t, job{
		files: map[string]string{
			"apps/shop/role.yaml":  risky,
			"apps/other/role.yaml": risky,
			"apps/notes.yaml":      "# not named in paths\n" + risky,
		},
		with: map[string]string{
			"working-directory":  "apps",
			"paths":              "shop\n\nother\n",
			"fail-on":            "never",
			"checks":             "HP5*",
			"namespace":          "shop",
			"kubernetes-version": "1.36",
		},
	})
	if got.outcome != "success" {
		t.Errorf("outcome is %s, though fail-on is never:\n%s", got.outcome, got.log)
	}
	if diff := cmp.Diff([]string{"apps/other/role.yaml", "apps/shop/role.yaml"}, got.files()); diff != "" {
		t.Errorf("uploaded, from the repository's root (-want +got):\n%s", diff)
	}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		job      job
		outcome  string
		uploaded bool
	}{
		"push":                            {job{event: "push"}, "success", true},
		"refused":                         {job{noUpload: true}, "failure", true},
		"switched off":                    {job{with: upload("false")}, "success", false},
		"fork":                            {job{event: "fork"}, "success", false},
		"fork, switched on":               {job{event: "fork", with: upload("true")}, "success", true},
		"fork, switched on and refused":   {job{event: "fork", with: upload("true"), noUpload: true}, "success", true},
		"private repository":              {job{visibility: "private"}, "success", false},
		"private repository, switched on": {job{visibility: "private", with: upload("true")}, "success", true},
		"internal repository":             {job{visibility: "internal"}, "success", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.job.files = map[string]string{"role.yaml": clean}
			got := run(t, test.job)
			if got.outcome != test.outcome || (got.uploaded != nil) != test.uploaded {
				t.Errorf("outcome %s, uploaded %t; want %s, %t:\n%s",
					got.outcome, got.uploaded != nil, test.outcome, test.uploaded, got.log)
			}
		})
	}
}

func TestIncompleteScanIsNotClean(t *testing.T) {
	t.Parallel()
	got := run(t, job{files: map[string]string{"role.yaml": clean, "torn.yaml": "kind: Role\nrules: [\n"}})
	check(t, got, "failure", map[string]string{
		"exit-code": "3", "findings": "0", "new-findings": "0", "highest-severity": "none",
	})
	if got.uploaded != nil {
		t.Error("uploaded a result without findings, which closes alerts that nobody looked at")
	}
}

func TestWrongInputs(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]map[string]string{
		"fail-on":            {"fail-on": "always"},
		"upload":             {"upload": "perhaps"},
		"paths":              {"paths": ""},
		"working-directory":  {"working-directory": "nowhere"},
		"binary":             {"binary": "nowhere"},
		"binary and command": {"binary": "nowhere\n::error::forged\n$(touch pwned)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, job{files: map[string]string{"role.yaml": clean}, with: with})
			if got.outcome != "failure" || got.uploaded != nil {
				t.Errorf("outcome %s, uploaded %v; want a failure before any upload:\n%s", got.outcome, got.uploaded, got.log)
			}
			if !strings.Contains(got.log, "::error title=Hotpod::") {
				t.Errorf("the log does not say what is wrong:\n%s", got.log)
			}
			checkUntouched(t, got, "role.yaml")
		})
	}
}

// Names that would do harm where a shell parsed an input, or the runner read a name as a command.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	const (
		folder = "a 'b' \"c\" $(touch pwned) `touch pwned`; touch pwned & ::error::forged | <img src=x>"
		flag   = "--fail-on=never"
	)
	manifest := strings.ReplaceAll(risky, "name: all}", `name: "all\n::error::forged\n##[error]forged | <img src=x> [a](https://example.com) `+"```"+`"}`)
	files := map[string]string{
		folder + "/role.yaml":           manifest,
		flag + "/role.yaml":             manifest,
		"torn\n::error::forged\n.yaml":  "kind: Role\nrules: [\n",
		"torn\n##[error]forged\n2.yaml": "kind: Role\nrules: [\n",
	}
	t.Run("as paths", func(t *testing.T) {
		t.Parallel()
		got := run(t, job{files: files, with: map[string]string{"paths": folder + "\n" + flag}})
		check(t, got, "failure", map[string]string{
			"exit-code": "1", "findings": "2", "new-findings": "2", "highest-severity": "critical",
		})
		checkUntouched(t, got, folder+"/role.yaml", flag+"/role.yaml", "torn\n::error::forged\n.yaml",
			"torn\n##[error]forged\n2.yaml")
	})
	t.Run("in the tree", func(t *testing.T) {
		t.Parallel()
		got := run(t, job{files: files})
		if got.outcome != "failure" || got.outputs["exit-code"] != "1" {
			t.Errorf("outcome %s, outputs %v; want the findings to fail the job:\n%s", got.outcome, got.outputs, got.log)
		}
		checkUntouched(t, got, folder+"/role.yaml", flag+"/role.yaml", "torn\n::error::forged\n.yaml",
			"torn\n##[error]forged\n2.yaml")
	})
}

// Without a binary or a release, the action builds its own source.
func TestBuildsFromSource(t *testing.T) {
	t.Parallel()
	got := run(t, job{
		files: map[string]string{"role.yaml": clean},
		with:  map[string]string{"binary": "", "version": "source"},
	})
	check(t, got, "success", map[string]string{
		"exit-code": "0", "findings": "0", "new-findings": "0", "highest-severity": "none",
	})
}

func upload(value string) map[string]string { return map[string]string{"upload": value} }

// files lists the files that the uploaded results are in.
func (r result) files() []string {
	if r.uploaded == nil {
		return nil
	}
	var files []string
	for _, one := range r.uploaded.Runs[0].Results {
		files = append(files, one.Locations[0].PhysicalLocation.ArtifactLocation.URI)
	}
	slices.Sort(files)
	return files
}

func check(t *testing.T, got result, outcome string, outputs map[string]string) {
	t.Helper()
	if got.outcome != outcome {
		t.Errorf("outcome is %s, want %s:\n%s", got.outcome, outcome, got.log)
	}
	if got.outputs["sarif-file"] == "" {
		t.Error("no output sarif-file")
	}
	delete(got.outputs, "sarif-file")
	if diff := cmp.Diff(outputs, got.outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

var (
	// What is printed while the runner takes no commands.
	deaf = regexp.MustCompile(`(?s)::stop-commands::[0-9a-f]{32}\n.*?::[0-9a-f]{32}::`)
	// act marks an error with this sign. It knows no ##[error], which a runner takes wherever it is in a line, unless
	// the line is another command.
	// What a name must not put into the summary: a tag, a link, a fence, a line of its own.
	alive  = regexp.MustCompile("<img|\\[a\\]|[^\n]```|(?m)^(::|##\\[)")
	forged = regexp.MustCompile(`(?m)(❗ +::error::forged|\] +\|.*##\[).*$`)
)

// checkUntouched checks that the workspace holds the files named and no others, and that no name became a command.
func checkUntouched(t *testing.T, got result, files ...string) {
	t.Helper()
	want := map[string]bool{".github/workflows/scan.yaml": true}
	for _, file := range files {
		want[file] = true
	}
	for _, file := range got.workspace {
		if !want[file] {
			t.Errorf("%q has come into the workspace", file)
		}
	}
	if line := forged.FindString(deaf.ReplaceAllString(got.log, "")); line != "" {
		t.Errorf("a name became a command: %s", line)
	}
	if text := alive.FindString(got.summary); text != "" {
		t.Errorf("a name became %q in the summary:\n%s", text, got.summary)
	}
}

// act logs what is added to the summary.
var summary = regexp.MustCompile(`(?s)Summary - (.*?)\n\[scan\.yaml/scan\]`)

// remote is what the clone knows as its origin, which act takes the repository's name from.
const remote = "https://github.com/shop/shop.git"

// commit makes the repository and a clone as checkout leaves it, and returns the event.
func (j job) commit(t *testing.T, origin, clone string) string {
	t.Helper()
	workflow := j.workflow(t)
	commit := func(files map[string]string) string {
		git(t, origin, "rm", "-r", "--quiet", "--ignore-unmatch", ".")
		write(t, filepath.Join(origin, ".github/workflows/scan.yaml"), workflow)
		for name, content := range files {
			write(t, filepath.Join(origin, name), content)
		}
		git(t, origin, "add", ".")
		git(t, origin, "commit", "--quiet", "--allow-empty", "--message=test")
		return git(t, origin, "rev-parse", "HEAD")
	}
	mkdir(t, origin)
	git(t, origin, "init", "--quiet", "--initial-branch=main")
	git(t, origin, "config", "user.name", "test")
	git(t, origin, "config", "user.email", "test@example.com")
	before, head, branch := commit(j.before), "", "main"
	switch j.event {
	case "", "fork":
		branch = "merge"
		git(t, origin, "switch", "--quiet", "--create=change")
		head = commit(j.files)
		git(t, origin, "switch", "--quiet", "main")
		if j.meanwhile != nil {
			files := maps.Clone(j.before)
			maps.Copy(files, j.meanwhile)
			commit(files)
		}
		git(t, origin, "switch", "--quiet", "--create=merge")
		git(t, origin, "merge", "--quiet", "--no-ff", "--message=merge", "change")
	case "new branch":
		branch = "fresh"
		git(t, origin, "switch", "--quiet", "--create=fresh")
		commit(j.files)
	default:
		commit(j.files)
	}

	depth := j.depth
	if depth == "" {
		depth = "1"
	}
	args := []string{"clone", "--quiet", "--depth=" + depth, "--branch=" + branch, "file://" + origin, clone}
	if j.sparse != "" {
		git(t, origin, "config", "uploadpack.allowFilter", "true")
		args = append(args, "--filter=blob:none", "--sparse")
	}
	git(t, origin, args...)
	if j.sparse != "" {
		git(t, clone, "sparse-checkout", "set", j.sparse, ".github")
	}
	git(t, clone, "remote", "set-url", "origin", remote)
	return j.payload(t, before, head)
}

// run runs the job in act, in a repository of its own.
func run(t *testing.T, j job) result {
	t.Helper()
	act, err := exec.LookPath("act")
	if err != nil {
		t.Skip("act is not installed: `make e2e` installs and uses it")
	}

	dir := t.TempDir()
	repository, left := filepath.Join(dir, "repository"), filepath.Join(dir, "left")
	origin := filepath.Join(dir, "origin")
	write(t, filepath.Join(dir, "event.json"), j.commit(t, origin, repository))
	if j.noFetch {
		origin += "-is-gone"
	}
	write(t, filepath.Join(dir, "codeql-action/upload-sarif/action.yml"), uploadSARIF)
	write(t, filepath.Join(dir, "setup-go/action.yml"), setupGo)
	mkdir(t, left)
	mkdir(t, filepath.Join(dir, "home"))

	trigger := "pull_request"
	switch j.event {
	case "push", "new branch":
		trigger = "push"
	case "merge_group", "schedule":
		trigger = j.event
	}
	args := []string{
		trigger, "--directory", repository, "--eventpath", filepath.Join(dir, "event.json"),
		"--platform", "ubuntu-latest=-self-hosted", "--secret", "GITHUB_TOKEN=not-a-token",
		"--env", "GIT_CONFIG_COUNT=1", "--env", "GIT_CONFIG_KEY_0=url.file://" + origin + ".insteadOf", "--env", "GIT_CONFIG_VALUE_0=" + remote,
		"--env", "LEFT=" + left, "--env", "CACHE=" + goEnv(t, "GOCACHE"), "--env", "MODULES=" + goEnv(t, "GOMODCACHE"),
		"--local-repository", "hotpod-dev/hotpod@" + pin + "=" + j.action(t, dir),
	}
	for action, stub := range map[string]string{
		"github/codeql-action": filepath.Join(dir, "codeql-action"),
		"actions/setup-go":     filepath.Join(dir, "setup-go"),
	} {
		args = append(args, "--local-repository", action+"@"+pinOf(t, action)+"="+stub)
	}
	if j.noUpload {
		args = append(args, "--env", "REFUSE=1")
	}
	command := exec.CommandContext(t.Context(), act, args...)
	command.Env = append(os.Environ(), "HOME="+filepath.Join(dir, "home"), "XDG_CACHE_HOME="+filepath.Join(dir, "home"))
	log, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}

	r := result{log: string(log), category: strings.TrimSpace(read(t, filepath.Join(left, "category")))}
	r.outcome = strings.TrimSpace(read(t, filepath.Join(left, "outcome")))
	if match := summary.FindStringSubmatch(r.log); match != nil {
		r.summary = match[1]
	}
	if r.outcome == "" {
		t.Fatalf("the workflow did not run:\n%s", log)
	}
	decode(t, read(t, filepath.Join(left, "outputs")), &r.outputs)
	if uploaded := read(t, filepath.Join(left, "uploaded.sarif")); uploaded != "" {
		r.uploaded = new(sarif)
		decode(t, uploaded, r.uploaded)
	}
	for name := range strings.SplitSeq(read(t, filepath.Join(left, "workspace")), "\x00") {
		if name != "" {
			r.workspace = append(r.workspace, strings.TrimPrefix(name, "./"))
		}
	}
	return r
}

// pin is what the scratch workflow pins the action to. act is told to take the tree at hand for it.
const pin = "0000000000000000000000000000000000000000"

func (j job) workflow(t *testing.T) string {
	t.Helper()
	with := map[string]string{"binary": hotpod(t)}
	for name, value := range j.with {
		with[name] = value
	}
	type step map[string]any
	workflow, err := yaml.Marshal(map[string]any{
		"on": map[string]any{
			"push": nil, "pull_request": nil, "merge_group": nil, "schedule": []map[string]string{{"cron": "17 4 * * 1"}},
		},
		"permissions": map[string]string{},
		"jobs": map[string]any{"scan": map[string]any{
			"runs-on": "ubuntu-latest",
			"steps": []step{
				{"uses": "actions/checkout@" + pin}, // act's own: it copies the repository
				// As a job may have set them for the source that it builds itself.
				{"run": "{ echo GOFLAGS=-mod=vendor; echo GOOS=plan9; echo GOTOOLCHAIN=local; " +
					"echo GOCACHE=$CACHE; echo GOMODCACHE=$MODULES; } >>$GITHUB_ENV"},
				{"id": "hotpod", "uses": "hotpod-dev/hotpod@" + pin, "with": with},
				{
					"if": "always()",
					"env": map[string]string{
						"OUTPUTS": "${{ toJSON(steps.hotpod.outputs) }}",
						"OUTCOME": "${{ steps.hotpod.outcome }}",
					},
					"run": `echo "$OUTCOME" >"$LEFT/outcome"; echo "$OUTPUTS" >"$LEFT/outputs"
find . -path ./.git -prune -o -type f -print0 >"$LEFT/workspace"`,
				},
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(workflow)
}

func (j job) payload(t *testing.T, before, change string) string {
	t.Helper()
	visibility, head := "public", "shop/shop"
	if j.visibility != "" {
		visibility = j.visibility
	}
	if j.event == "fork" {
		head = "stranger/shop"
	}
	payload := map[string]any{"repository": map[string]any{
		"full_name": "shop/shop", "visibility": visibility, "default_branch": "main",
	}}
	switch j.event {
	case "push":
		payload["before"], payload["ref"] = before, "refs/heads/main"
	case "new branch":
		payload["before"], payload["ref"] = strings.Repeat("0", 40), "refs/heads/fresh"
	case "merge_group":
		payload["merge_group"] = map[string]any{"base_sha": before}
	case "schedule":
	default:
		payload["number"] = 1
		payload["pull_request"] = map[string]any{
			"number": 1,
			// The commit of the target is that of the day on which the pull request was opened.
			"base": map[string]any{"ref": "main", "sha": before, "repo": map[string]any{"full_name": "shop/shop"}},
			// A fork of something else has pull requests of its own.
			"head": map[string]any{"ref": "change", "sha": change, "repo": map[string]any{"full_name": head, "fork": true}},
		}
	}
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// uploadSARIF stands in for github/codeql-action/upload-sarif, and setupGo for actions/setup-go.
const (
	uploadSARIF = `name: upload-sarif
inputs:
  sarif_file: {required: true}
  category: {required: false}
runs:
  using: composite
  steps:
    - shell: bash
      run: cp "$FILE" "$LEFT/uploaded.sarif"; echo "$CATEGORY" >"$LEFT/category"; exit "${REFUSE:-0}"
      env:
        FILE: ${{ inputs.sarif_file }}
        CATEGORY: ${{ inputs.category }}
`
	setupGo = `name: setup-go
runs:
  using: composite
  steps:
    - {shell: bash, run: "echo Go is here already; exit 1"}
`
)

// hotpod builds the binary once, for all tests.
func hotpod(t *testing.T) string {
	t.Helper()
	binary, err := builtOnce()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

var builtOnce = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(scratch, "hotpod")
	out, err := exec.Command("go", "build", "-o", binary, root+"/cmd/hotpod").CombinedOutput()
	if err != nil {
		return "", errors.New("building hotpod: " + string(out))
	}
	return binary, nil
})

// scratch is for what the tests share.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "hotpod-action-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// pinOf returns the commit that action.yml pins another action to.
func pinOf(t *testing.T, action string) string {
	t.Helper()
	match := regexp.MustCompile(regexp.QuoteMeta(action) + `(?:/[\w-]+)?@([0-9a-f]{40}) # v\d+\.\d+\.\d+\n`).
		FindStringSubmatch(read(t, filepath.Join(root, "action.yml")))
	if match == nil {
		t.Fatalf("action.yml does not pin %s by a full commit hash, with its version as a comment", action)
	}
	return match[1]
}

// action returns a folder with what the action needs, which without a binary is the whole source. act copies it.
func (j job) action(t *testing.T, dir string) string {
	t.Helper()
	if j.with["version"] == "source" {
		source, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		return source
	}
	for _, file := range []string{"action.yml", ".github/action/run.sh"} {
		write(t, filepath.Join(dir, "action", file), read(t, filepath.Join(root, file)))
	}
	return filepath.Join(dir, "action")
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	value, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(value))
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("git", args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	mkdir(t, filepath.Dir(file))
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// stub writes a program in shell.
func stub(t *testing.T, file, script string) {
	t.Helper()
	write(t, file, "#!/bin/sh\n"+script+"\n")
	if err := os.Chmod(file, 0o755); err != nil {
		t.Fatal(err)
	}
}

// read returns what is in a file, which is nothing if there is no such file.
func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(content)
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewBufferString(text)).Decode(into); err != nil {
		t.Fatalf("decoding %q: %v", text, err)
	}
}
