package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	readyWithin = 90 * time.Second // takes 5 s on an idle machine
	pollEvery   = 100 * time.Millisecond
)

// controllers are those that write what a cluster without nodes ships with.
// The others would only add load, or wait for nodes and clouds.
var controllers = []string{
	"clusterrole-aggregation-controller",
	"namespace-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
}

// controlPlane is a running etcd, kube-apiserver and kube-controller-manager.
type controlPlane struct {
	assets string // the binaries
	dir    string // data, keys and logs; deleted by stop
	server string // URL of the API server
	token  string // authenticates a member of system:masters
	client *http.Client

	ctx       context.Context // done when stopped, or when a process ends by itself
	cancel    context.CancelCauseFunc
	processes sync.WaitGroup
}

// start returns a control plane that answers, or leaves nothing behind.
func start(ctx context.Context, assets string) (*controlPlane, error) {
	dir, err := os.MkdirTemp("", "hotpod-controlplane-")
	if err != nil {
		return nil, err
	}
	cp := &controlPlane{assets: assets, dir: dir, token: rand.Text()}
	cp.ctx, cp.cancel = context.WithCancelCause(ctx)
	if err := cp.startAll(); err != nil {
		cp.stop()
		return nil, err
	}
	return cp, nil
}

// stop kills rather than asks: nothing in there is worth an orderly shutdown.
func (cp *controlPlane) stop() {
	cp.cancel(nil)
	cp.processes.Wait()
	if err := os.RemoveAll(cp.dir); err != nil {
		fmt.Fprintln(os.Stderr, "dump:", err)
	}
}

func (cp *controlPlane) startAll() error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	if err := cp.writeCredentials(); err != nil {
		return err
	}
	etcd, peer := "http://"+ports[0], "http://"+ports[1]
	cp.server = "https://" + ports[2]

	if err := cp.startEtcd(etcd, peer); err != nil {
		return err
	}
	if err := cp.startAPIServer(etcd, ports[2]); err != nil {
		return err
	}
	return cp.startControllerManager()
}

func (cp *controlPlane) startEtcd(client, peer string) error {
	err := cp.spawn("etcd",
		"--data-dir="+cp.path("etcd"),
		"--unsafe-no-fsync",
		"--listen-client-urls="+client,
		"--advertise-client-urls="+client,
		"--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer,
		"--initial-cluster=default="+peer,
	)
	if err != nil {
		return err
	}
	return cp.eventually("etcd is ready", func() error {
		_, err := fetch(cp.ctx, http.DefaultClient, client+"/readyz", "")
		return err
	})
}

func (cp *controlPlane) startAPIServer(etcd, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	err = cp.spawn("kube-apiserver",
		"--etcd-servers="+etcd,
		"--bind-address="+host,
		"--advertise-address="+host, // else it looks for a default route, which a sandbox may lack
		"--secure-port="+port,
		"--cert-dir="+cp.path("tls"),
		"--token-auth-file="+cp.path("tokens.csv"),
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--endpoint-reconciler-type=none", // a loopback address is not a valid endpoint
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+cp.path("sa.key"),
		"--service-account-signing-key-file="+cp.path("sa.key"),
	)
	if err != nil {
		return err
	}
	// Readiness includes the start hook that writes the built-in RBAC objects.
	return cp.eventually("the API server is ready", func() error {
		if err := cp.trustServer(); err != nil {
			return err
		}
		_, err := cp.get("/readyz")
		return err
	})
}

func (cp *controlPlane) startControllerManager() error {
	if err := cp.writeKubeconfig(); err != nil {
		return err
	}
	return cp.spawn("kube-controller-manager",
		"--kubeconfig="+cp.path("kubeconfig"),
		"--controllers="+strings.Join(controllers, ","),
		"--root-ca-file="+cp.certificate(),
		"--service-account-private-key-file="+cp.path("sa.key"),
		"--leader-elect=false",
		"--secure-port=0", // nobody asks it anything
	)
}

// spawn starts a binary of the assets. Should it end before stop, all waiting
// on the control plane ends too, with the last lines of its log as the reason.
func (cp *controlPlane) spawn(name string, args ...string) error {
	log, err := os.Create(cp.path(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()

	cmd := exec.CommandContext(cp.ctx, filepath.Join(cp.assets, name), args...)
	cmd.Dir = cp.dir
	cmd.Env = []string{} // etcd reads flags from the environment, clients read proxies
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	cp.processes.Go(func() {
		err := cmd.Wait()
		cp.cancel(fmt.Errorf("%s ended: %v\n%s", name, err, tail(log.Name(), 20)))
	})
	return nil
}

// eventually repeats attempt until it succeeds, in bounded time.
func (cp *controlPlane) eventually(what string, attempt func() error) error {
	deadline := time.Now().Add(readyWithin)
	for {
		err := attempt()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still waiting that %s after %s: %w", what, readyWithin, err)
		}
		select {
		case <-cp.ctx.Done():
			return context.Cause(cp.ctx)
		case <-time.After(pollEvery):
		}
	}
}

// get returns the body of a path of the API server.
func (cp *controlPlane) get(path string) ([]byte, error) {
	return fetch(cp.ctx, cp.client, cp.server+path, cp.token)
}

func fetch(ctx context.Context, client *http.Client, url, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, resp.Status, body)
	}
	return body, err
}

// trustServer makes a client that accepts only the certificate that the API
// server has made for itself.
func (cp *controlPlane) trustServer() error {
	chain, err := os.ReadFile(cp.certificate())
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(chain) {
		return errors.New("the API server's certificate is not written yet")
	}
	cp.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return nil
}

// writeCredentials makes the key that signs service account tokens and the
// token that the controllers and we use.
func (cp *controlPlane) writeCredentials() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(cp.path("sa.key"), pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	user := cp.token + ",dump,dump,system:masters\n"
	return os.WriteFile(cp.path("tokens.csv"), []byte(user), 0o600)
}

func (cp *controlPlane) writeKubeconfig() error {
	type m = map[string]any
	config, err := json.Marshal(m{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": "dump",
		"contexts":        []m{{"name": "dump", "context": m{"cluster": "dump", "user": "dump"}}},
		"clusters":        []m{{"name": "dump", "cluster": m{"server": cp.server, "certificate-authority": cp.certificate()}}},
		"users":           []m{{"name": "dump", "user": m{"token": cp.token}}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(cp.path("kubeconfig"), config, 0o600)
}

func (cp *controlPlane) path(name string) string { return filepath.Join(cp.dir, name) }

func (cp *controlPlane) certificate() string { return cp.path("tls/apiserver.crt") }

// freePorts returns n loopback addresses that nobody listens on. All are held
// until the last is found, so that they differ.
func freePorts(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// tail returns the last lines of a log, for an error message.
func tail(file string, lines int) []byte {
	log, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.SplitAfter(log, []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines-1):], nil)
}
