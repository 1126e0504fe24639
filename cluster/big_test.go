package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// TestBigCluster measures a list of 20,000 role bindings, 5,000 roles and
// 50,000 pods, against the time that kubectl takes to fetch the same lists
// without looking at them. Filling the cluster takes some minutes.
func TestBigCluster(t *testing.T) {
	if os.Getenv("HOTPOD_BIG") == "" {
		t.Skip("HOTPOD_BIG is not set: takes some minutes")
	}
	e, err := StartEnvtest(t.Context(), EnvtestOptions{Assets: assets(t), APIServerArgs: []string{"--max-requests-inflight=0", "--max-mutating-requests-inflight=0", "--enable-priority-and-fairness=false"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	}()
	start := time.Now()
	fill(t, e.RESTConfig())
	t.Logf("filled in %s", time.Since(start).Round(time.Second))

	for round := range 3 {
		start = time.Now()
		var bytes int
		for _, r := range resources() {
			out, err := exec.Command(filepath.Join(assets(t), "kubectl"), "--kubeconfig", e.Kubeconfig(), "get", "--raw", "/"+r.path()).Output()
			if err != nil {
				t.Fatal(err)
			}
			bytes += len(out)
		}
		floor := time.Since(start)
		cmd := exec.Command(os.Args[0], "-test.run=^TestHelperBig$", "-test.v")
		cmd.Env = append(os.Environ(), "HOTPOD_HELPER="+e.Kubeconfig())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("round %d: kubectl get --raw: %d MB in %s; %s", round, bytes>>20, floor.Round(time.Millisecond), out)
	}
}

// TestHelperBig is the process whose time and memory TestBigCluster measures.
func TestHelperBig(t *testing.T) {
	kubeconfig := os.Getenv("HOTPOD_HELPER")
	if kubeconfig == "" {
		t.Skip("runs only as a process of another test")
	}
	config, err := Context(ContextOptions{Kubeconfig: kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	l, err := List(t.Context(), config, ListOptions{})
	took := time.Since(start)
	if err != nil || len(l.Problems) > 0 {
		t.Fatal(err, l.Problems)
	}
	var size int
	for _, o := range l.Objects {
		size += len(content(t, o))
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") {
			t.Logf("List: %d objects, %d kB kept, %d folded in %s, peak %s", len(l.Objects), size>>10, l.Folded, took.Round(time.Millisecond), strings.Fields(line)[1]+" kB")
		}
	}
}

// fill makes the objects through the API, with many requests at a time.
func fill(t *testing.T, config *rest.Config) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	type post struct{ path, body string }
	posts := make(chan post)
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for p := range posts {
				resp, err := client.Post(config.Host+p.path, "application/json", strings.NewReader(p.body))
				if err != nil {
					t.Error(err)
					continue
				}
				if resp.StatusCode != http.StatusCreated {
					t.Errorf("%s: %s", p.path, resp.Status)
				}
				resp.Body.Close()
			}
		})
	}
	const spaces = 100
	for i := range spaces {
		posts <- post{"/api/v1/namespaces", fmt.Sprintf(`{"metadata":{"name":"ns-%d"}}`, i)}
	}
	for i := range spaces {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := waitSettled(ctx, config, []string{fmt.Sprintf("ns-%d", i)}); err != nil {
			t.Error(err)
		}
		cancel()
	}
	const group = "/apis/rbac.authorization.k8s.io/v1/namespaces/ns-%d/"
	for i := range 5000 {
		posts <- post{fmt.Sprintf(group+"roles", i%spaces), fmt.Sprintf(`{"metadata":{"name":"r-%d"},"rules":[{"apiGroups":[""],"resources":["configmaps","secrets","pods/log"],"verbs":["get","list","watch"]},{"apiGroups":["apps"],"resources":["deployments"],"verbs":["get"]}]}`, i)}
	}
	for i := range 20000 {
		posts <- post{fmt.Sprintf(group+"rolebindings", i%spaces), fmt.Sprintf(`{"metadata":{"name":"b-%d"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r-%d"},"subjects":[{"kind":"ServiceAccount","name":"default","namespace":"ns-%d"},{"kind":"User","name":"user-%d"}]}`, i, i%5000, i%spaces, i%500)}
	}
	for i := range 50000 {
		posts <- post{fmt.Sprintf("/api/v1/namespaces/ns-%d/pods", i%spaces), pod(i)}
	}
	close(posts)
	workers.Wait()
}

// pod is about as large as those of real clusters.
func pod(i int) string {
	var env []string
	for v := range 12 {
		env = append(env, fmt.Sprintf(`{"name":"SETTING_%d","value":"some-value-of-a-usual-length-%d"}`, v, i))
	}
	text := fmt.Sprintf(`{"metadata":{"name":"p-%d","labels":{"app.kubernetes.io/name":"app-%d","app.kubernetes.io/part-of":"shop","pod-template-hash":"5d8c7b9f6"},"annotations":{"prometheus.io/scrape":"true","checksum/config":"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"},
		"ownerReferences":[{"apiVersion":"example.com/v1","kind":"Set","name":"set-%d","uid":"uid-%d","controller":true}]},
		"spec":{"containers":[{"name":"app","image":"registry.example.com/shop/app:1.2.3","args":["--serve","--port=8080"],"env":[%s],"ports":[{"containerPort":8080}],"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"256Mi"}},"livenessProbe":{"httpGet":{"path":"/healthz","port":8080}},"readinessProbe":{"httpGet":{"path":"/readyz","port":8080}},"securityContext":{"runAsNonRoot":true,"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}},{"name":"proxy","image":"registry.example.com/mesh/proxy:4.5.6"}]}}`,
		i, i/20, i/20, i/20, strings.Join(env, ","))
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		panic(err)
	}
	return compact.String()
}
