package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func pemOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// fault goes wrong instead of the server behind it, or lets a request pass.
type fault func(s *httptest.Server, w http.ResponseWriter, r *http.Request, next http.Handler)

// allKinds are the kinds of all resources from one on.
func kindsFrom(kind string) []string {
	var kinds []string
	for _, r := range resources() {
		if r.kind == kind || len(kinds) > 0 {
			kinds = append(kinds, r.kind)
		}
	}
	return kinds
}

// on makes a fault of one resource, from its nth page on.
func on(resource string, nth int, f fault) func() fault {
	return func() fault {
		seen := 0
		return func(s *httptest.Server, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/"+resource) {
				if seen++; seen >= nth {
					f(s, w, r, next)
					return
				}
			}
			next.ServeHTTP(w, r)
		}
	}
}

func once(f fault) func() fault {
	return func() fault {
		done := false
		return func(s *httptest.Server, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if done {
				next.ServeHTTP(w, r)
				return
			}
			done = true
			f(s, w, r, next)
		}
	}
}

func status(code int, message string) fault {
	return func(_ *httptest.Server, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		writeStatus(w, code, message)
	}
}

func busy(seconds string) fault {
	return func(_ *httptest.Server, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", seconds)
		writeStatus(w, http.StatusTooManyRequests, "too many requests, please try again later")
	}
}

// die ends the server in the middle of an answer.
func die(s *httptest.Server, w http.ResponseWriter, r *http.Request, next http.Handler) {
	half(s, w, r, next)
	go s.CloseClientConnections()
	_ = s.Listener.Close()
}

// half sends the first half of the answer and breaks the connection.
func half(_ *httptest.Server, w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := httptest.NewRecorder()
	r.Header.Del("Accept-Encoding")
	next.ServeHTTP(answer, r)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	body := answer.Body.Bytes()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n")
	_, _ = conn.Write(body[:len(body)/2])
	_ = conn.Close()
}

// TestListFaults lets a server do what servers do. No case may look like a
// cluster without findings.
func TestListFaults(t *testing.T) {
	all := kindsFrom("ClusterRole")
	for _, c := range []struct {
		name    string
		fault   func() fault
		options ListOptions
		gaps    []string // kinds
		listed  int      // of the first gap
		message string   // of the first problem
		slow    time.Duration
	}{
		{name: "nothing is wrong", fault: on("none", 1, nil)},
		{name: "killed mid-list", fault: on("rolebindings", 2, die), gaps: kindsFrom("RoleBinding"), listed: 2, message: "rolebindings.rbac.authorization.k8s.io, serviceaccounts"},
		{name: "an answer breaks off once", fault: on("rolebindings", 2, once(half)())},
		{name: "429 with Retry-After", fault: on("roles", 1, once(busy("1"))()), slow: time.Second},
		{name: "429 for an hour", fault: on("roles", 2, busy("3600")), gaps: []string{"Role"}, listed: 2, message: "roles.rbac.authorization.k8s.io: incomplete, listed no more than 2: too many requests"},
		{name: "429 for ever", fault: on("roles", 1, busy("1")), options: ListOptions{Timeout: 1500 * time.Millisecond}, gaps: kindsFrom("Role"), message: "no answer within 1.5s: too many requests"},
		{name: "500 once", fault: on("pods", 1, once(status(500, "etcdserver: leader changed"))())},
		{name: "500 for ever", fault: on("pods", 1, status(500, "etcdserver: no leader")), gaps: []string{"Pod"}, message: "pods: not listed: etcdserver: no leader"},
		{name: "one kind refused", fault: on("clusterrolebindings", 1, status(403, `User "x" cannot list`)), gaps: []string{"ClusterRoleBinding"}, message: `clusterrolebindings.rbac.authorization.k8s.io: not listed: User "x" cannot list`},
		{name: "not served", fault: on("roles", 1, status(404, "could not find")), gaps: []string{"Role"}, message: "could not find"},
		{name: "expired token", fault: func() fault { return status(401, "Unauthorized") }, gaps: all, message: "does not accept the credentials"},
		{name: "token expires mid-list", fault: on("roles", 2, status(401, "Unauthorized")), gaps: kindsFrom("Role"), listed: 2, message: "does not accept the credentials"},
		{name: "state forgotten, goes on", fault: on("roles", 2, once(status(410, "02"))())},
		{name: "state forgotten", fault: on("roles", 2, status(410, "")), gaps: []string{"Role"}, listed: 2, message: "roles.rbac.authorization.k8s.io: incomplete"},
		{name: "hangs", fault: on("jobs", 1, func(_ *httptest.Server, _ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }),
			options: ListOptions{Timeout: 200 * time.Millisecond}, gaps: kindsFrom("Job"), message: "no answer within 200ms"},
		{name: "a login page", fault: func() fault {
			return func(_ *httptest.Server, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				_, _ = io.WriteString(w, "<html>log in</html>")
			}
		}, gaps: all, message: "reading a list"},
		{name: "other JSON", fault: on("roles", 1, func(_ *httptest.Server, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = io.WriteString(w, `{"metadata":{},"items":[]}`)
		}), gaps: kindsFrom("Role"), message: "the answer is no RoleList"},
		{name: "not asked for", fault: on("none", 1, nil), options: ListOptions{Skip: []string{"secrets"}}, gaps: []string{"Secret"}, message: "secrets: not listed: not asked for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := c.fault()
			var s *httptest.Server
			s, config := serveFor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(s, w, r, fakeAPI{5}) }))
			c.options.PageSize = 2
			start := time.Now()
			l, err := List(t.Context(), config, c.options)
			if err != nil {
				t.Fatal(err)
			}
			var gaps []string
			for _, g := range l.Gaps {
				gaps = append(gaps, g.Kind)
			}
			if diff := cmp.Diff(c.gaps, gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if took := time.Since(start); took < c.slow {
				t.Errorf("took %s, less than Retry-After says", took)
			}
			if c.gaps == nil {
				if len(l.Problems) > 0 {
					t.Errorf("problems: %v", l.Problems)
				}
				// Secrets are listed by type, twice.
				if want := 5 * (len(all) + 1); len(l.Objects) != want {
					t.Errorf("%d objects, want %d", len(l.Objects), want)
				}
				return
			}
			if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].Err.Error(), c.message) {
				t.Fatalf("problems %v, want one with %q", l.Problems, c.message)
			}
			if skipped := c.options.Skip != nil; l.Problems[0].Incomplete == skipped {
				t.Errorf("incomplete is %v", l.Problems[0].Incomplete)
			}
			if l.Gaps[0].Listed != c.listed {
				t.Errorf("listed %d of the first gap, want %d", l.Gaps[0].Listed, c.listed)
			}
			for _, o := range l.Objects {
				if slices.Contains(c.gaps[1:], o.Kind) {
					t.Errorf("has %s, whose kind is a gap", o)
				}
			}
		})
	}
}

// The partial result of a list that is interrupted still says what it lacks.
func TestListCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, config := serveFor(t, fakeAPI{5})
	l, err := List(ctx, config, ListOptions{PageSize: 2, Progress: func(p Progress) {
		if p.Resource == "roles" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(l.Problems) != 1 || !l.Problems[0].Incomplete || len(l.Gaps) == 0 || l.Gaps[0].Kind != "Role" {
		t.Errorf("problems %v, gaps %v", l.Problems, l.Gaps)
	}
}

func TestListUnreachable(t *testing.T) {
	other := httptest.NewUnstartedServer(nil)
	other.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	other.Config.ErrorLog = log.New(io.Discard, "", 0)
	other.StartTLS()
	t.Cleanup(other.Close)
	gone, config := serveFor(t, fakeAPI{1})
	gone.Close()
	for _, c := range []struct {
		name   string
		config *rest.Config
		want   []string
	}{
		{"self-signed CA", &rest.Config{Host: other.URL, TLSClientConfig: rest.TLSClientConfig{CAData: pemOf(gone)}}, []string{"authority that is not trusted", "certificate-authority"}},
		{"nobody listens", config, []string{"cannot be reached", gone.URL}},
		{"no such host", &rest.Config{Host: "https://cluster.invalid"}, []string{"https://cluster.invalid cannot be reached"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := List(t.Context(), c.config, ListOptions{Timeout: 20 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if len(l.Problems) != 1 || !l.Problems[0].Incomplete || len(l.Gaps) != len(resources()) {
				t.Fatalf("problems %v, %d gaps", l.Problems, len(l.Gaps))
			}
			for _, want := range c.want {
				if !strings.Contains(l.Problems[0].Err.Error(), want) {
					t.Errorf("%q lacks %q", l.Problems[0].Err, want)
				}
			}
		})
	}
}

func TestContext(t *testing.T) {
	dir, tree := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "config")
	k := clientcmdapi.NewConfig()
	k.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://one.invalid"}
	k.Clusters["d"] = &clientcmdapi.Cluster{Server: "https://two.invalid", CertificateAuthority: "gone.crt"}
	k.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "t"}
	k.Contexts["one"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	k.Contexts["two"] = &clientcmdapi.Context{Cluster: "d", AuthInfo: "u"}
	k.CurrentContext = "one"
	for _, f := range []string{file, filepath.Join(tree, "config")} {
		if err := clientcmd.WriteToFile(*k, f); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(tree, "config"), link); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options ContextOptions
		env     map[string]string
		host    string
		want    []string
	}{
		{name: "named", options: ContextOptions{Kubeconfig: file}, host: "https://one.invalid"},
		{name: "from KUBECONFIG", env: map[string]string{"KUBECONFIG": "/none/a" + string(os.PathListSeparator) + file}, host: "https://one.invalid"},
		{name: "missing file", options: ContextOptions{Kubeconfig: "/none/config"}, want: []string{"kubeconfig '/none/config' does not exist"}},
		{name: "unknown context", options: ContextOptions{Kubeconfig: file, Context: "three"}, want: []string{"context 'three' is not in kubeconfig '" + file + "'", "'one', 'two'"}},
		{name: "missing CA", options: ContextOptions{Kubeconfig: file, Context: "two"}, want: []string{"context 'two'", "gone.crt"}},
		{name: "not YAML", options: ContextOptions{Kubeconfig: broken}, want: []string{"reading the kubeconfig", broken}},
		{name: "nothing", env: map[string]string{"HOME": tree}, want: []string{"no cluster is configured", "--kubeconfig", tree}},
		{name: "unknown context of nothing", options: ContextOptions{Context: "x"}, env: map[string]string{"HOME": tree}, want: []string{"context 'x' is not in", "there is none"}},
		{name: "in the tree", options: ContextOptions{Kubeconfig: filepath.Join(tree, "config"), Trees: []string{tree}}, want: []string{"is scanned"}},
		{name: "in the tree by the environment", options: ContextOptions{Trees: []string{tree}}, env: map[string]string{"KUBECONFIG": link}, want: []string{"is scanned"}},
		{name: "in the tree, which is scanned by file", options: ContextOptions{Kubeconfig: link, Trees: []string{filepath.Join(tree, "config")}}, want: []string{"is scanned"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Getenv = func(name string) string { return c.env[name] }
			config, err := Context(c.options)
			if c.want == nil {
				if err != nil || config.Host != c.host {
					t.Errorf("got %v, %v", config, err)
				}
				return
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v lacks %q", err, want)
				}
			}
		})
	}
}

// A certificate file that is not there shows when a context is used, too.
func TestListWithUnusableConfig(t *testing.T) {
	_, err := List(t.Context(), &rest.Config{Host: "https://x.invalid", TLSClientConfig: rest.TLSClientConfig{CAFile: "/none/ca.crt"}}, ListOptions{})
	if err == nil || !strings.Contains(err.Error(), "/none/ca.crt") {
		t.Errorf("got %v", err)
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	made, err := ca.server()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(bytes.Join([][]byte{made.certificate, ca.pem}, nil), made.key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
