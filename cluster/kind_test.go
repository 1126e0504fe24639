package cluster

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
)

// TestKindSaysWhatIsMissing plays container engines by scripts.
func TestKindSaysWhatIsMissing(t *testing.T) {
	const dead = `#!/bin/sh
[ "$1" = -v ] && echo "Docker version 28.0.0" && exit
echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." >&2
exit 1
`
	for _, c := range []struct {
		name, engine, docker string
		want                 []string
	}{
		{"none installed", "", "", []string{"install Docker", "envtest"}},
		{"one that is not installed", "podman", "", []string{"does not answer", "podman"}},
		{"one that kind does not know", "lxc", "", []string{"'lxc'", "docker, podman or nerdctl"}},
		{"daemon is not started", "", dead, []string{"does not answer", "Cannot connect to the Docker daemon"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin := t.TempDir()
			t.Setenv("PATH", bin)
			t.Setenv("TMPDIR", t.TempDir())
			if c.docker != "" {
				if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(c.docker), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			e, err := StartKind(t.Context(), KindOptions{Engine: c.engine})
			if err == nil {
				t.Fatal(errors.Join(errors.New("started"), e.Stop()))
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			nothingLeft(t, os.Getenv("TMPDIR"))
		})
	}
}

// kindImage gives the node image to test with, or skips the test.
func kindImage(t *testing.T) string {
	image := os.Getenv("HOTPOD_KIND_IMAGE")
	if image == "" {
		t.Skip("HOTPOD_KIND_IMAGE is not set: needs a container engine and a node image for kind")
	}
	return image
}

func TestKindAnswers(t *testing.T) {
	image := kindImage(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("TMPDIR", shortTempDir(t))
	t.Setenv("KUBECONFIG", "")
	start := time.Now()
	e, err := StartKind(t.Context(), KindOptions{Image: image, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(start).Round(time.Millisecond))
	client, err := dynamic.NewForConfig(e.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := whoami(t, tokenConfig(t, e, client)), "system:serviceaccount:default:default"; got != want {
		t.Errorf("a token of the default account is that of %q, want %q", got, want)
	}
	t.Run("apply and read back", func(t *testing.T) { testApply(t, e) })
	t.Run("no secret leaves the server", func(t *testing.T) { testNoSecrets(t, e) })

	start = time.Now()
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("stopped in %s", time.Since(start).Round(time.Millisecond))
	nothingLeft(t, os.Getenv("TMPDIR"))
	nothingLeft(t, home)
	noContainers(t)
}

// kindStages are parts of messages that kind logs.
var kindStages = []string{"starting kind", "Preparing nodes", "Writing configuration", "Starting control-plane", "kind is ready"}

func TestKindKilledAtEachStage(t *testing.T) {
	image := kindImage(t)
	for _, stage := range kindStages {
		t.Run(stage, func(t *testing.T) {
			tmp := shortTempDir(t)
			cmd := exec.Command(os.Args[0], "-test.run=^TestHelperKind$", "-test.v")
			cmd.Env = append(os.Environ(), "HOTPOD_HELPER=1", "HOTPOD_KIND_IMAGE="+image, "TMPDIR="+tmp)
			signalAt(t, cmd, stage, syscall.SIGTERM)
			nothingLeft(t, tmp)
			noContainers(t)
		})
	}
}

// TestHelperKind is the process that TestKindKilledAtEachStage kills.
func TestHelperKind(t *testing.T) {
	if os.Getenv("HOTPOD_HELPER") == "" {
		t.Skip("runs only as a process of another test")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e, err := StartKind(ctx, KindOptions{Image: kindImage(t), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
		t.Error(ctx.Err())
	case <-time.After(time.Minute):
	}
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
}

func noContainers(t *testing.T) {
	t.Helper()
	out, err := exec.Command("docker", "ps", "--all", "--format", "{{.Names}}", "--filter", "name=hotpod-").Output()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("containers left: %s, %v", out, err)
	}
}
