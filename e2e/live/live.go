// Package live gives the tests below e2e one real API server for each test
// binary. It listens on loopback only and ends with the tests.
package live

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/hotpod-dev/hotpod/cluster"
)

// Cluster is the control plane that the tests of one binary share. What a test
// wrote is gone when the next one calls Hold.
type Cluster struct {
	*cluster.Ephemeral
	Admin *Client // a member of system:masters, whom RBAC does not limit

	transport http.RoundTripper // without credentials
	shipped   map[string]object // the RBAC of a new cluster, by path
	fences    int
}

var shared *Cluster

// Main runs the tests of a package; its TestMain exits with the answer.
// Without KUBEBUILDER_ASSETS nothing is started, and the tests that call Need
// are skipped.
func Main(m *testing.M) (code int) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return m.Run()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	e, err := cluster.StartEnvtest(ctx, cluster.EnvtestOptions{Assets: assets})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := e.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	if shared, err = newCluster(ctx, e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Need gives the control plane, or skips the test.
func Need(t testing.TB) *Cluster {
	t.Helper()
	if shared == nil {
		t.Skip("KUBEBUILDER_ASSETS is not set: needs a control plane, which `make controlplane` builds")
	}
	return shared
}

func newCluster(ctx context.Context, e *cluster.Ephemeral) (*Cluster, error) {
	admin, err := rest.TransportFor(e.RESTConfig())
	if err != nil {
		return nil, err
	}
	anonymous, err := rest.TransportFor(rest.AnonymousClientConfig(e.RESTConfig()))
	if err != nil {
		return nil, err
	}
	c := &Cluster{Ephemeral: e, transport: anonymous}
	c.Admin = &Client{Name: "system:masters", host: e.RESTConfig().Host, http: &http.Client{Transport: admin, Timeout: timeout}}
	c.shipped, err = c.rbac(ctx)
	return c, err
}
