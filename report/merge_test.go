package report

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/triage"
)

// read takes back SARIF that was written.
func read(t *testing.T, text []byte) *Log {
	t.Helper()
	log, err := ReadRuns(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// logOf writes a run with findings of these identities, severities and files.
func logOf(t *testing.T, category string, results ...Result) *Log {
	t.Helper()
	r := &Report{Tool: Tool{Name: "Hotpod", Version: "1.0.0"}, Category: category, Results: results}
	for _, res := range results {
		r.Rules = append(r.Rules, Rule{ID: res.Rule, Check: res.Check, Severity: res.Severity, MITRE: []string{"T1552"}})
	}
	return read(t, written(t, r))
}

func written(t *testing.T, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := SARIF(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func found(id, file string, s checks.Severity) Result {
	return Result{
		Rule: "HP101/" + s.String(), Check: "HP101", Severity: s, State: triage.Unchanged,
		Message: Message{{Text: "Found " + id + "."}}, Location: Location{Path: file, Line: 1}, Fingerprints: []string{id},
	}
}

func mergeAll(t *testing.T, limit int, logs ...*Log) (*Log, Merged) {
	t.Helper()
	var b bytes.Buffer
	done, err := merge(&b, logs, limit)
	if err != nil {
		t.Fatal(err)
	}
	if size := gzipped(b.Bytes()); size > limit {
		t.Errorf("the file has %d bytes gzipped, more than %d", size, limit)
	}
	return read(t, b.Bytes()), done
}

// messages are those of the results of each run, behind its category.
func messages(log *Log) []string {
	var all []string
	for _, run := range log.Runs {
		all = append(all, "category "+categoryOf(run))
		for _, res := range run.Results {
			rule := run.Tool.Driver.Rules[*res.RuleIndex].ID
			all = append(all, fmt.Sprintf("%s %s %s", rule, *res.Message.Text, *res.BaselineState))
		}
	}
	return all
}

func TestMerge(t *testing.T) {
	again := found("a", "a.yaml", checks.High)
	again.State = triage.New
	log, done := mergeAll(t, maxGzipped,
		logOf(t, "prod", found("a", "a.yaml", checks.High), found("b", "a.yaml", checks.Low)),
		logOf(t, "dev", found("a", "a.yaml", checks.High)),
		logOf(t, "prod", found("c", "a.yaml", checks.Critical), again, found("a", "other.yaml", checks.High)),
	)
	want := []string{
		"category dev", "HP101/high Found a. unchanged",
		"category prod", "HP101/critical Found c. unchanged", "HP101/high Found a. new", "HP101/high Found a. unchanged", "HP101/low Found b. unchanged",
	}
	if diff := cmp.Diff(want, messages(log)); diff != "" {
		t.Errorf("results differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Merged{Runs: 2, Results: 5, Repeated: 1}, done); diff != "" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
	if n := len(log.Runs[1].Tool.Driver.Rules); n != 3 {
		t.Errorf("%d rules, want each of 3 once", n)
	}
}

// A file that is merged with itself, or alone, stays as it is.
func TestMergeOfOne(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.sarif")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, logs := range [][]*Log{{read(t, text)}, {read(t, text), read(t, text)}} {
			for _, log := range logs[1:] {
				log.Runs[0].Invocations = nil
			}
			var b bytes.Buffer
			if _, err := Merge(&b, logs); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), b.String()); diff != "" {
				t.Errorf("%s of %d: -want +got:\n%s", file, len(logs), diff)
			}
		}
	}
}

// notes are what the file itself says about how it was made.
func notes(t *testing.T, log *Log) string {
	t.Helper()
	var all []string
	for _, run := range log.Runs {
		for _, inv := range run.Invocations {
			for _, n := range inv.ToolExecutionNotifications {
				all = append(all, *n.Message.Text)
			}
		}
	}
	return strings.Join(all, "; ")
}

func TestMergeLimitOfResults(t *testing.T) {
	var results []Result
	for i := range 4_000 {
		results = append(results, found(fmt.Sprint("low", i), "a.yaml", checks.Low))
	}
	more := []Result{}
	for i := range 4_000 {
		more = append(more, found(fmt.Sprint("high", i), "a.yaml", checks.High))
	}
	low, high := logOf(t, "", results...), logOf(t, "", more...)
	log, done := mergeAll(t, maxGzipped, low, high)
	if n := len(log.Runs[0].Results); n != maxResults || done.CutOff != 3_000 {
		t.Errorf("%d results, %d cut off", n, done.CutOff)
	}
	if got := notes(t, log); got != "3000 results of the lowest severity left out: GitHub takes no more" {
		t.Errorf("the file says %q", got)
	}
	for i, res := range log.Runs[0].Results {
		if want := i < 4_000; want != (*res.RuleID == "HP101/high") {
			t.Fatalf("result %d is %s: the worst are not kept", i, *res.RuleID)
		}
	}
}

func TestMergeLimitOfRuns(t *testing.T) {
	var logs []*Log
	for i := range 25 {
		severity := checks.Low
		if i%2 == 0 {
			severity = checks.High
		}
		logs = append(logs, logOf(t, fmt.Sprintf("c%02d", i), found("a", "a.yaml", severity)))
	}
	log, done := mergeAll(t, maxGzipped, logs...)
	if diff := cmp.Diff([]string{"c15", "c17", "c19", "c21", "c23"}, done.Left); diff != "" || len(log.Runs) != maxRuns {
		t.Errorf("%d runs; left out (-want +got):\n%s", len(log.Runs), diff)
	}
	if got := notes(t, log); got != "5 categories left out: GitHub takes 20 runs in a file" {
		t.Errorf("the file says %q", got)
	}
}

// The file is small enough once gzipped, whatever its runs are like, and keeps
// the worst.
func TestMergeLimitOfSize(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var logs []*Log
	for _, category := range []string{"a", "b"} {
		var results []Result
		for i := range 500 {
			id := make([]byte, 200)
			for j := range id {
				id[j] = byte('a' + random.IntN(26)) // so that it does not shrink
			}
			severity := []checks.Severity{checks.Low, checks.Medium, checks.Critical}[i%3]
			results = append(results, found(string(id), "a.yaml", severity))
		}
		logs = append(logs, logOf(t, category, results...))
	}
	log, done := mergeAll(t, 80_000, logs...)
	kept := len(log.Runs[0].Results) + len(log.Runs[1].Results)
	if done.CutOff != 1000-kept || kept < 300 {
		t.Errorf("%d kept, %d cut off", kept, done.CutOff)
	}
	for _, run := range log.Runs {
		critical := 0
		for _, res := range run.Results {
			if *res.RuleID == "HP101/critical" {
				critical++
			}
		}
		if critical != 166 {
			t.Errorf("%d of 166 critical results are left", critical)
		}
	}
}

func TestReadRunsRefuses(t *testing.T) {
	for _, text := range []string{"", "[]", `{"version":"2.1.0","runs":[]}`, `{"runs":[{"tool":{"driver":{"name":"Trivy"}},"results":[]}]}`, `{"runs":[{"tool":{}}]}`} {
		if _, err := ReadRuns(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
