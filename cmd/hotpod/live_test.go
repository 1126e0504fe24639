package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hotpod-dev/hotpod/cluster"
)

func assets(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: needs a control plane, which `make controlplane` builds")
	}
	return dir
}

// A cluster of which nobody made anything has no finding, and its snapshot
// says the same.
func TestFreshCluster(t *testing.T) {
	e, err := cluster.StartEnvtest(t.Context(), cluster.EnvtestOptions{Assets: assets(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	}()
	file := filepath.Join(t.TempDir(), "fresh.json")
	hotpod := func(args ...string) string {
		t.Helper()
		var said bytes.Buffer
		cmd := exec.Command("hotpod", args...)
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("hotpod %q: %v\n%s", args, err, said.String())
		}
		return string(out)
	}
	hotpod("snapshot", "--kubeconfig", e.Kubeconfig(), "-o", file)
	for _, from := range [][]string{{"--cluster", "context", "--kubeconfig", e.Kubeconfig()}, {file}} {
		if out := hotpod(append([]string{"scan"}, from...)...); !strings.Contains(out, "0 findings") && !strings.Contains(out, "No findings") {
			t.Errorf("a new cluster has findings:\n%s", out)
		}
	}
	for _, from := range [][]string{{"--cluster", "context", "--kubeconfig", e.Kubeconfig()}, {"--path", file}} {
		var own struct{ Results []permission }
		out := hotpod(append([]string{"query", "who-can", "list", "secrets", "--own", "-o", "json"}, from...)...)
		if err := json.Unmarshal([]byte(out), &own); err != nil || len(own.Results) > 0 {
			t.Errorf("what Kubernetes ships is not marked: %v\n%s", err, out)
		}
	}
}

// A scan that is told to end deletes its cluster first.
func TestInterruptedCluster(t *testing.T) {
	dir := assets(t)
	for _, when := range []string{"starting kube-apiserver", "control plane is ready"} {
		t.Run(when, func(t *testing.T) {
			tmp, err := os.MkdirTemp("", "hp") // sockets below it need a short name
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(tmp)
			cmd := exec.Command("hotpod", "scan", "--cluster", "envtest", "--assets", dir, "../../fixtures/demo")
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			w := &waiter{want: when, seen: func() { _ = cmd.Process.Signal(syscall.SIGTERM) }}
			cmd.Stderr = w
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
				t.Errorf("got %v, want exit code %d\n%s", err, exitInterrupted, w.text.String())
			}
			left, err := os.ReadDir(tmp)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// waiter calls seen when a text was written to it.
type waiter struct {
	text bytes.Buffer
	want string
	seen func()
}

func (w *waiter) Write(p []byte) (int, error) {
	w.text.Write(p)
	if w.seen != nil && strings.Contains(w.text.String(), w.want) {
		w.seen()
		w.seen = nil
	}
	return len(p), nil
}
