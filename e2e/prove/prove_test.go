// Package prove proves the findings of all fixtures on a real API server.
package prove

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/prove"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

const fixtures = "../../fixtures"

func TestMain(m *testing.M) { os.Exit(live.Main(m)) }

// bad lists the fixtures that have findings.
func bad(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(fixtures, "HP*", "bad*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for i := range files {
		files[i] = strings.TrimPrefix(files[i], fixtures+"/")
	}
	return files
}

func scan(t testing.TB, objects []*source.Object) []*checks.Finding {
	t.Helper()
	m, problems := rbac.Build(objects, rbac.Options{})
	for _, p := range problems {
		t.Errorf("%s: %v", p.Position, p.Err)
	}
	findings, failures := checks.Run(m, checks.All(), checks.Options{Minor: 37})
	for _, f := range failures {
		t.Errorf("%s failed: %v", f.Check.ID, f.Err)
	}
	return findings
}

// say names a finding and its proof, for messages.
func say(t testing.TB, f *checks.Finding, p checks.Proof) {
	t.Helper()
	t.Logf("%s: %s %s %s: %s %s", f.RuleID(), f.Who, f.Can, f.Where, p.Verdict, p.Reason)
	for _, trial := range p.Tried {
		t.Logf("    %s: %s %s: %d: %s", trial.As, trial.Request, trial.Body, trial.Status, trial.Shows)
	}
}

// wire keeps what is sent and what comes back.
type wire struct {
	mu       sync.Mutex
	requests []string
	bodies   strings.Builder
}

func (w *wire) record(c *rest.Config) *rest.Config {
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { return tap{w, next} })
	return c
}

type tap struct {
	*wire
	next http.RoundTripper
}

func (t tap) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	t.mu.Lock()
	t.requests = append(t.requests, req.Method+" "+req.URL.RequestURI())
	t.mu.Unlock()
	if err == nil && !req.URL.Query().Has("watch") {
		body, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		t.mu.Lock()
		t.bodies.Write(body)
		t.mu.Unlock()
	}
	return resp, err
}

// TestFixtures proves what every bad fixture is about: as on a cluster of our
// own, then as on a live one.
func TestFixtures(t *testing.T) {
	c := live.Need(t)
	stages := map[string]time.Duration{}
	for _, name := range bad(t) {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			stage := func(what string) { stages[what] += time.Since(started); started = time.Now() }
			objects := live.Load(t, name)
			c.Hold(t, objects)
			stage("apply")
			findings := scan(t, objects)
			stage("scan")
			proofs, err := prove.Findings(t.Context(), prove.Target{Config: c.RESTConfig(), Ephemeral: true}, findings)
			if err != nil {
				t.Fatal(err)
			}
			stage("prove")
			proven(t, findings, proofs)
			sent := &wire{}
			proofs, err = prove.Findings(t.Context(), prove.Target{Config: sent.record(c.RESTConfig())}, findings)
			if err != nil {
				t.Fatal(err)
			}
			proven(t, findings, proofs)
			sent.harmless(t)
		})
	}
	t.Log(stages)
	nothingLeft(t, c)
}

// proven holds that each finding that can be tried is proven.
func proven(t *testing.T, findings []*checks.Finding, proofs map[*checks.Finding]checks.Proof) {
	t.Helper()
	idle := []string{"there is nothing to try", "nobody is bound to the role"}
	for _, f := range findings {
		p := proofs[f]
		say(t, f, p)
		variant := f.Subject.Variant != "" && strings.Contains(p.Reason, "more than once")
		if p.Verdict != checks.Proven && !slices.Contains(idle, p.Reason) && !variant {
			t.Errorf("%s is %s: %s", f.RuleID(), p.Verdict, p.Reason)
		}
		text, _ := json.Marshal(p)
		if bytes.Contains(text, []byte("eyJ")) {
			t.Errorf("%s: there is a token in the proof", f.RuleID())
		}
	}
}

// harmless holds that nothing but reviews and dry runs was sent.
func (w *wire) harmless(t *testing.T) {
	t.Helper()
	for _, r := range w.requests {
		review := r == "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"
		if strings.Contains(r, "/token") || (!review && (!strings.Contains(r, "dryRun=All") || strings.HasPrefix(r, "GET"))) {
			t.Errorf("a live cluster was sent %s", r)
		}
	}
}

func nothingLeft(t *testing.T, c *live.Cluster) {
	t.Helper()
	for group, resources := range map[string]string{
		"/api/v1/":       "secrets serviceaccounts pods replicationcontrollers",
		"/apis/apps/v1/": "deployments daemonsets statefulsets replicasets", "/apis/batch/v1/": "jobs cronjobs",
		"/apis/rbac.authorization.k8s.io/v1/":    "roles rolebindings clusterroles clusterrolebindings",
		"/apis/admissionregistration.k8s.io/v1/": "mutatingwebhookconfigurations validatingwebhookconfigurations",
	} {
		for _, resource := range strings.Fields(resources) {
			var list metav1.PartialObjectMetadataList
			c.Admin.MetadataOfLists().Must(t, 200, "GET", group+resource+"?labelSelector=hotpod.dev/proof", nil).Decode(t, &list)
			for _, o := range list.Items {
				t.Errorf("%s %s/%s is left behind", resource, o.Namespace, o.Name)
			}
		}
	}
}

// prepared gives the findings of a fixture that a cluster holds.
func prepared(t *testing.T, c *live.Cluster, name string) []*checks.Finding {
	t.Helper()
	objects := live.Load(t, name)
	c.Hold(t, objects)
	return scan(t, objects)
}

// TestNoSecret: what is in a secret does not even leave the server.
func TestNoSecret(t *testing.T) {
	c := live.Need(t)
	const value = "Zm9yLW5vYm9keQ"
	for _, fixture := range []string{"HP101/bad.yaml", "HP102/bad-reaches.yaml"} {
		findings := prepared(t, c, fixture)
		at := "/api/v1/namespaces/shop/secrets"
		c.Admin.Do(t, "DELETE", at+"/shop-tls", nil)
		c.Admin.Must(t, 201, "POST", at, map[string]any{"metadata": map[string]any{"name": "shop-tls"}, "stringData": map[string]any{"k": value}})
		sent := &wire{}
		proofs, err := prove.Findings(t.Context(), prove.Target{Config: sent.record(c.RESTConfig()), Ephemeral: true}, findings)
		if err != nil {
			t.Fatal(err)
		}
		proven(t, findings, proofs)
		if got := sent.bodies.String(); !strings.Contains(got, "PartialObjectMetadata") || strings.Contains(got, base64.StdEncoding.EncodeToString([]byte(value))) {
			t.Error("the API server sent more than metadata")
		}
		c.Admin.Must(t, 200, "DELETE", at+"/shop-tls", nil)
	}
	nothingLeft(t, c)
}

// refuted holds that a finding is refuted, with a reason.
func refuted(t *testing.T, c *live.Cluster, findings []*checks.Finding, rule, because string) {
	t.Helper()
	for _, ephemeral := range []bool{true, false} {
		proofs, err := prove.Findings(t.Context(), prove.Target{Config: c.RESTConfig(), Ephemeral: ephemeral}, findings)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			p := proofs[f]
			if f.RuleID() != rule {
				continue
			}
			say(t, f, p)
			if n := len(p.Tried); p.Verdict != checks.Refuted || !strings.Contains(p.Tried[n-1].Shows, because) {
				t.Errorf("%s is %s, want it refuted because of %q", rule, p.Verdict, because)
			}
		}
	}
}

// TestRemoved: somebody takes the binding away behind the scanner's back.
func TestRemoved(t *testing.T) {
	c := live.Need(t)
	findings := prepared(t, c, "HP101/bad.yaml")
	c.Admin.Must(t, 200, "DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/"+findings[0].Binding.Name, nil)
	c.Settle(t)
	refuted(t, c, findings, "HP101/cluster", "not")
}

// TestGuarded: admission refuses what RBAC allows.
func TestGuarded(t *testing.T) {
	c := live.Need(t)
	findings := prepared(t, c, "HP311/bad.yaml")
	const at = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
	c.Admin.Must(t, 201, "POST", at+"ies", admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "no-admins"},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{"rbac.authorization.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"rolebindings"}},
				},
			}}},
			Validations: []admissionv1.Validation{{Expression: "object.roleRef.name != 'cluster-admin'", Message: "nobody binds cluster-admin"}},
		},
	})
	defer c.Admin.Do(t, "DELETE", at+"ies/no-admins", nil)
	c.Admin.Must(t, 201, "POST", at+"ybindings", admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "no-admins"},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: "no-admins", ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	})
	defer c.Admin.Do(t, "DELETE", at+"ybindings/no-admins", nil)
	attack := map[string]any{"metadata": map[string]any{"name": "probe"}, "roleRef": map[string]any{
		"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}}
	for range 100 { // until the policy is in force
		if c.Admin.Do(t, "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings?dryRun=All", attack).Status != 201 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	refuted(t, c, findings, "HP311/namespace", "nobody binds cluster-admin")
}
