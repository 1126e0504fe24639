package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// fakeAPI answers lists as an API server does: by pages, metadata alone where
// that is asked for. It holds perKind objects of each kind.
type fakeAPI struct{ perKind int }

func (f fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/version" {
		fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
		return
	}
	for _, res := range resources() {
		if r.URL.Path == "/"+res.path() {
			f.list(w, r, res)
			return
		}
	}
	writeStatus(w, http.StatusNotFound, "the server could not find the requested resource")
}

func (f fakeAPI) list(w http.ResponseWriter, r *http.Request, res resource) {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	to, next := from+limit, strconv.Itoa(from+limit)
	if limit == 0 || to >= f.perKind {
		to, next = f.perKind, ""
	}
	kind := res.kind + "List"
	if strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
		kind = "PartialObjectMetadataList"
	}
	items := []any{}
	for i := from; i < to; i++ {
		items = append(items, map[string]any{
			"metadata": map[string]any{"name": fmt.Sprintf("%s-%d", strings.ToLower(res.kind), i), "namespace": "ns"},
		})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Kind     string         `json:"kind"`
		Metadata map[string]any `json:"metadata"`
		Items    []any          `json:"items"`
	}{kind, map[string]any{"continue": next}, items})
}

// writeStatus answers with a Status, as an API server does.
func writeStatus(w http.ResponseWriter, code int, message string) {
	reason := map[int]string{401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 410: "Expired", 429: "TooManyRequests"}[code]
	meta := map[string]any{}
	if code == http.StatusGone {
		meta["continue"] = message
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message, "metadata": meta,
	})
}

// served starts a server over TLS and gives access to it.
func serveFor(t *testing.T, h http.Handler) (*httptest.Server, *rest.Config) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return s, &rest.Config{Host: s.URL, BearerToken: "t", TLSClientConfig: rest.TLSClientConfig{CAData: pemOf(s)}}
}

// proxyTo leads to a real API server, as the user that config is.
func proxyTo(t *testing.T, config *rest.Config) http.Handler {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Del("Authorization") // the proxy's own counts
		},
		Transport: transport,
	}
}
