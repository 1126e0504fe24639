package rbac_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/rbac"
)

// tokens writes what the only workload of a model mounts: way and account.
func tokens(t *testing.T, m *rbac.Model) []string {
	t.Helper()
	if len(m.Workloads) != 1 {
		t.Fatalf("%d workloads", len(m.Workloads))
	}
	return tokensOf(m.Workloads[0])
}

func tokensOf(w *rbac.Workload) []string {
	var all []string
	for _, token := range w.Tokens {
		s := fmt.Sprintf("%s %s/%s", token.Mount, token.Subject.Namespace, token.Subject.Name)
		if token.Subject.Variant != "" {
			s += " of " + token.Subject.Variant
		}
		all = append(all, s)
	}
	return all
}

// TestAutomount tries what pod and account say in all combinations, with and
// without a projected token.
func TestAutomount(t *testing.T) {
	projected := "volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: token}}]}}]\ncontainers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}]"
	says := map[string]string{"yes": "automountServiceAccountToken: true", "no": "automountServiceAccountToken: false", "nothing": ""}
	for podSays, inPod := range says {
		for _, accountSays := range []string{"yes", "no", "nothing", "absent"} {
			for _, volume := range []bool{false, true} {
				t.Run(fmt.Sprintf("pod %s, account %s, volume %v", podSays, accountSays, volume), func(t *testing.T) {
					spec := "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec:\n  serviceAccountName: web\n" + indent(inPod) + "\n"
					if volume {
						spec += indent(projected)
					} else {
						spec += "  containers: [{name: c, image: i}]"
					}
					docs := []string{spec}
					if accountSays != "absent" {
						docs = append(docs, account("shop/web")+"\n"+says[accountSays])
					}
					var want []string
					switch {
					case podSays == "yes", podSays == "nothing" && accountSays != "no":
						want = []string{"automount shop/web"}
					case volume:
						want = []string{"projected shop/web"}
					}
					if diff := cmp.Diff(want, tokens(t, build(t, docs...))); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
}

func TestMounts(t *testing.T) {
	const kept = "automountServiceAccountToken: false\n"
	secret := func(kind, ref, name string) string {
		return "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/" + kind + "\nmetadata: {namespace: shop, name: " + ref + ", annotations: {kubernetes.io/service-account.name: " + name + "}}"
	}
	// spec writes a pod with one container that mounts the volume v at a path.
	spec := func(volume, path, more string) string {
		s := "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec:\n  containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: " + path + "}]}]\n"
		return s + "  volumes: [{name: v, " + volume + "}]\n" + indent(more)
	}
	source := func(s string) string { return "projected: {sources: [" + s + "]}" }
	for _, tt := range []struct {
		name string
		docs []string
		want []string
	}{
		{"no account is default", []string{pod("shop/p", "")}, []string{"automount shop/default"}},
		{"an empty name is default", []string{pod("shop/p", `serviceAccountName: ""`)}, []string{"automount shop/default"}},
		{"the old field", []string{pod("shop/p", "serviceAccount: old")}, []string{"automount shop/old"}},
		{"the new field counts before the old", []string{pod("shop/p", "serviceAccount: old\nserviceAccountName: new")}, []string{"automount shop/new"}},
		{"an account of another namespace says nothing", []string{pod("shop/p", "serviceAccountName: web"), account("blog/web") + "\nautomountServiceAccountToken: false"}, []string{"automount shop/web"}},

		{"a token for the API server", []string{spec(source("{serviceAccountToken: {path: t}}"), "/v", kept)}, []string{"projected shop/default"}},
		{"a token for it by name", []string{spec(source("{serviceAccountToken: {path: t, audience: 'https://kubernetes.default.svc'}}"), "/v", kept)}, []string{"projected shop/default"}},
		{"a token for its full name", []string{spec(source("{serviceAccountToken: {path: t, audience: 'https://kubernetes.default.svc.cluster.local'}}"), "/v", kept)}, []string{"projected shop/default"}},
		{"a token for a vault", []string{spec(source("{serviceAccountToken: {path: t, audience: vault}}"), "/v", kept)}, nil},
		{"a token among other sources", []string{spec(source("{configMap: {name: x}}, {serviceAccountToken: {path: t}}"), "/v", kept)}, []string{"projected shop/default"}},
		{"a volume that nobody mounts", []string{pod("shop/p", kept+"volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]")}, nil},
		{"a volume that an init container mounts", []string{pod("shop/p", kept+"initContainers: [{name: i, image: i, volumeMounts: [{name: v, mountPath: /v}]}]\nvolumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]")}, []string{"projected shop/default"}},
		{"a volume that an ephemeral container mounts", []string{pod("shop/p", kept+"ephemeralContainers: [{name: i, image: i, volumeMounts: [{name: v, mountPath: /v}]}]\nvolumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]")}, []string{"projected shop/default"}},

		{"the Secret of a token", []string{secret("service-account-token", "s", "web"), spec("secret: {secretName: s}", "/v", kept)}, []string{"secret shop/web"}},
		{"the Secret of a token, projected", []string{secret("service-account-token", "s", "web"), spec(source("{secret: {name: s}}"), "/v", kept)}, []string{"secret shop/web"}},
		{"a Secret of another type", []string{secret("dockerconfigjson", "s", "web"), spec("secret: {secretName: s}", "/v", kept)}, nil},
		{"a Secret that is not there", []string{spec("secret: {secretName: s}", "/v", kept)}, nil},
		{"a Secret beside the own token", []string{secret("service-account-token", "s", "web"), spec("secret: {secretName: s}", "/v", "")}, []string{"automount shop/default", "secret shop/web"}},
		{"the own token in two ways", []string{spec(source("{serviceAccountToken: {path: t}}"), "/v", "")}, []string{"automount shop/default"}},

		{"something else in the token's place", []string{spec("emptyDir: {}", "/var/run/secrets/kubernetes.io/serviceaccount", "")}, nil},
		{"something else beside it", []string{spec("emptyDir: {}", "/var/run/secrets", "")}, []string{"automount shop/default"}},
		{"something else in the token's place of one of two containers", []string{
			spec("emptyDir: {}", "/var/run/secrets/kubernetes.io/serviceaccount", "initContainers: [{name: i, image: i}]"),
		}, []string{"automount shop/default"}},
		{"something else nearly in the token's place", []string{spec("emptyDir: {}", "/var/run/secrets/kubernetes.io/serviceaccount/", "")}, []string{"automount shop/default"}},
		{"something else by the name of the token's volume", []string{pod("shop/p", "volumes: [{name: kube-api-access-x, emptyDir: {}}]")}, nil},
		{"a token for a vault by the name of the token's volume", []string{
			pod("shop/p", "volumes: [{name: kube-api-access-x, projected: {sources: [{serviceAccountToken: {path: t, audience: vault}}]}}]"),
		}, nil},
		{"the token's volume as read from a cluster", []string{
			pod("shop/p", "volumes: [{name: kube-api-access-x, projected: {sources: [{serviceAccountToken: {path: t}}]}}]"),
		}, []string{"automount shop/default"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := build(t, tt.docs...)
			if diff := cmp.Diff(tt.want, tokens(t, m)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWorkloads holds which objects make pods, and where their account is named.
func TestWorkloads(t *testing.T) {
	const spec = "{serviceAccountName: web, containers: [{name: c, image: i}]}"
	of := func(apiVersion, kind, spec string) string {
		return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: x, namespace: shop}\nspec: " + spec
	}
	for _, tt := range []struct {
		name, doc string
		want      string // path of the account's name
	}{
		{"Pod", of("v1", "Pod", spec), "[spec serviceAccountName]"},
		{"Deployment", of("apps/v1", "Deployment", "{selector: {}, template: {spec: "+spec+"}}"), "[spec template spec serviceAccountName]"},
		{"old Deployment", of("extensions/v1beta1", "Deployment", "{template: {spec: "+spec+"}}"), "[spec template spec serviceAccountName]"},
		{"Job", of("batch/v1", "Job", "{template: {spec: "+spec+"}}"), "[spec template spec serviceAccountName]"},
		{"CronJob", of("batch/v1", "CronJob", "{jobTemplate: {spec: {template: {spec: "+spec+"}}}}"), "[spec jobTemplate spec template spec serviceAccountName]"},
		{"ReplicationController", of("v1", "ReplicationController", "{template: {spec: "+spec+"}}"), "[spec template spec serviceAccountName]"},
		{"Rollout", of("argoproj.io/v1alpha1", "Rollout", "{template: {spec: "+spec+"}}"), "[spec template spec serviceAccountName]"},
		{"Knative Service", of("serving.knative.dev/v1", "Service", "{template: {spec: "+spec+"}}"), "[spec template spec serviceAccountName]"},
		{"any kind with a template", of("example.com/v1", "Runner", "{template: {spec: "+spec+"}}"), "[spec template spec serviceAccountName]"},
		{"PodTemplate", "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: x}\ntemplate: {spec: " + spec + "}", ""},
		{"core Service", of("v1", "Service", "{selector: {}}"), ""},
		{"a patch without an image", of("batch/v1", "Job", "{template: {spec: {serviceAccountName: web, containers: [{name: c}]}}}"), ""},
		{"a patch without a selector", of("apps/v1", "Deployment", "{template: {spec: "+spec+"}}"), ""},
		{"no containers", of("v1", "Pod", "{serviceAccountName: web, containers: []}"), ""},
		{"containers that are no list", of("v1", "Pod", "{serviceAccountName: web, containers: all}"), ""},
		{"spec that is no map", of("v1", "Pod", "all"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := build(t, tt.doc)
			var got string
			for _, w := range m.Workloads {
				got += fmt.Sprint(w.AccountPath())
			}
			if got != tt.want {
				t.Errorf("path %s, want %s", got, tt.want)
			}
		})
	}
}
