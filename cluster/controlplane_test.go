package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// TestControlPlane is all that a real API server has its say about. It is one
// test so that one control plane does for it.
func TestControlPlane(t *testing.T) {
	e := startEnvtestFor(t)
	t.Run("apply by dry run", func(t *testing.T) {
		dry := *e
		dry.nodes = true
		testApply(t, &dry)
	})
	t.Run("apply and read back", func(t *testing.T) { testApply(t, e) })
	t.Run("apply custom kinds", func(t *testing.T) { testApplyCustomKinds(t, e) })
	t.Run("list", func(t *testing.T) { testList(t, e) })
	t.Run("no secret leaves the server", func(t *testing.T) { testNoSecrets(t, e) })
	t.Run("snapshot", func(t *testing.T) { testSnapshot(t, e) })
	t.Run("faults", func(t *testing.T) { testRealFaults(t, e) })
}

func parse(t *testing.T, path, text string) []*source.Object {
	t.Helper()
	objects, problems := source.Parse(path, []byte(text), source.DefaultLimits())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return objects
}

const manifests = `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: shop-all}
subjects:
- {kind: ServiceAccount, name: till, namespace: shop}
- {kind: User, name: jane}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: shop-all}
aggregationRule:
  clusterRoleSelectors: [{matchLabels: {shop: "yes"}}]
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: shop-secrets
  labels: {shop: "yes"}
  resourceVersion: "7"
  uid: 0a0a
  managedFields: [{manager: kubectl, operation: Update}]
rules:
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: till, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: till-token, namespace: shop, annotations: {kubernetes.io/service-account.name: till}}
type: kubernetes.io/service-account-token
---
apiVersion: v1
kind: Pod
metadata: {name: till, namespace: shop}
spec:
  serviceAccountName: till
  containers: [{name: c, image: i}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: lost, namespace: shop}
spec:
  serviceAccountName: nobody
  containers: [{name: c, image: i}]
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec: {template: {spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: till, namespace: shop}
automountServiceAccountToken: false
---
apiVersion: batch/v1
kind: Job
metadata: {generateName: once-}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: Not_A_Name}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: c, image: i}]}
`

func testApply(t *testing.T, e *Ephemeral) {
	tree := parse(t, "deploy/shop.yaml", manifests)
	start := time.Now()
	l, err := e.Apply(t.Context(), tree, ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("applied and read back %d objects in %s", len(tree), time.Since(start).Round(time.Millisecond))

	var problems []string
	for _, p := range l.Problems {
		problems = append(problems, fmt.Sprintf("%s %v: %s", p.Position, p.Incomplete, p.Err))
	}
	want := []string{
		"deploy/shop.yaml:54:1 false: the API server refuses Pod 'shop/lost', judged as written: pods \"lost\" is forbidden: error looking up service account shop/nobody: serviceaccount \"nobody\" not found",
		"deploy/shop.yaml:61:1 false: Rollout 'web' was not applied, judged as written: the cluster does not serve its kind: Rollout of argoproj.io/v1alpha1",
		"deploy/shop.yaml:66:1 false: ServiceAccount 'shop/till' is defined differently in deploy/shop.yaml:29:1, and a cluster holds one: judged as written",
		"deploy/shop.yaml:71:1 false: Job '' was not applied, judged as written: it has no name",
	}
	if diff := cmp.Diff(want, problems[:min(4, len(problems))]); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if len(problems) != 5 || !strings.Contains(problems[4], "a lowercase RFC 1123 subdomain") {
		t.Errorf("the last of %d problems is not about the name: %q", len(problems), problems)
	}

	if len(l.Objects) != len(tree) {
		t.Fatalf("%d objects, want the %d of the tree", len(l.Objects), len(tree))
	}
	for i, o := range l.Objects {
		if o.At() != tree[i].At() {
			t.Errorf("%s is at %s, want %s", o, o.At(), tree[i].At())
		}
	}
	var role struct {
		Rules []any `json:"rules"`
	}
	if err := l.Objects[1].Decode(&role); err != nil || len(role.Rules) != 1 {
		t.Errorf("the aggregated role has %v, %v", role, err)
	}
	var pod object
	if err := l.Objects[5].Decode(&pod); err != nil || pod.Spec.DeprecatedAccount != "till" || !*pod.Spec.Automount {
		t.Errorf("the pod is not as admission made it: %+v, %v", pod.Spec, err)
	}
	if l.Objects[6].Namespace != "default" {
		t.Errorf("the Deployment is in %q", l.Objects[6].Namespace)
	}

	model, _ := rbac.Build(l.Objects, rbac.Options{})
	witnesses := model.Allows(rbac.Subject{Kind: "User", Name: "jane"}, rbac.Action{Verb: "list", Resource: "secrets", Namespace: "shop"})
	if len(witnesses) != 1 {
		t.Fatalf("%d witnesses", len(witnesses))
	}
	w := witnesses[0]
	if got := w.Rule.Object.At("rules", w.Rule.Index, "verbs", 1).String(); got != "deploy/shop.yaml:27:16" {
		t.Errorf("the verb is at %s", got)
	}
}

// testApplyCustomKinds gives the definition of a kind together with an object
// of that kind, which package source would leave out.
func testApplyCustomKinds(t *testing.T, e *Ephemeral) {
	var tree []*source.Object
	for path, raw := range map[string]string{
		"rollout.yaml":   `{"apiVersion":"example.com/v1","kind":"Rollout","metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}}`,
		"namespace.yaml": `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"custom","labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`,
		"again.yaml":     `{"apiVersion":"example.com/v1","kind":"Rollout","metadata":{"name":"web","namespace":"custom"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}}`,
		"role.yaml":      `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"placed","namespace":"odd"},"rules":[]}`,
		"pod.yaml":       `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"privileged"},"spec":{"containers":[{"name":"c","image":"i","securityContext":{"privileged":true}}]}}`,
		"crd.yaml": `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"rollouts.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
			"names":{"kind":"Rollout","plural":"rollouts","singular":"rollout"},
			"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"paused":{"type":"boolean","default":true}}}}}}}]}}`,
	} {
		o, err := source.Made(path, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		tree = append(tree, o)
	}
	l, err := e.Apply(t.Context(), tree, ApplyOptions{Namespace: "custom"})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].Err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("problems %v, want that the namespace's label is heeded", l.Problems)
	}
	for i, o := range l.Objects {
		if o.Kind != tree[i].Kind || o.Origin.Path != tree[i].Origin.Path {
			t.Errorf("%s is at %s", o, o.At())
		}
		if o.Kind == "Rollout" && (o.Namespace != "custom" || !strings.Contains(content(t, o), `"paused":true`)) {
			t.Errorf("%s is not as the server has it: %s", o, content(t, o))
		}
	}
}

func testList(t *testing.T, e *Ephemeral) {
	var pages []Progress
	l, err := List(t.Context(), e.RESTConfig(), ListOptions{PageSize: 10, Progress: func(p Progress) { pages = append(pages, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Problems) > 0 || len(l.Gaps) > 0 {
		t.Errorf("problems %v, gaps %v", l.Problems, l.Gaps)
	}
	if !strings.HasPrefix(l.Version, "v1.") {
		t.Errorf("version %q", l.Version)
	}
	if len(pages) < 10 || !pages[0].More || pages[0].Objects != 10 {
		t.Errorf("progress %v", pages)
	}
	paths := map[string]*source.Object{}
	for _, o := range l.Objects {
		paths[o.Origin.Path] = o
	}
	for _, want := range []string{
		"cluster/ClusterRole/shop-secrets.yaml", "cluster/shop/RoleBinding/readers.yaml", "cluster/shop/ServiceAccount/till.yaml",
		"cluster/shop/Secret/till-token.yaml", "cluster/shop/Pod/till.yaml", "cluster/default/Deployment/web.yaml", "cluster/Namespace/shop.yaml",
	} {
		if paths[want] == nil {
			t.Errorf("%s is not listed", want)
		}
	}

	tree := parse(t, "deploy/shop.yaml", manifests)
	for _, o := range Place(l.Objects, tree, "") {
		if o.Name == "shop-secrets" && o.At("rules", 0, "verbs", 1).String() != "deploy/shop.yaml:27:16" {
			t.Errorf("%s is at %s", o, o.At("rules", 0, "verbs", 1))
		}
		if o.Name == "system:node" && !strings.HasPrefix(o.At().Path, "cluster/") {
			t.Errorf("%s is at %s", o, o.At())
		}
	}
	drifted := parse(t, "deploy/shop.yaml", strings.Replace(manifests, "[get, list]", "[get]", 1))
	for _, o := range Place(l.Objects, drifted, "") {
		if o.Name == "shop-secrets" && o.At().Path != "cluster/ClusterRole/shop-secrets.yaml" {
			t.Errorf("the drifted role is at %s", o.At())
		}
	}

	model, _ := rbac.Build(l.Objects, rbac.Options{})
	for _, r := range model.Roles {
		if strings.HasPrefix(r.Name, "system:") && !r.Assumed {
			t.Errorf("%s is not taken as shipped", r.Object)
		}
	}
}

// testNoSecrets reads along on the wire.
func testNoSecrets(t *testing.T, e *Ephemeral) {
	token := secretToken(t, e)
	var wire bytes.Buffer
	var mu sync.Mutex
	next := proxyTo(t, e.RESTConfig())
	_, config := serveFor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		r.Header.Del("Accept-Encoding")
		next.ServeHTTP(answer, r)
		mu.Lock()
		wire.Write(answer.Body.Bytes())
		mu.Unlock()
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	l, err := List(t.Context(), config, ListOptions{})
	if err != nil || len(l.Problems) > 0 {
		t.Fatal(err, l.Problems)
	}
	if wire.Len() < 10_000 || !bytes.Contains(wire.Bytes(), []byte("till-token")) {
		t.Errorf("saw %d bytes", wire.Len())
	}
	if bytes.Contains(wire.Bytes(), []byte(token)) {
		t.Error("the token was on the wire")
	}
}

// secretToken waits for the token that the controller puts into the Secret.
func secretToken(t *testing.T, e *Ephemeral) string {
	t.Helper()
	client, err := dynamic.NewForConfig(e.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var token string
	err = eventually(ctx, func(ctx context.Context) error {
		s, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace("shop").Get(ctx, "till-token", metav1.GetOptions{})
		if err != nil {
			return err
		}
		data, _ := s.Object["data"].(map[string]any)
		if token, _ = data["token"].(string); token == "" {
			return fmt.Errorf("no token yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func testSnapshot(t *testing.T, e *Ephemeral) {
	l, err := List(t.Context(), e.RESTConfig(), ListOptions{Skip: []string{"nodes"}})
	if err != nil {
		t.Fatal(err)
	}
	l.Gaps = append(l.Gaps, Gap{Kind: "Pod", Resource: "pods", Listed: 3, Err: io.ErrUnexpectedEOF})
	l.Problems = append(l.Problems, source.Problem{Err: io.ErrUnexpectedEOF, Incomplete: true})
	var file bytes.Buffer
	if err := WriteSnapshot(&file, l); err != nil {
		t.Fatal(err)
	}
	read := parse(t, "snapshot.json", file.String())
	gaps, problems := ReadSnapshot(read)
	if len(gaps) != 2 || gaps[0].Kind != "Node" || gaps[1].Listed != 3 {
		t.Errorf("gaps %v", gaps)
	}
	if len(problems) != 2 || problems[0].Incomplete || !problems[1].Incomplete || problems[1].Position.Line != 1 {
		t.Errorf("problems %v", problems)
	}
	var before, after []string
	for _, o := range l.Objects {
		before = append(before, content(t, o))
	}
	for _, o := range read[1:] {
		after = append(after, content(t, o))
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if at := read[5].At("metadata").String(); !strings.HasPrefix(at, "snapshot.json:6:") {
		t.Errorf("the fifth object is at %s", at)
	}
}

func content(t *testing.T, o *source.Object) string {
	t.Helper()
	var raw json.RawMessage
	if err := o.Decode(&raw); err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// testRealFaults puts faults between us and the real API server, and asks as
// those whom it refuses.
func testRealFaults(t *testing.T, e *Ephemeral) {
	t.Run("killed mid-list", func(t *testing.T) {
		next := proxyTo(t, e.RESTConfig())
		f := on("clusterrolebindings", 3, die)()
		var s *httptest.Server
		s, config := serveFor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(s, w, r, next) }))
		l, err := List(t.Context(), config, ListOptions{PageSize: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Gaps) != len(resources())-1 || l.Gaps[0].Kind != "ClusterRoleBinding" || l.Gaps[0].Listed != 20 || len(l.Problems) != 1 {
			t.Errorf("problems %v, gaps %v", l.Problems, l.Gaps)
		}
	})
	t.Run("list refused for one kind", func(t *testing.T) {
		_, err := e.Apply(t.Context(), parse(t, "scanner.yaml", almostAll()), ApplyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		config := e.RESTConfig()
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:shop:scanner"}
		l, err := List(t.Context(), config, ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Gaps) != 1 || l.Gaps[0].Kind != "RoleBinding" || len(l.Problems) != 1 || !l.Problems[0].Incomplete {
			t.Fatalf("problems %v, gaps %v", l.Problems, l.Gaps)
		}
		if want := `cannot list resource "rolebindings"`; !strings.Contains(l.Problems[0].Err.Error(), want) {
			t.Errorf("%q lacks %q", l.Problems[0].Err, want)
		}
	})
	t.Run("expired token", func(t *testing.T) {
		config := rest.AnonymousClientConfig(e.RESTConfig())
		config.BearerToken = expiredToken(t, e)
		l, err := List(t.Context(), config, ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].Err.Error(), "does not accept the credentials") || len(l.Gaps) != len(resources()) {
			t.Errorf("problems %v", l.Problems)
		}
	})
	t.Run("self-signed CA", func(t *testing.T) {
		config := rest.CopyConfig(e.RESTConfig())
		config.CAData = nil
		l, err := List(t.Context(), config, ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Problems) != 1 || !strings.Contains(l.Problems[0].Err.Error(), "authority that is not trusted") {
			t.Errorf("problems %v", l.Problems)
		}
	})
}

// almostAll allows a service account to list all kinds but RoleBindings.
func almostAll() string {
	var rules []string
	for _, r := range resources() {
		if r.name != "rolebindings" {
			rules = append(rules, fmt.Sprintf("- {apiGroups: [%q], resources: [%s], verbs: [list]}", r.group, r.name))
		}
	}
	slices.Sort(rules)
	return `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: almost-all}
rules:
` + strings.Join(rules, "\n") + `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: almost-all}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: almost-all}
subjects: [{kind: ServiceAccount, name: scanner, namespace: shop}]
`
}

// expiredToken signs a token with the cluster's own key, for the past.
func expiredToken(t *testing.T, e *Ephemeral) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(e.Kubeconfig()), "accounts.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	past := time.Now().Add(-time.Hour).Unix()
	signed := part(map[string]any{"alg": "ES256"}) + "." + part(map[string]any{
		"iss": "https://kubernetes.default.svc", "aud": []string{"https://kubernetes.default.svc"},
		"sub": "system:serviceaccount:default:default", "iat": past - 60, "nbf": past - 60, "exp": past,
		"kubernetes.io": map[string]any{"namespace": "default", "serviceaccount": map[string]any{"name": "default", "uid": "x"}},
	})
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}
