package report

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/triage"
)

// named reports one finding whose parties are all called the same.
func namedReport(name string) *Report {
	return &Report{
		Tool: Tool{Name: "Hotpod"},
		Blob: "https://github.com/octo/shop/blob/0123456789abcdef0123456789abcdef01234567",
		Rules: []Rule{{
			ID: "HP101/cluster", Check: "HP101", Title: "May list secrets", Severity: checks.High, Fix: "Do not.",
		}},
		Results: []Result{{
			Rule: "HP101/cluster", Check: "HP101", Severity: checks.High, Fails: true,
			Message:  Message{{Text: "User '" + name + "' can list secrets."}, {Text: " Bound by "}, {Text: name, Related: 1}},
			Location: Location{Path: name + ".yaml", Line: 3},
			Related:  []Location{{Path: name + ".yaml", Line: 5}},
			Findings: []Finding{{Path: []string{"User '" + name + "'", "Role '" + name + "'", name}, Gives: name}},
		}},
		Ignored:  []Result{{Rule: "HP101/cluster", Check: "HP101", Message: Message{{Text: name}}, Justified: name}},
		Problems: []Problem{{Location: Location{Path: name}, Text: name, Incomplete: true}},
		Summary:  Summary{Findings: 1, New: 1, Failing: 1, FailOn: "high", Highest: checks.High, Incomplete: true},
	}
}

func markdown(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Markdown(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestMarkdownHostile reads summaries full of hostile names with the parsers of
// Markdown and Mermaid, if they are installed.
func TestMarkdownHostile(t *testing.T) {
	const e2e = "../e2e/mermaid"
	if _, err := os.Stat(filepath.Join(e2e, "node_modules")); err != nil {
		t.Skip("mermaid is not installed: npm ci in e2e/mermaid")
	}
	content, err := os.ReadFile(filepath.Join(e2e, "hostile/names.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, problems := source.Parse("names.yaml", content, source.DefaultLimits())
	if len(problems) > 0 || len(objects) < 100 {
		t.Fatalf("%d objects, %v", len(objects), problems)
	}
	args := []string{filepath.Join(e2e, "check.mjs")}
	for i, o := range objects {
		if o.Kind != "ServiceAccount" {
			continue // called as its account is
		}
		file := filepath.Join(t.TempDir(), fmt.Sprintf("%d.md", i))
		if err := os.WriteFile(file, []byte(markdown(t, namedReport(o.Name))), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if out, err := exec.Command("node", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMarkdownVerdict(t *testing.T) {
	for _, c := range []struct {
		summary Summary
		want    string
	}{
		{Summary{Findings: 3, New: 3, Failing: 2, FailOn: "high"}, "## ❌ Hotpod: 2 findings at or above high"},
		{Summary{Findings: 3, New: 3, Failing: 1, FailOn: "low", Incomplete: true}, "## ❌ Hotpod: 1 finding at or above low"},
		{Summary{Findings: 3, New: 3, FailOn: "high", Incomplete: true}, "## ⚠️ Hotpod: the result is incomplete"},
		{Summary{Findings: 3, New: 3, FailOn: "never"}, "## ✅ Hotpod: 3 findings"},
		{Summary{FailOn: "high"}, "## ✅ Hotpod: no finding at or above high"},
	} {
		for base, want := range map[string]string{"": c.want, "main": strings.Replace(c.want, "finding", "new finding", 1)} {
			got, _, _ := strings.Cut(markdown(t, &Report{Summary: c.summary, Base: base}), "\n")
			if got != want {
				t.Errorf("with base %q the first line is %q, want %q", base, got, want)
			}
		}
	}
}

// Of a change, what is new comes first and only that is drawn; what is gone has
// no link, since its lines are those of the base.
func TestMarkdownBase(t *testing.T) {
	r := namedReport("web")
	r.Base = "main"
	known, gone := r.Results[0], r.Results[0]
	known.State, gone.State = triage.Unchanged, triage.Absent
	known.Message, gone.Message = Message{{Text: "This was there."}}, Message{{Text: "This was there, too."}}
	r.Results = append([]Result{known}, r.Results...)
	r.Results[1].State = triage.New
	r.Results[1].Findings = append(r.Results[1].Findings, Finding{State: triage.Unchanged, Path: []string{"User 'old'"}, Gives: "can"})
	r.Absent = []Result{gone}
	r.Delta = []Change{{Subject: "User:web", World: "envs/a",
		Gains:  []Access{{Verbs: []string{"get", "list"}, Group: "apps", Resource: "deployments", Names: []string{"a", "b"}, Namespace: "shop"}},
		Losses: []Access{{Verbs: []string{"get"}, Path: "/metrics"}, {Verbs: []string{"*"}, Resource: "pods/exec"}},
	}}
	text := markdown(t, r)
	at := -1
	for _, want := range []string{
		"### New findings", "<code>web</code> can list secrets", "### What subjects can do",
		"| User <code>web</code> in envs/a | get, list deployments.apps named <code>a</code>, <code>b</code> in namespace <code>shop</code> | get /metrics<br>&#42; pods/exec in the whole cluster |",
		"```mermaid", "<summary>Known findings: 1</summary>", "This was there.", "<summary>Findings that are gone: 1</summary>", "| This was there, too. | web.yaml&#58;<!-- -->3 |",
	} {
		next := strings.Index(text, want)
		if next <= at {
			t.Errorf("%q is not there, or not at its place, in:\n%s", want, text)
		}
		at = next
	}
	if strings.Count(text, "```mermaid") != 1 || strings.Contains(text, "old") {
		t.Errorf("what is not new is drawn:\n%s", text)
	}
}

// However much is found, a summary is small enough for GitHub, whole, and says
// what it leaves out.
func TestMarkdownLimit(t *testing.T) {
	r := namedReport("web")
	for i := range 30_000 {
		res := r.Results[0]
		res.Location.Line = i
		r.Results = append(r.Results, res)
		r.Problems = append(r.Problems, r.Problems[0])
	}
	text := markdown(t, r)
	if len(text) > 1<<20 {
		t.Errorf("%d bytes", len(text))
	}
	if !strings.HasPrefix(text, "## ❌") || strings.Count(text, "<details") != strings.Count(text, "</details>") {
		t.Error("the page is not whole")
	}
	rows := strings.Count(text, "| high |")
	want := fmt.Sprintf("\nLeft out, as GitHub takes no more of a summary: %d findings, ", len(r.Results)-rows)
	if rows == 0 || !strings.Contains(text, want) {
		t.Errorf("%d rows, and the page does not say %q:\n…%s", rows, want, text[len(text)-300:])
	}
}

// A role that thousands of subjects have is one graph, as large as GitHub shows.
func TestMermaidLimit(t *testing.T) {
	var findings []Finding
	for i := range 10_000 {
		findings = append(findings, Finding{Path: []string{fmt.Sprintf("User 'u%d'", i), "Role 'r'"}, Gives: "can do it"})
	}
	text := mermaid(findings)
	edges := strings.Count(text, "-->")
	if len(text) > 50_000 || edges > 500 {
		t.Errorf("%d bytes, %d edges", len(text), edges)
	}
	if !regexp.MustCompile(`more\["and \d{4} more"\]`).MatchString(text) {
		t.Errorf("the graph does not say what it leaves out:\n…%s", text[len(text)-200:])
	}
}
