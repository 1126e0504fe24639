// Package prove proves the findings of all fixtures on a real API server.
package prove

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/prove"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

const fixtures = "../../fixtures"

func TestMain(m *testing.M) { os.Exit(live.Main(m)) }

// bad lists the fixtures that have findings.
func bad(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(fixtures, "HP*", "bad*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], fixtures+"/")
	}
	return files
}

func scan(t testing.TB, objects []*source.Object) []*checks.Finding {
	t.Helper()
	m, problems := rbac.Build(objects, rbac.Options{})
	for _, p := range problems {
		t.Errorf("%s: %v", p.Position, p.Err)
	}
	findings, failures := checks.Run(m, checks.All(), checks.Options{Minor: 37})
	for _, f := range failures {
		t.Errorf("%s failed: %v", f.Check.ID, f.Err)
	}
	return findings
}

// say names a finding and its proof, for messages.
func say(t testing.TB, f *checks.Finding, p checks.Proof) {
	t.Helper()
	t.Logf("%s: %s %s %s: %s %s", f.RuleID(), f.Who, f.Can, f.Where, p.Verdict, p.Reason)
	for _, trial := range p.Tried {
		t.Logf("    %s: %s %s: %d: %s", trial.As, trial.Request, trial.Body, trial.Status, trial.Shows)
	}
}

// TestFixtures proves what every bad fixture is about.
func TestFixtures(t *testing.T) {
	c := live.Need(t)
	for _, name := range bad(t) {
		t.Run(name, func(t *testing.T) {
			objects := live.Load(t, name)
			c.Hold(t, objects)
			findings := scan(t, objects)
			proofs, err := prove.Findings(t.Context(), prove.Target{Config: c.RESTConfig(), Ephemeral: true}, findings)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				say(t, f, proofs[f])
				if v := proofs[f].Verdict; v == checks.Refuted {
					t.Errorf("%s is %s", f.RuleID(), v)
				}
			}
		})
	}
}
