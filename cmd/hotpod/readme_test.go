package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// The output that README shows is what the command says.
func TestReadmeShowsRealOutput(t *testing.T) {
	t.Chdir("../..")
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```\nfixtures/demo")
	shown, _, closed := strings.Cut("fixtures/demo"+rest, "```")
	if !found || !closed {
		t.Fatal("README.md shows no output of hotpod scan fixtures/demo")
	}
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"scan", "fixtures/demo"}, streams{out: &out, err: &errs, now: time.Now, env: noEnv})
	if code != exitFindings {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if !strings.HasPrefix(out.String(), strings.TrimSuffix(shown, "\n")) {
		t.Errorf("README.md shows\n%s\nbut hotpod scan fixtures/demo says\n%s", shown, out.String())
	}
}

// The role that the documentation gives to Hotpod itself has one risky rule,
// which says why.
func TestLiveRoleIsJustified(t *testing.T) {
	t.Chdir("../..")
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"scan", "docs/live-role.yaml", "--fail-on", "low"}, streams{out: &out, err: &errs, now: time.Now, env: noEnv})
	if code != exitClean || !strings.Contains(out.String(), "1 finding ignored, with a reason.") {
		t.Errorf("exit code %d: %s%s", code, out.String(), errs.String())
	}
}
