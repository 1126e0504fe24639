package cluster

import (
	"encoding/json"
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
