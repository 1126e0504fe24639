package prove

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

// Somebody has decided of each check whether it can be tried.
func TestEveryCheckIsConsidered(t *testing.T) {
	for _, c := range checks.All() {
		if _, ok := recipes[c.ID]; !ok {
			t.Errorf("%s has no recipe: nil says that there is nothing to try", c.ID)
		}
	}
}

func TestGuard(t *testing.T) {
	c, err := newClient(Target{Config: &rest.Config{Host: "https://cluster.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, path string
		passes       bool
	}{
		{"POST", reviews, true},
		{"POST", "/api/v1/namespaces/shop/pods?dryRun=All", true},
		{"DELETE", "/api/v1/namespaces/shop/pods/web?dryRun=All", true},
		{"POST", "/api/v1/namespaces/shop/serviceaccounts/web/token?dryRun=All", false},
		{"POST", "/api/v1/namespaces/shop/serviceaccounts/web/token", false},
		{"POST", "/api/v1/namespaces/shop/pods", false},
		{"POST", "/api/v1/namespaces/shop/pods?dryRun=", false},
		{"POST", "/api/v1/namespaces/shop/pods?fieldManager=dryRun=All", false},
		{"PATCH", "/api/v1/namespaces/shop/pods/web", false},
		{"GET", "/api/v1/secrets?limit=1", false},
		{"GET", "/api/v1/secrets?dryRun=All", false},
		{"DELETE", reviews, false},
		{"POST", selfAccessReview, false},
	} {
		req := httptest.NewRequest(test.method, "https://cluster.example"+test.path, nil)
		if err := c.guard(req); (err == nil) != test.passes {
			t.Errorf("%s %s: %v", test.method, test.path, err)
		}
	}
}

// finding is that somebody can list secrets.
func finding(t *testing.T) *checks.Finding {
	t.Helper()
	c, err := checks.Find("HP101")
	if err != nil {
		t.Fatal(err)
	}
	binding := &rbac.Binding{Namespace: "shop", Name: "reader"}
	power := rbac.Power{
		Witness: rbac.Witness{Grant: rbac.Grant{Binding: binding}}, Namespace: "shop",
		Can: rbacv1.PolicyRule{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"secrets"}},
	}
	return &checks.Finding{
		Check: c, Subject: rbac.Subject{Kind: "User", Name: "jane"}, Binding: binding, Namespace: "shop", Powers: []rbac.Power{power},
	}
}

// What a server answers that is out of order is no proof of anything, and
// nothing that it sends besides a reason is shown.
func TestOutOfOrder(t *testing.T) {
	const secret = "c2VjcmV0"
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"not an API server": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, secret) }, "the operator may not ask: OK"},
		"broken": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, secret, http.StatusInternalServerError) },
			"the operator may not ask: Internal Server Error"},
		"busy": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"kind": "Status", "message": "try\nlater", "data": "`+secret+`"}`)
		}, "the operator may not ask: try later"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			f := finding(t)
			proofs, err := Findings(t.Context(), Target{Config: &rest.Config{Host: server.URL}}, []*checks.Finding{f})
			if err != nil {
				t.Fatal(err)
			}
			p := proofs[f]
			if p.Verdict != checks.NotTried || p.Reason == "" || len(p.Tried) != 1 {
				t.Fatalf("%+v", p)
			}
			if diff := cmp.Diff(test.want, p.Tried[0].Shows); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(p.Tried[0].Shows+p.Reason, secret) {
				t.Errorf("shows what the server sent: %+v", p)
			}
		})
	}
}

// Without a server every finding says why it was not tried.
func TestNoServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	f := finding(t)
	for _, ephemeral := range []bool{false, true} {
		proofs, err := Findings(t.Context(), Target{Config: &rest.Config{Host: server.URL}, Ephemeral: ephemeral}, []*checks.Finding{f})
		if err != nil {
			t.Fatal(err)
		}
		if p := proofs[f]; p.Verdict != checks.NotTried || p.Reason == "" {
			t.Errorf("%+v", p)
		}
	}
}

// An end of the context is not waited out.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client is gone
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	started := time.Now()
	f := finding(t)
	proofs, err := Findings(ctx, Target{Config: &rest.Config{Host: server.URL}}, []*checks.Finding{f})
	if err == nil || proofs[f].Verdict == checks.Proven {
		t.Errorf("%v, %+v", err, proofs[f])
	}
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
