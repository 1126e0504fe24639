package differential

import (
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

const (
	mountsIn = "mounts"
	tokenDir = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// TestTokenMounts compares which pods the model gives a token with what the
// ServiceAccount admission of the API server makes of them: what pods and
// accounts say, volumes, and mounts, in all combinations.
func TestTokenMounts(t *testing.T) {
	c := live.Need(t)
	accounts := makeAccounts(t, c)
	for name := range accounts {
		t.Run("account "+name, func(t *testing.T) {
			t.Parallel()
			tried, with := 0, 0
			for pod := range pods(name) {
				tried++
				if compareMounts(t, c, pod, accounts[name]) != "none" {
					with++
				}
				if t.Failed() {
					return // others fail for the same reason
				}
			}
			t.Logf("%d pods, %d of them with a token", tried, with)
		})
	}
}

// compareMounts asks about the pod as it is written and as it is admitted.
func compareMounts(t *testing.T, c *live.Cluster, pod *corev1.Pod, account *source.Object) (token string) {
	t.Helper()
	var admitted corev1.Pod
	c.Admin.Must(t, http.StatusCreated, "POST", "/api/v1/namespaces/"+mountsIn+"/pods?dryRun=All", pod).Decode(t, &admitted)
	token = tokenOf(pod, &admitted)
	if said := modelToken(t, pod, account); said != token {
		t.Errorf("API server: %s, model: %s\n%s", token, said, asJSON(t, pod))
	}
	// As admitted, the automatic token is in a volume like any other.
	if said := modelToken(t, &admitted, account); (said == "none") != (token == "none") {
		t.Errorf("API server: %s, model of the pod as admitted: %s\n%s", token, said, asJSON(t, &admitted))
	}
	return token
}

// makeAccounts makes an account for each thing that it can say of tokens. The
// API server makes the account default, which says nothing.
func makeAccounts(t *testing.T, c *live.Cluster) map[string]*source.Object {
	accounts := map[string]*source.Object{"": nil}
	for name, says := range map[string]*bool{"silent": nil, "yes": new(true), "no": new(false)} {
		accounts[name] = made(t, &corev1.ServiceAccount{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: mountsIn}, AutomountServiceAccountToken: says,
		})
		c.Hold(t, []*source.Object{accounts[name]})
	}
	return accounts
}

// pods yields all combinations of what decides about the token.
func pods(account string) iter.Seq[*corev1.Pod] {
	token := func(audience string) corev1.VolumeSource {
		return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", Audience: audience}},
		}}}
	}
	volumes := []corev1.Volume{
		{},
		{Name: "own", VolumeSource: token("")},
		{Name: "vault", VolumeSource: token("vault")},
		{Name: "empty", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		// Names that the admission takes for its own.
		{Name: "kube-api-access-own", VolumeSource: token("")},
		{Name: "kube-api-access-empty", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	mounts := []string{"", "/data", tokenDir, tokenDir + "/"}
	return func(yield func(*corev1.Pod) bool) {
		for _, says := range []*bool{nil, new(true), new(false)} {
			for _, v := range volumes {
				for _, first := range mounts {
					for _, init := range append(mounts, noInit) {
						if v.Name == "" && (first != "" || init != "" && init != noInit) {
							continue // there is nothing to mount
						}
						if !yield(makePod(account, says, v, first, init)) {
							return
						}
					}
				}
			}
		}
	}
}

const noInit = "no init container"

func makePod(account string, says *bool, v corev1.Volume, first, init string) *corev1.Pod {
	container := func(name, at string) []corev1.Container {
		c := corev1.Container{Name: name, Image: "example.com/image"}
		if at != "" {
			c.VolumeMounts = []corev1.VolumeMount{{Name: v.Name, MountPath: at}}
		}
		return []corev1.Container{c}
	}
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "pod", Namespace: mountsIn},
		Spec:       corev1.PodSpec{ServiceAccountName: account, AutomountServiceAccountToken: says, Containers: container("first", first)},
	}
	if init != noInit {
		pod.Spec.InitContainers = container("init", init)
	}
	if v.Name != "" {
		pod.Spec.Volumes = []corev1.Volume{v}
	}
	return pod
}

// tokenOf tells how containers of an admitted pod come by a token for the API
// server: automount where the admission mounted it.
func tokenOf(pod, admitted *corev1.Pod) string {
	holds := map[string]bool{}
	for _, v := range admitted.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			holds[v.Name] = holds[v.Name] || (s.ServiceAccountToken != nil && s.ServiceAccountToken.Audience == "")
		}
	}
	before, how := mountsOf(pod), "none"
	for at, volume := range mountsOf(admitted) {
		switch _, asked := before[at]; {
		case !holds[volume]:
		case !asked:
			return string(rbac.Automount)
		default:
			how = string(rbac.Projected)
		}
	}
	return how
}

// mountsOf gives the volume at each container and path.
func mountsOf(pod *corev1.Pod) map[[2]string]string {
	all := map[[2]string]string{}
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		for _, m := range c.VolumeMounts {
			all[[2]string{c.Name, m.MountPath}] = m.Name
		}
	}
	return all
}

// modelToken is what the model says of a pod and its account.
func modelToken(t *testing.T, pod *corev1.Pod, account *source.Object) string {
	t.Helper()
	objects := []*source.Object{made(t, pod)}
	if account != nil {
		objects = append(objects, account)
	}
	m, problems := rbac.Build(objects, rbac.Options{})
	if len(problems) > 0 || len(m.Workloads) != 1 {
		t.Fatalf("%d workloads, problems: %v", len(m.Workloads), problems)
	}
	tokens := m.Workloads[0].Tokens
	if len(tokens) == 0 {
		return "none"
	}
	if want := rbac.Account(mountsIn, or(pod.Spec.ServiceAccountName, "default")); len(tokens) > 1 || tokens[0].Subject != want {
		t.Fatalf("tokens %v, want one of %s", tokens, want)
	}
	return string(tokens[0].Mount)
}

func made(t *testing.T, o any) *source.Object {
	t.Helper()
	m, err := source.Made("", asJSON(t, o))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func asJSON(t *testing.T, o any) []byte {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
