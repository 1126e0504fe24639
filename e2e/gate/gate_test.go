// Package gate judges a history: real projects, and a dozen commits on them of which half let somebody do more than
// before. The gate, which is the exit code of a scan against the parent, has to hold up those and no others.
package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A commit is one change of the history.
type commit struct {
	kind  string
	what  string
	risky bool
	edit  func(tree)
}

// The projects, each a folder of the tree. testdata/projects holds the files that the commits touch, and what those
// refer to; the table of docs/gate.md is of whole projects.
const (
	calico     = "calico/manifests/"
	localPath  = "local-path-provisioner/deploy/local-path-storage.yaml"
	prometheus = "kube-prometheus/manifests/"
)

var projects = []struct{ name, repository, commit string }{
	{"calico", "projectcalico/calico", "87c15906f20c4ca1fda55af92295e7678b0cc0b2"},
	{"kube-prometheus", "prometheus-operator/kube-prometheus", "4d719f1dea8853540b3823ab1fbe6be74a9953b3"},
	{"local-path-provisioner", "rancher/local-path-provisioner", "9fa2a62eda441935d28b1d597aa5a3c665481d65"},
}

// Harmless changes stand behind risky ones, and touch the same objects: what came before must not count again.
var history = []commit{
	{"reformat", "local-path-provisioner: all documents in another order, lists in another style", false, func(t tree) {
		documents := strings.Split(strings.TrimSuffix(t.read(localPath), "\n"), "\n\n---\n")
		slices.Reverse(documents)
		list := regexp.MustCompile(`(?m)^(\s+)(- )?(apiGroups|resources|verbs): \[(.*)\]$`)
		t.write(localPath, list.ReplaceAllStringFunc(strings.Join(documents, "\n---\n")+"\n", func(line string) string {
			m := list.FindStringSubmatch(line)
			out := m[1] + m[2] + m[3] + ":"
			for item := range strings.SplitSeq(m[4], ", ") {
				out += "\n" + strings.Repeat(" ", len(m[1]+m[2])) + "- " + item
			}
			return out
		}))
	}},
	{"verb added", "kube-prometheus: the adapter may also create nodes, namespaces, pods and services", true, func(t tree) {
		t.replace(prometheus+"prometheusAdapter-clusterRole.yaml", "  - watch\n", "  - watch\n  - create\n")
	}},
	{"rename", "kube-prometheus: ClusterRole kube-state-metrics gets another name, in its binding too", false, func(t tree) {
		t.replace(prometheus+"kubeStateMetrics-clusterRole.yaml", "  name: kube-state-metrics\nrules:", "  name: object-state-reader\nrules:")
		t.replace(prometheus+"kubeStateMetrics-clusterRoleBinding.yaml", "  name: kube-state-metrics\nsubjects:", "  name: object-state-reader\nsubjects:")
	}},
	{"subject added", "kube-prometheus: what kube-state-metrics may list, grafana may too", true, func(t tree) {
		t.replace(prometheus+"kubeStateMetrics-clusterRoleBinding.yaml", "subjects:\n",
			"subjects:\n- kind: ServiceAccount\n  name: grafana\n  namespace: monitoring\n")
	}},
	{"role split in two", "kube-prometheus: the operator's ClusterRole, with a second binding", false, func(t tree) {
		const role, binding = prometheus + "prometheusOperator-clusterRole.yaml", prometheus + "prometheusOperator-clusterRoleBinding.yaml"
		const cut = "- apiGroups:\n  - \"\"\n  resources:\n  - configmaps\n"
		head, tail, ok := strings.Cut(t.read(role), cut)
		top, _, found := strings.Cut(head, "rules:\n")
		if !ok || !found {
			t.Fatalf("%s is not as expected", role)
		}
		rename := func(text string) string {
			return strings.ReplaceAll(text, "  name: prometheus-operator\nr", "  name: prometheus-operator-core\nr")
		}
		t.write(role, head)
		t.write(prometheus+"prometheusOperator-clusterRoleCore.yaml", rename(top+"rules:\n")+cut+tail)
		second := rename(t.read(binding))
		second = strings.Replace(second, "  name: prometheus-operator\nsubjects:", "  name: prometheus-operator-core\nsubjects:", 1)
		t.write(prometheus+"prometheusOperator-clusterRoleBindingCore.yaml", second)
	}},
	{"resourceNames removed", "calico: a node may mint tokens of every account, not of the CNI plugin alone", true, func(t tree) {
		t.replace(calico+"calico-etcd.yaml", "    resourceNames:\n      - calico-cni-plugin\n", "")
	}},
	{"Role to an equal ClusterRole", "local-path-provisioner: the Role becomes a ClusterRole that the RoleBinding binds", false, func(t tree) {
		t.replace(localPath, "kind: Role\nmetadata:\n  name: local-path-provisioner-role\n  namespace: local-path-storage\n",
			"kind: ClusterRole\nmetadata:\n  name: local-path-provisioner-pods\n")
		t.replace(localPath, "  kind: Role\n  name: local-path-provisioner-role\n", "  kind: ClusterRole\n  name: local-path-provisioner-pods\n")
	}},
	{"bound in the whole cluster", "local-path-provisioner: that RoleBinding becomes a ClusterRoleBinding", true, func(t tree) {
		t.replace(localPath, "kind: RoleBinding\nmetadata:\n  name: local-path-provisioner-bind\n  namespace: local-path-storage\n",
			"kind: ClusterRoleBinding\nmetadata:\n  name: local-path-provisioner-pods\n")
	}},
	{"file moved", "kube-prometheus: the operator's roles and bindings into a folder rbac", false, func(t tree) {
		for _, file := range []string{"clusterRole", "clusterRoleCore", "clusterRoleBinding", "clusterRoleBindingCore"} {
			t.write(prometheus+"rbac/"+file+".yaml", t.read(prometheus+"prometheusOperator-"+file+".yaml"))
			t.remove(prometheus + "prometheusOperator-" + file + ".yaml")
		}
	}},
	{"automount switched on", "kube-prometheus: grafana mounts its token", true, func(t tree) {
		t.replace(prometheus+"grafana-deployment.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true")
	}},
	{"quiet workload added", "calico: one that mounts no token, under the account of the nodes", false, func(t tree) {
		t.write(calico+"cleanup.yaml", `apiVersion: batch/v1
kind: CronJob
metadata:
  name: cleanup
  namespace: kube-system
spec:
  schedule: "@daily"
  jobTemplate:
    spec:
      template:
        spec:
          serviceAccountName: calico-node
          automountServiceAccountToken: false
          restartPolicy: Never
          containers:
            - name: cleanup
              image: example.com/cleanup:1
`)
	}},
	{"workload moved to another account", "kube-prometheus: the blackbox exporter runs as the operator", true, func(t tree) {
		t.replace(prometheus+"blackboxExporter-deployment.yaml", "serviceAccountName: blackbox-exporter", "serviceAccountName: prometheus-operator")
	}},
}

// TestHistory builds the repository and asks the gate of each commit. With HOTPOD_PROJECTS, the path of a folder that
// holds the projects, it does so for all of their manifests, and HOTPOD_UPDATE=1 then writes docs/gate.md.
func TestHistory(t *testing.T) {
	from, whole := os.LookupEnv("HOTPOD_PROJECTS")
	if !whole {
		from = "testdata/projects"
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "hotpod")
	run(t, ".", "go", "build", "-o", binary, "../../cmd/hotpod")
	repository := tree{t, filepath.Join(dir, "repository")}
	for _, project := range projects {
		if err := os.CopyFS(filepath.Join(repository.dir, project.name), os.DirFS(filepath.Join(from, project.name))); err != nil {
			t.Fatal(err)
		}
	}
	// A file of that project has two objects in one document, which kubectl refuses too.
	repository.write(".hotpod.yaml", "exclude: [local-path-provisioner/examples/quota]\n")
	repository.git("init", "--quiet", "--initial-branch=main")
	repository.commit("as it was")

	var rows []string
	for i, c := range history {
		c.edit(repository)
		repository.commit(c.kind)
		code, fresh := repository.gate(binary)
		want := 0
		if c.risky {
			want = 1
		}
		if code != want {
			t.Errorf("%s: exit code %d, want %d; new: %+v", c.what, code, want, fresh)
		}
		if !c.risky && len(fresh) > 0 {
			t.Errorf("%s: new findings, though below the threshold: %+v", c.what, fresh)
		}
		changed, near := repository.changed()
		inDiff := false
		var news []string
		failing := 0
		for _, r := range fresh {
			place := fmt.Sprintf("%s:%d", r.Location.Path, r.Location.Line)
			if r.Fails {
				failing++
			}
			inDiff = inDiff || slices.Contains(changed, place) || slices.Contains(near, place)
			if len(changed) > 0 && !slices.Contains(changed, place) {
				t.Errorf("%s: %s is placed on %s, which the commit did not touch", c.what, r.Rule, place)
			}
			news = append(news, fmt.Sprintf("%s of %s at `%s`", r.Rule, r.who(), place))
		}
		if len(fresh) > 0 && !inDiff {
			t.Errorf("%s: the diff shows the place of no new finding: %+v", c.what, fresh)
		}
		if (failing > 0) != c.risky {
			t.Errorf("%s: %d new findings at or above the threshold", c.what, failing)
		}
		rows = append(rows, fmt.Sprintf("| %d | %s | %s | %s | %s | %s |", i+1, c.kind, c.what, verdict(want), verdict(code), or(strings.Join(news, "<br>"), "none")))
	}
	if whole && os.Getenv("HOTPOD_UPDATE") != "" && !t.Failed() {
		document(t, rows)
	}
}

func verdict(code int) string { return map[int]string{0: "passes", 1: "fails"}[code] }

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func document(t *testing.T, rows []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# The gate, tried on real projects

<!-- Written by the test in e2e/gate. -->

Does a pull request fail when somebody may do more than before, and only then? The manifests of three projects in one
repository, and twelve commits on top of each other, six harmless and six risky; for each, what
` + "`hotpod scan --base HEAD^1`" + ` says at the default threshold. Harmless ones follow risky ones and touch the same objects, so
findings that were there before have to stay quiet. One folder is excluded, as a file in it has two objects in one
document, which no scan can judge and kubectl refuses: local-path-provisioner/examples/quota.

| project | repository | commit |
|---|---|---|
`)
	for _, p := range projects {
		fmt.Fprintf(&b, "| %s | [%s](https://github.com/%[2]s) | %s |\n", p.name, p.repository, p.commit)
	}
	b.WriteString("\n| | commit | what it does | expected | got | new findings |\n|---|---|---|---|---|---|\n")
	b.WriteString(strings.Join(rows, "\n"))
	b.WriteString(`

Every new finding stands on a line that the commit added. Where it only removed lines, that of the grant stands next to
them, in the rule that lost them.
` + "`go test ./e2e/gate`" + ` builds the same history from the files that the commits touch, which are in its testdata.
`)
	if err := os.WriteFile("../../docs/gate.md", []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A result is one of a scan's, as its JSON has it.
type result struct {
	Rule, State string
	Fails       bool
	Location    struct {
		Path string
		Line int
	}
	Findings []struct{ State, Subject, Workload string }
}

func (r result) who() string {
	var all []string
	for _, f := range r.Findings {
		if f.State == "new" {
			all = append(all, or(f.Workload, f.Subject))
		}
	}
	return strings.Join(slices.Compact(all), ", ")
}

// A tree is the work tree of the repository.
type tree struct {
	*testing.T
	dir string
}

// gate scans the tree against the parent of its commit.
func (t tree) gate(binary string) (code int, fresh []result) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, "scan", "--base", "HEAD^1", "--output", "json")
	command.Dir = t.dir
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var report struct{ Results []result }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v in the output of the scan: %s\n%s", err, out, problems.String())
	}
	for _, r := range report.Results {
		if r.State == "new" {
			fresh = append(fresh, r)
		}
	}
	return command.ProcessState.ExitCode(), fresh
}

var (
	file = regexp.MustCompile(`^\+\+\+ b/(.*)$`)
	hunk = regexp.MustCompile(`^@@ -\S+ \+(\d+)(?:,(\d+))? @@`)
)

// changed lists the lines that the commit added, and those that its diff shows near a line that it removed.
func (t tree) changed() (added, near []string) {
	t.Helper()
	name := ""
	for line := range strings.Lines(t.git("diff", "--unified=0", "--no-renames", "HEAD^1", "HEAD")) {
		if m := file.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			name = m[1]
		}
		m := hunk.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		from, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		count, err := strconv.Atoi(or(m[2], "1"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range count {
			added = append(added, fmt.Sprintf("%s:%d", name, from+i))
		}
		for i := range 6 {
			near = append(near, fmt.Sprintf("%s:%d", name, from-2+i))
		}
	}
	return added, near
}

func (t tree) commit(message string) {
	t.Helper()
	t.git("add", "--all")
	t.git("-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message="+message)
}

func (t tree) git(args ...string) string { return run(t.T, t.dir, "git", args...) }

func (t tree) read(file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(t.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (t tree) write(file, text string) {
	t.Helper()
	name := filepath.Join(t.dir, file)
	if err := os.MkdirAll(path.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (t tree) remove(file string) {
	t.Helper()
	if err := os.Remove(filepath.Join(t.dir, file)); err != nil {
		t.Fatal(err)
	}
}

// replace changes the one place of a file that has the text.
func (t tree) replace(file, old, text string) {
	t.Helper()
	before := t.read(file)
	if n := strings.Count(before, old); n != 1 {
		t.Fatalf("%s has %d times %q", file, n, old)
	}
	t.write(file, strings.Replace(before, old, text, 1))
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args[0], err, out)
	}
	return string(out)
}
