package cluster

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kjson "sigs.k8s.io/json"
)

// trimmed gives what is kept of an object.
func trimmed(t *testing.T, kind, raw string) string {
	t.Helper()
	var o object
	if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(raw), &o); err != nil {
		t.Fatal(err)
	}
	for _, r := range resources() {
		if r.kind == kind {
			o.trim(r)
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTrim(t *testing.T) {
	const admitted = `{"name":"kube-api-access-x7k2p","projected":{"defaultMode":420,"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt"}}]}}`
	const mount = `{"name":"kube-api-access-x7k2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}`
	for _, c := range []struct{ name, kind, raw, want string }{
		{
			"role", "ClusterRole",
			`{"metadata":{"name":"r","uid":"1","labels":{"l":"v"},"annotations":{"a":"b"},"managedFields":[{}]},"rules":[{"verbs":["get"]}]}`,
			`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"r","labels":{"l":"v"}},"rules":[{"verbs":["get"]}]}`,
		},
		{
			"role without rules", "Role",
			`{"metadata":{"name":"r","namespace":"n"},"rules":null}`,
			`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r","namespace":"n"},"rules":[]}`,
		},
		{
			"secret whose annotations quote its data", "Secret",
			`{"metadata":{"name":"s","annotations":{"kubernetes.io/service-account.name":"a","kubectl.kubernetes.io/last-applied-configuration":"{password}"}},"data":{"token":"x"}}`,
			`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","annotations":{"kubernetes.io/service-account.name":"a"}}}`,
		},
		{
			"pod with a token", "Pod",
			`{"metadata":{"name":"p"},"spec":{"serviceAccountName":"a","containers":[{"name":"c","image":"i","args":["--password=x"],"env":[{"name":"A","value":"secret"},{"name":"B","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],"volumeMounts":[{"name":"v","mountPath":"/v"},` + mount + `]}],"volumes":[{"name":"v","emptyDir":{}},` + admitted + `]}}`,
			`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"serviceAccountName":"a","automountServiceAccountToken":true,"containers":[{"name":"c","image":"i","env":[{"name":"A"},{"name":"B","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],"volumeMounts":[{"name":"v","mountPath":"/v"}]}],"volumes":[{"name":"v"}]}}`,
		},
		{
			"pod without a token", "Pod",
			`{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running"}}`,
			`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"automountServiceAccountToken":false,"containers":[{"name":"c","image":"i"}]}}`,
		},
		{
			"deployment", "Deployment",
			`{"metadata":{"name":"d"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"i"}]}}}}`,
			`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"i"}]}}}}`,
		},
		{
			"cron job", "CronJob",
			`{"metadata":{"name":"j"},"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"backoffLimit":2,"template":{"spec":{"serviceAccountName":"a","containers":[{"name":"c","image":"i"}]}}}}}}`,
			`{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"j"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{"serviceAccountName":"a","containers":[{"name":"c","image":"i"}]}}}}}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, trimmed(t, c.kind, c.raw)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// owned is a pod, or what makes pods, with an owner, as JSON.
func owned(name, uid, owner, account string) any {
	meta := map[string]any{"name": name, "namespace": "ns", "uid": uid}
	if owner != "" {
		meta["ownerReferences"] = []any{
			map[string]any{"uid": "other", "kind": "X"},
			map[string]any{"uid": owner, "controller": true},
		}
	}
	container := map[string]any{"name": "c", "image": "i"}
	spec := map[string]any{"serviceAccountName": account, "containers": []any{container}}
	if strings.HasPrefix(uid, "p") { // a pod was admitted
		container["volumeMounts"] = []any{map[string]any{"name": "kube-api-access-" + uid, "mountPath": tokenDir}}
		spec["volumes"] = []any{map[string]any{"name": "kube-api-access-" + uid}}
	}
	return map[string]any{"metadata": meta, "spec": spec}
}

// TestFold serves owners and what they own, in an order in which lists come.
func TestFold(t *testing.T) {
	items := map[string][]any{
		"deployments": {owned("web", "d1", "", "a")},
		"replicasets": {owned("web-1", "r1", "d1", "a"), owned("web-2", "r2", "d1", "b"), owned("rollout-1", "r3", "rollout", "a"), owned("rollout-2", "r4", "rollout", "a"), owned("rollout-3", "r5", "rollout", "b")},
		"cronjobs":    {owned("night", "c1", "", "a")},
		"jobs":        {owned("night-1", "j1", "c1", "a"), owned("alone", "j2", "", "a")},
		"pods": {
			owned("web-1-x", "p1", "r1", "a"), owned("night-1-x", "p2", "j1", "a"), owned("bare", "p3", "", "a"), owned("bare-twin", "p4", "", "a"),
			owned("operator-1", "p5", "custom", "a"), owned("operator-2", "p6", "custom", "a"), owned("operator-3", "p7", "custom", "b"), owned("rollout-2-x", "p8", "r4", "a"),
		},
	}
	_, config := serveFor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, res := range resources() {
			if list := items[res.name]; list != nil && r.URL.Path == "/"+res.path() {
				_ = json.NewEncoder(w).Encode(map[string]any{"kind": res.kind + "List", "metadata": map[string]any{}, "items": list})
				return
			}
		}
		fakeAPI{}.ServeHTTP(w, r)
	}))
	l, err := List(t.Context(), config, ListOptions{})
	if err != nil || len(l.Problems) > 0 {
		t.Fatal(err, l.Problems)
	}
	var kept []string
	for _, o := range l.Objects {
		kept = append(kept, o.Kind+" "+o.Name)
	}
	want := []string{
		"CronJob night", "Job alone", "Deployment web", "ReplicaSet rollout-1", "ReplicaSet rollout-3",
		"Pod bare", "Pod bare-twin", "Pod operator-1", "Pod operator-3",
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.Folded != 8 {
		t.Errorf("%d folded", l.Folded)
	}
}
