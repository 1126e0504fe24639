// Package scenarios carries out the attacks of the founding article against a
// real API server, each with the fixture of its check: what Hotpod reports is
// what happens. No value of a secret and no token is ever written out.
package scenarios

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilrand "k8s.io/apimachinery/pkg/util/rand"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

const (
	ok        = http.StatusOK
	created   = http.StatusCreated
	forbidden = http.StatusForbidden
	notFound  = http.StatusNotFound

	secrets = "/api/v1/secrets"
	rbacV1  = "/apis/rbac.authorization.k8s.io/v1/"
	prevent = "attempting to grant RBAC permissions not currently held"
)

func in(namespace, resource string) string { return "/api/v1/namespaces/" + namespace + "/" + resource }

func TestMain(m *testing.M) { os.Exit(live.Main(m)) }

// scenario is a cluster that holds a fixture, and an attacker in it who has
// got hold of a service account's token.
type scenario struct {
	*live.Cluster
	t        *testing.T
	subject  rbac.Subject
	findings []*checks.Finding
}

// stage applies a fixture, and more besides, and scans them.
func stage(t *testing.T, fixture, more string, subject rbac.Subject) *scenario {
	t.Helper()
	s := &scenario{Cluster: live.Need(t), t: t, subject: subject}
	objects := append(live.Load(t, fixture), live.Parse(t, more)...)
	if accepted := s.Hold(t, objects); len(accepted) != len(objects) {
		t.Fatalf("%d of %d objects were accepted", len(accepted), len(objects))
	}
	s.findings = scan(t, objects)
	return s
}

func scan(t *testing.T, objects []*source.Object) []*checks.Finding {
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

// attacker acts with the stolen token.
func (s *scenario) attacker() *live.Client {
	s.t.Helper()
	return s.As(s.t, s.subject.Namespace, s.subject.Name)
}

// reported holds which rules have findings about the attacker's account, and
// gives the first of them.
func (s *scenario) reported(want ...string) *checks.Finding {
	s.t.Helper()
	var first *checks.Finding
	var got []string
	for _, f := range s.findings {
		if f.Subject != s.subject {
			continue
		}
		if first == nil {
			first = f
		}
		got = append(got, f.RuleID())
		s.t.Logf("%s: %s %s %s", f.RuleID(), f.Who, f.Can, f.Where)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Fatalf("the checks report %q of %s, want %q", got, s.subject, want)
	}
	return first
}

// canary makes a secret that the attacker is after. Its value is random; tests
// compare it and never show it.
func (s *scenario) canary(namespace, name string) (value string) {
	s.t.Helper()
	value = utilrand.String(32)
	s.Admin.Do(s.t, "DELETE", in(namespace, "secrets/"+name), nil) // of an earlier run
	s.Admin.Must(s.t, created, "POST", in(namespace, "secrets"), corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"password": value},
	})
	return value
}

// binding gives a role to a subject.
func binding(kind, role string, to rbac.Subject) any {
	return rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "attack"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
		Subjects:   []rbacv1.Subject{{Kind: to.Kind, Namespace: to.Namespace, Name: to.Name}},
	}
}

// TestListSecrets: one request with a stolen token returns all secrets, and
// what is in them.
func TestListSecrets(t *testing.T) {
	s := stage(t, "HP101/bad.yaml", "", rbac.Account("shop", "dashboard"))
	value := s.canary("kube-system", "canary")
	s.reported("HP101/cluster")

	var list corev1.SecretList
	s.attacker().Must(t, ok, "GET", secrets, nil).Decode(t, &list)
	i := slices.IndexFunc(list.Items, func(s corev1.Secret) bool { return s.Name == "canary" && s.Namespace == "kube-system" })
	if i < 0 || string(list.Items[i].Data["password"]) != value {
		t.Error("the canary's value is not in the list")
	}

	s = stage(t, "HP101/good.yaml", "", s.subject)
	s.reported()
	s.attacker().Must(t, forbidden, "GET", secrets, nil)
}

// TestCreatePod: who creates a pod in kube-system chooses a privileged account
// for it, and nobody asks whether that may be.
func TestCreatePod(t *testing.T) {
	s := stage(t, "HP201/bad.yaml", privileged, rbac.Account("jobs", "runner"))
	f := s.reported("HP201/cluster")
	if said := strings.Join(f.More, " "); !strings.Contains(said, "'kube-system/bootstrap-signer'") {
		t.Errorf("the finding does not name the account that the attacker chooses: %s", said)
	}
	attacker := s.attacker()
	attacker.Must(t, forbidden, "GET", secrets, nil)

	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "attack"}, Spec: corev1.PodSpec{
		ServiceAccountName: "bootstrap-signer", AutomountServiceAccountToken: new(true), HostNetwork: true,
		Containers: []corev1.Container{{Name: "attack", Image: "example.com/attack"}},
	}}
	attacker.Must(t, created, "POST", in("kube-system", "pods")+"?dryRun=All", pod)
	attacker.Must(t, created, "POST", in("kube-system", "pods"), pod).Decode(t, &pod)
	defer s.Admin.Must(t, ok, "DELETE", in("kube-system", "pods/attack?gracePeriodSeconds=0"), nil)
	if pod.Spec.ServiceAccountName != "bootstrap-signer" || pod.Status.Phase != corev1.PodPending {
		t.Errorf("pod of account %q is %s", pod.Spec.ServiceAccountName, pod.Status.Phase)
	}
	if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Projected != nil }) {
		t.Error("the pod has no volume with a token")
	}

	// No node runs the pod here. This is the token that one would put into it.
	stolen := s.tokenFor(&pod)
	stolen.MetadataOfLists().Must(t, ok, "GET", secrets, nil)

	s = stage(t, "HP201/good.yaml", privileged, s.subject)
	s.As(t, "jobs", "runner").Must(t, forbidden, "POST", in("kube-system", "pods")+"?dryRun=All", pod)
}

// tokenFor asks for a pod's token as the kubelet does.
func (s *scenario) tokenFor(pod *corev1.Pod) *live.Client {
	s.t.Helper()
	request := authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	s.Admin.Must(s.t, created, "POST", in(pod.Namespace, "serviceaccounts/"+pod.Spec.ServiceAccountName+"/token"), request).Decode(s.t, &request)
	return s.Bearer(request.Status.Token)
}

// privileged is an account such as the article's: its name is no secret.
const privileged = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: bootstrap-signer, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bootstrap-signer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: bootstrap-signer, namespace: kube-system}]`

// TestImpersonate: two headers make anybody a member of system:masters.
func TestImpersonate(t *testing.T) {
	s := stage(t, "HP302/bad.yaml", "", rbac.Account("portal", "proxy"))
	s.reported("HP301/cluster", "HP302/cluster")
	attacker := s.attacker()
	attacker.Must(t, forbidden, "GET", secrets, nil)

	master := attacker.Impersonating("null", rbac.Masters)
	master.MetadataOfLists().Must(t, ok, "GET", secrets, nil)
	review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"},
	}}
	master.Must(t, created, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).Decode(t, &review)
	if !review.Status.Allowed {
		t.Error("system:masters may not do everything")
	}

	s = stage(t, "HP302/good.yaml", "", s.subject)
	s.reported()
	s.attacker().Impersonating("null", rbac.Masters).Must(t, forbidden, "GET", secrets, nil)
}

// TestGuessName: a secret's generated name is found by trying. The last two of
// five characters are enough to see it: 27^2 = 729 requests instead of 27^5.
func TestGuessName(t *testing.T) {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789" // of k8s.io/apimachinery/pkg/util/rand
	s := stage(t, "HP102/bad.yaml", "", rbac.Account("certs", "renewer"))
	prefix := "default-token-" + utilrand.String(3)
	name := prefix + utilrand.String(2)
	s.canary("kube-system", name)
	s.reported("HP102/cluster")
	attacker := s.attacker()
	attacker.Must(t, forbidden, "GET", in("kube-system", "secrets"), nil)

	guesser := attacker.MetadataOnly() // the values are of no interest here
	var found []string
	tries := 0
	for _, a := range alphabet {
		for _, b := range alphabet {
			tries++
			guess := prefix + string(a) + string(b)
			switch answer := guesser.Do(t, "GET", in("kube-system", "secrets/"+guess), nil); answer.Status {
			case ok:
				found = append(found, guess)
			case notFound:
			default:
				t.Fatalf("try %d: %d: %s", tries, answer.Status, answer.Message())
			}
		}
	}
	t.Logf("%d tries, %d found", tries, len(found))
	if !slices.Equal(found, []string{name}) {
		t.Errorf("found %q in %d tries, want %q", found, tries, name)
	}

	s = stage(t, "HP102/good.yaml", "", s.subject)
	s.attacker().Must(t, forbidden, "GET", in("kube-system", "secrets/"+name), nil)
}

// TestBind: who may bind and write bindings becomes what they like, as far as
// the finding says.
func TestBind(t *testing.T) {
	t.Run("in a namespace", func(t *testing.T) {
		s := stage(t, "HP311/bad.yaml", "", rbac.Account("tenants", "operator"))
		s.reported("HP311/namespace")
		attacker := s.attacker()
		attacker.Must(t, forbidden, "GET", in("tenants", "secrets"), nil)

		attacker.Must(t, created, "POST", rbacV1+"namespaces/tenants/rolebindings", binding("ClusterRole", "cluster-admin", s.subject))
		s.Settle(t)
		attacker.MetadataOfLists().Must(t, ok, "GET", in("tenants", "secrets"), nil)
		attacker.Must(t, forbidden, "GET", secrets, nil)
	})
	t.Run("in the cluster", func(t *testing.T) {
		s := stage(t, "HP311/bad-named.yaml", "", rbac.Account("tenants", "root"))
		s.reported("HP311/named-critical")
		attacker := s.attacker()
		attacker.Must(t, forbidden, "GET", secrets, nil)

		attacker.Must(t, created, "POST", rbacV1+"clusterrolebindings", binding("ClusterRole", "cluster-admin", s.subject))
		s.Settle(t)
		attacker.MetadataOfLists().Must(t, ok, "GET", secrets, nil)
	})
}

// TestPrevention: writing roles and bindings alone is no way up, and is not
// reported as one.
func TestPrevention(t *testing.T) {
	refused := func(t *testing.T, answer live.Answer) {
		t.Helper()
		if answer.Status != forbidden || !strings.Contains(answer.Message(), prevent) {
			t.Errorf("%d: %s, want a refusal to grant more than one has", answer.Status, answer.Message())
		}
	}
	t.Run("of roles", func(t *testing.T) {
		s := stage(t, "HP312/good-edit-roles.yaml", "", rbac.Account("shop", "role-editor"))
		s.reported()
		attacker := s.attacker()
		more := map[string]any{"rules": []rbacv1.PolicyRule{{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"secrets"}}}}
		refused(t, attacker.Do(t, "PATCH", rbacV1+"namespaces/shop/roles/edit-roles", more))
		s.Settle(t)
		attacker.Must(t, forbidden, "GET", in("shop", "secrets"), nil)
	})
	t.Run("of bindings", func(t *testing.T) {
		s := stage(t, "HP313/bad.yaml", "", rbac.Account("team", "operator"))
		s.reported("HP313/namespace")
		attacker := s.attacker()
		refused(t, attacker.Do(t, "POST", rbacV1+"namespaces/team/rolebindings", binding("ClusterRole", "cluster-admin", s.subject)))
		s.Settle(t)
		attacker.Must(t, forbidden, "GET", in("team", "secrets"), nil)
	})
}

// TestHotPod: whoever is in a hot pod has what its token has.
func TestHotPod(t *testing.T) {
	s := stage(t, "HP603/bad.yaml", "", rbac.Account("shop", "front"))
	s.reported("HP101/namespace", "HP603/high")
	hot := slices.IndexFunc(s.findings, func(f *checks.Finding) bool { return f.Check.ID == "HP603" })
	if hot < 0 {
		t.Fatal("the pod is not reported as hot")
	}
	if said := fmt.Sprint(s.findings[hot].Who, s.findings[hot].Can, s.findings[hot].More); !strings.Contains(said, "shop/front") {
		t.Errorf("the finding does not name the account: %s", said)
	}
	// No controller makes pods of the Deployment here; this is one as it would be.
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "front"}, Spec: corev1.PodSpec{
		ServiceAccountName: "front", Containers: []corev1.Container{{Name: "front", Image: "example.com/front"}},
	}}
	s.Admin.Must(t, created, "POST", in("shop", "pods"), pod).Decode(t, &pod)
	defer s.Admin.Must(t, ok, "DELETE", in("shop", "pods/front?gracePeriodSeconds=0"), nil)
	stolen := s.tokenFor(&pod).MetadataOfLists()
	stolen.Must(t, ok, "GET", in("shop", "secrets"), nil)
	stolen.Must(t, forbidden, "GET", secrets, nil)
}
