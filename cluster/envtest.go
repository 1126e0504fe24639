package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// EnvtestOptions say how to start a control plane without nodes.
type EnvtestOptions struct {
	// Assets is the folder with etcd, kube-apiserver and
	// kube-controller-manager, such as KUBEBUILDER_ASSETS names.
	Assets string
	// Log is told of each stage; nil for silence.
	Log *slog.Logger
	// APIServerArgs come after ours, such as "--feature-gates=…".
	APIServerArgs []string
}

const (
	envtestReady  = 90 * time.Second // takes 5 s on an idle machine
	pollEvery     = 50 * time.Millisecond
	attempts      = 3   // at a free port, which somebody may take before us
	maxSocketPath = 100 // of 104 to 108 bytes, by platform
)

// controllers are those that a cluster without nodes needs: aggregation, and
// the accounts, tokens and namespaces that workloads refer to. The others
// would only add load, or wait for nodes and clouds.
const controllers = "clusterrole-aggregation-controller,namespace-controller,root-ca-certificate-publisher-controller,serviceaccount-controller,serviceaccount-token-controller"

// StartEnvtest starts etcd, kube-apiserver and kube-controller-manager on
// loopback and returns when they answer, aggregated roles are filled and
// namespace default has its service account. There are no nodes: nothing
// runs. On failure, and when ctx ends, nothing is left behind.
func StartEnvtest(ctx context.Context, o EnvtestOptions) (*Ephemeral, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := checkAssets(o.Assets); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		e, err := startEnvtest(ctx, o)
		switch {
		case err == nil:
			return e, nil
		case attempt == attempts || ctx.Err() != nil || !strings.Contains(err.Error(), "address already in use"):
			return nil, fmt.Errorf("starting a control plane: %w", err)
		}
		o.Log.Debug("the port was taken, trying another")
	}
}

// checkAssets says what is missing, before anything is started.
func checkAssets(dir string) error {
	const get = "setup-envtest (sigs.k8s.io/controller-runtime/tools/setup-envtest) installs etcd and kube-apiserver; " +
		"add kube-controller-manager of the same version from https://dl.k8s.io to that folder"
	if dir == "" {
		return fmt.Errorf("no folder with control plane binaries: set KUBEBUILDER_ASSETS or --assets; %s", get)
	}
	var missing []string
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no executable %s in '%s': %s", strings.Join(missing, ", "), dir, get)
	}
	return nil
}

// controlPlane is the processes and the folder behind an Ephemeral.
type controlPlane struct {
	EnvtestOptions
	dir    string // sockets, data, keys and logs
	config *rest.Config

	ctx       context.Context // done when stopped, or when a process ends by itself
	cancel    context.CancelCauseFunc
	processes sync.WaitGroup
}

func startEnvtest(ctx context.Context, o EnvtestOptions) (*Ephemeral, error) {
	assets, err := filepath.Abs(o.Assets) // processes have a working directory of their own
	if err != nil {
		return nil, err
	}
	o.Assets = assets
	dir, err := os.MkdirTemp("", "hotpod-envtest-")
	if err != nil {
		return nil, err
	}
	c := &controlPlane{EnvtestOptions: o, dir: dir}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return newEphemeral(ctx, c.config, c.path("kubeconfig"), c.remove), nil
}

// remove kills rather than asks: nothing in there is worth an orderly end.
func (c *controlPlane) remove() error {
	c.cancel(errStopped)
	c.processes.Wait()
	return os.RemoveAll(c.dir)
}

var errStopped = errors.New("stopped")

func (c *controlPlane) start() error {
	ctx, cancel := context.WithTimeoutCause(c.ctx, envtestReady, fmt.Errorf("not ready after %s", envtestReady))
	defer cancel()
	address, err := freePort()
	if err != nil {
		return err
	}
	if err := c.writeCredentials(address); err != nil {
		return fmt.Errorf("writing credentials: %w", err)
	}
	stages := []struct {
		name string
		run  func(context.Context) error
	}{
		{"etcd", c.startEtcd},
		{"kube-apiserver", func(ctx context.Context) error { return c.startAPIServer(ctx, address) }},
		{"kube-controller-manager", c.startControllerManager},
	}
	for _, s := range stages {
		c.Log.Info("starting " + s.name)
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	c.Log.Info("control plane is ready", "server", c.config.Host)
	return nil
}

// startEtcd listens on a socket in the folder, so that no port can be taken
// and no other user of the machine can read what is stored. The advertised
// address is one that nobody can use; see RunCustomEtcd in
// kubernetes/test/integration/framework, whose recipe this is.
func (c *controlPlane) startEtcd(ctx context.Context) error {
	socket := c.path("etcd.sock")
	if len(socket) > maxSocketPath {
		return fmt.Errorf("the path of the temporary folder is too long for a socket: '%s'; set TMPDIR to a shorter one", c.dir)
	}
	err := c.spawn("etcd",
		"--data-dir="+c.path("etcd"),
		"--unsafe-no-fsync",
		"--quota-backend-bytes=8589934592",
		"--log-level=warn",
		"--listen-client-urls=unix://"+socket,
		"--advertise-client-urls=http://127.0.0.111:0",
		"--listen-peer-urls=http://127.0.0.1:0",
	)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	return eventually(ctx, func(ctx context.Context) error {
		return ask(ctx, client, "http://etcd/readyz")
	})
}

func (c *controlPlane) startAPIServer(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	args := []string{
		"--etcd-servers=unix://" + c.path("etcd.sock"),
		"--bind-address=" + host,
		"--advertise-address=" + host, // else it looks for a default route, which a sandbox may lack
		"--secure-port=" + port,
		"--tls-cert-file=" + c.path("server.crt"),
		"--tls-private-key-file=" + c.path("server.key"),
		"--client-ca-file=" + c.path("ca.crt"),
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--endpoint-reconciler-type=none", // a loopback address is not a valid endpoint
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("accounts.key"),
		"--service-account-signing-key-file=" + c.path("accounts.key"),
	}
	if err := c.spawn("kube-apiserver", append(args, c.APIServerArgs...)...); err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(c.config)
	if err != nil {
		return err
	}
	// Readiness includes the start hook that writes the built-in RBAC objects.
	return eventually(ctx, func(ctx context.Context) error {
		return ask(ctx, client, c.config.Host+"/readyz")
	})
}

func (c *controlPlane) startControllerManager(ctx context.Context) error {
	err := c.spawn("kube-controller-manager",
		"--kubeconfig="+c.path("kubeconfig"),
		"--controllers="+controllers,
		"--root-ca-file="+c.path("ca.crt"),
		"--service-account-private-key-file="+c.path("accounts.key"),
		"--leader-elect=false",
		"--secure-port=0", // nobody asks it anything
		"--kube-api-qps=1000",
		"--kube-api-burst=1000",
	)
	if err != nil {
		return err
	}
	return waitSettled(ctx, c.config, []string{"default"})
}

// spawn starts a binary of the assets. Should it end before stop, all waiting
// on the control plane ends too, with the last lines of its log as the reason.
func (c *controlPlane) spawn(name string, args ...string) error {
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(c.ctx, filepath.Join(c.Assets, name), args...)
	cmd.Dir = c.dir
	cmd.Env = []string{} // etcd reads flags from the environment, clients read proxies
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = processAttributes()

	started := make(chan error)
	c.processes.Go(func() {
		// Linux ends a process tied to us when the thread that started it
		// ends, not when we do (go.dev/issue/27505): this one waits for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			err = cmd.Wait()
			c.ended(name, err, log.Name())
		}
		log.Close() // the process has written it
	})
	return <-started
}

// ended deals with the end of a process, which is expected only after remove.
func (c *controlPlane) ended(name string, err error, log string) {
	if c.ctx.Err() != nil {
		return
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	err = fmt.Errorf("%s ended by itself: %w\n%s", name, err, tail(log, 20))
	c.Log.Error("control plane is broken", "err", err)
	c.cancel(err)
}

// writeCredentials makes all keys and certificates, and a kubeconfig.
func (c *controlPlane) writeCredentials(address string) error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	server, err := ca.server()
	if err != nil {
		return err
	}
	admin, err := ca.client("hotpod", "system:masters")
	if err != nil {
		return err
	}
	_, accounts, err := newKey()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"ca.crt": ca.pem, "server.crt": server.certificate, "server.key": server.key, "accounts.key": accounts,
	} {
		if err := os.WriteFile(c.path(name), content, 0o600); err != nil {
			return err
		}
	}
	c.config = unlimited(&rest.Config{
		Host:            "https://" + address,
		TLSClientConfig: rest.TLSClientConfig{CAData: ca.pem, CertData: admin.certificate, KeyData: admin.key},
	})
	return writeKubeconfig(c.path("kubeconfig"), c.config)
}

func writeKubeconfig(file string, config *rest.Config) error {
	const name = "hotpod"
	k := clientcmdapi.NewConfig()
	k.CurrentContext = name
	k.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	k.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	k.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	return clientcmd.WriteToFile(*k, file) // with mode 0600
}

func (c *controlPlane) path(name string) string { return filepath.Join(c.dir, name) }

// eventually repeats attempt until it succeeds or ctx ends, which must have a
// deadline: the last failure then is part of the error.
func eventually(ctx context.Context, attempt func(context.Context) error) error {
	for {
		err := attempt(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return fmt.Errorf("%w: %w", context.Cause(ctx), err)
			}
			return context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
}

// ask wants a path to answer with 200.
func ask(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // nothing more is read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}

// freePort finds a loopback address that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close() // the address is all that is wanted
	return l.Addr().String(), nil
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
