package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// assets gives the folder with the control plane, or skips the test.
func assets(t testing.TB) string {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: needs a control plane, which `make controlplane` builds")
	}
	return dir
}

func startEnvtestFor(t testing.TB) *Ephemeral {
	e, err := StartEnvtest(t.Context(), EnvtestOptions{Assets: assets(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestEnvtestAnswers(t *testing.T) {
	start := time.Now()
	e := startEnvtestFor(t)
	t.Logf("started in %s", time.Since(start).Round(time.Millisecond))
	client, err := dynamic.NewForConfig(e.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}

	roles, err := clusterRoles(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	filled := map[string]bool{}
	for _, r := range roles {
		filled[r.Name] = len(r.Rules) > 0
	}
	for _, name := range []string{"admin", "edit", "view", "cluster-admin"} {
		if !filled[name] {
			t.Errorf("ClusterRole %s is not there or empty", name)
		}
	}

	if got, want := whoami(t, tokenConfig(t, e, client)), "system:serviceaccount:default:default"; got != want {
		t.Errorf("a token of the default account is that of %q, want %q", got, want)
	}

	out, err := exec.Command(filepath.Join(assets(t), "kubectl"), "--kubeconfig", e.Kubeconfig(), "auth", "whoami", "-o", "jsonpath={.status.userInfo.groups}").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "system:masters") {
		t.Errorf("kubectl auth whoami: %v, %s", err, out)
	}
}

// tokenConfig gives access with a token of the default service account.
func tokenConfig(t *testing.T, e *Ephemeral, client dynamic.Interface) *rest.Config {
	t.Helper()
	request := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}}
	request.SetName("default")
	accounts := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace("default")
	answer, err := accounts.Create(t.Context(), request, metav1.CreateOptions{}, "token")
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(e.RESTConfig())
	config.BearerToken, _, _ = unstructured.NestedString(answer.Object, "status", "token")
	return config
}

func whoami(t *testing.T, config *rest.Config) string {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	review := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}}
	answer, err := client.Resource(authenticationv1.SchemeGroupVersion.WithResource("selfsubjectreviews")).Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := unstructured.NestedString(answer.Object, "status", "userInfo", "username")
	return name
}

func TestEnvtestSaysWhatIsMissing(t *testing.T) {
	partial := t.TempDir()
	if err := os.WriteFile(filepath.Join(partial, "etcd"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, assets string
		want         []string
	}{
		{"no folder named", "", []string{"KUBEBUILDER_ASSETS", "--assets", "setup-envtest"}},
		{"folder that is not there", "/does/not/exist", []string{"etcd, kube-apiserver, kube-controller-manager", "/does/not/exist", "setup-envtest"}},
		{"part of it", partial, []string{"no executable kube-apiserver, kube-controller-manager in", "dl.k8s.io"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := StartEnvtest(t.Context(), EnvtestOptions{Assets: c.assets})
			if err == nil {
				t.Fatal(errors.Join(errors.New("started"), e.Stop()))
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

// A process that fails says why in the error, and nothing is left.
func TestEnvtestThatCannotStart(t *testing.T) {
	dir := assets(t)
	t.Setenv("TMPDIR", shortTempDir(t))
	_, err := StartEnvtest(t.Context(), EnvtestOptions{Assets: dir, APIServerArgs: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "unknown flag: --no-such-flag") {
		t.Errorf("got %v", err)
	}
	nothingLeft(t, os.Getenv("TMPDIR"))
}

// stages are the log messages by which the tests below know how far it is.
var stages = []string{"starting etcd", "starting kube-apiserver", "starting kube-controller-manager", "control plane is ready"}

// stageLog tells each message that is logged.
type stageLog func(message string)

func (f stageLog) Enabled(context.Context, slog.Level) bool      { return true }
func (f stageLog) WithAttrs([]slog.Attr) slog.Handler            { return f }
func (f stageLog) WithGroup(string) slog.Handler                 { return f }
func (f stageLog) Handle(_ context.Context, r slog.Record) error { f(r.Message); return nil }

func TestEnvtestCancelledAtEachStage(t *testing.T) {
	dir := assets(t)
	for _, stage := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Setenv("TMPDIR", shortTempDir(t))
			ctx, cancel := context.WithCancel(t.Context())
			log := stageLog(func(message string) {
				if message == stage {
					time.AfterFunc(100*time.Millisecond, cancel)
				}
			})
			e, err := StartEnvtest(ctx, EnvtestOptions{Assets: dir, Log: slog.New(log)})
			if err == nil {
				<-ctx.Done()
				err = e.Stop() // waits for what the end of ctx began
				if err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the context's error", err)
			}
			nothingLeft(t, os.Getenv("TMPDIR"))
		})
	}
}

// TestEnvtestKilledAtEachStage starts a control plane in a process of its own,
// as the command line does, and sends that process signals.
func TestEnvtestKilledAtEachStage(t *testing.T) {
	dir := assets(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		for _, stage := range stages {
			t.Run(sig.String()+" at "+stage, func(t *testing.T) {
				tmp := shortTempDir(t)
				cmd := exec.Command(os.Args[0], "-test.run=^TestHelperEnvtest$", "-test.v")
				cmd.Env = append(os.Environ(), "HOTPOD_HELPER=1", "KUBEBUILDER_ASSETS="+dir, "TMPDIR="+tmp)
				signalAt(t, cmd, stage, sig)
				if sig == syscall.SIGKILL {
					noProcesses(t, tmp) // nobody is there to delete the folder
					return
				}
				nothingLeft(t, tmp)
			})
		}
	}
}

// signalAt runs a command until it writes stage, and then sends it a signal.
func signalAt(t *testing.T, cmd *exec.Cmd, stage string, sig syscall.Signal) {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for !strings.Contains(lines.Text(), stage) {
		if !lines.Scan() {
			t.Fatalf("ended before %q: %v", stage, cmd.Wait())
		}
	}
	time.Sleep(100 * time.Millisecond)
	if err := cmd.Process.Signal(sig); err != nil {
		t.Error(err)
	}
	rest, _ := io.ReadAll(out)
	if err := cmd.Wait(); err == nil {
		t.Errorf("ended without an error\n%s", rest)
	}
}

// TestHelperEnvtest is the process that TestEnvtestKilledAtEachStage kills.
func TestHelperEnvtest(t *testing.T) {
	if os.Getenv("HOTPOD_HELPER") == "" {
		t.Skip("runs only as a process of another test")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e, err := StartEnvtest(ctx, EnvtestOptions{Assets: assets(t), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
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

// shortTempDir leaves room for the socket: t.TempDir names the whole test.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hotpod-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func nothingLeft(t *testing.T, tmp string) {
	t.Helper()
	noProcesses(t, tmp)
	entries, err := os.ReadDir(tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("left behind: %s", filepath.Join(tmp, e.Name()))
	}
}

// noProcesses looks for processes whose command line names the folder.
func noProcesses(t *testing.T, tmp string) {
	t.Helper()
	var left []string
	for range 50 { // a process that was killed with us takes a moment
		left = nil
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			if line, _ := os.ReadFile(f); bytes.Contains(line, []byte(tmp)) {
				left = append(left, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
			}
		}
		if left == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("processes left: %s", strings.Join(left, "\n"))
}
