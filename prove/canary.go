package prove

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hotpod-dev/hotpod/rbac"
)

// canary is the name of what is made to be attacked.
const canary = "hotpod-canary"

// kind is how an object of a resource is made: one that does nothing where it
// is there for a moment.
type kind struct {
	name string
	make func(m metav1.ObjectMeta, account string) any
	// patch is what an attacker would change; without it an annotation is.
	patch string
	// bare makes what is there before the attack; without it make does.
	bare func(m metav1.ObjectMeta) any
}

// runs tells whether pods come of it, or a token.
func (k kind) runs() bool {
	return !strings.Contains(k.name, "Role") && !strings.Contains(k.name, "Webhook")
}

var kinds = map[string]kind{
	"secrets":         {"Secret", func(m metav1.ObjectMeta, account string) any { return tokenSecret(m, account) }, "", plainSecret},
	"serviceaccounts": {"ServiceAccount", func(m metav1.ObjectMeta, _ string) any { return corev1.ServiceAccount{ObjectMeta: m} }, "", nil},
	"pods": {"Pod", func(m metav1.ObjectMeta, account string) any {
		return corev1.Pod{ObjectMeta: m, Spec: podSpec(account)}
	}, "", nil},
	"deployments": {"Deployment", func(m metav1.ObjectMeta, account string) any {
		return appsv1.Deployment{ObjectMeta: m, Spec: appsv1.DeploymentSpec{Replicas: new(int32), Selector: selector(), Template: template(account)}}
	}, otherAccount, nil},
	"daemonsets": {"DaemonSet", func(m metav1.ObjectMeta, account string) any {
		return appsv1.DaemonSet{ObjectMeta: m, Spec: appsv1.DaemonSetSpec{Selector: selector(), Template: template(account)}}
	}, otherAccount, nil},
	"statefulsets": {"StatefulSet", func(m metav1.ObjectMeta, account string) any {
		return appsv1.StatefulSet{ObjectMeta: m, Spec: appsv1.StatefulSetSpec{Replicas: new(int32), Selector: selector(), Template: template(account), ServiceName: canary}}
	}, otherAccount, nil},
	"replicasets": {"ReplicaSet", func(m metav1.ObjectMeta, account string) any {
		return appsv1.ReplicaSet{ObjectMeta: m, Spec: appsv1.ReplicaSetSpec{Replicas: new(int32), Selector: selector(), Template: template(account)}}
	}, otherAccount, nil},
	"replicationcontrollers": {"ReplicationController", func(m metav1.ObjectMeta, account string) any {
		t := template(account)
		return corev1.ReplicationController{ObjectMeta: m, Spec: corev1.ReplicationControllerSpec{Replicas: new(int32), Selector: t.Labels, Template: &t}}
	}, otherAccount, nil},
	"jobs": {"Job", func(m metav1.ObjectMeta, account string) any {
		return batchv1.Job{ObjectMeta: m, Spec: job(account)}
	}, "", nil},
	"cronjobs": {"CronJob", func(m metav1.ObjectMeta, account string) any {
		spec := batchv1.CronJobSpec{Schedule: "0 0 1 1 *", Suspend: new(true), JobTemplate: batchv1.JobTemplateSpec{Spec: job(account)}}
		return batchv1.CronJob{ObjectMeta: m, Spec: spec}
	}, "", nil},
	"roles":        {"Role", func(m metav1.ObjectMeta, _ string) any { return rbacv1.Role{ObjectMeta: m} }, "", nil},
	"clusterroles": {"ClusterRole", func(m metav1.ObjectMeta, _ string) any { return rbacv1.ClusterRole{ObjectMeta: m} }, "", nil},
	"mutatingwebhookconfigurations": {"MutatingWebhookConfiguration", func(m metav1.ObjectMeta, _ string) any {
		return admissionv1.MutatingWebhookConfiguration{ObjectMeta: m}
	}, "", nil},
	"validatingwebhookconfigurations": {"ValidatingWebhookConfiguration", func(m metav1.ObjectMeta, _ string) any {
		return admissionv1.ValidatingWebhookConfiguration{ObjectMeta: m}
	}, "", nil},
}

// mark is on all that is made here.
func mark() map[string]string { return map[string]string{"hotpod.dev/proof": "true"} }

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Labels: mark()} }

func selector() *metav1.LabelSelector { return &metav1.LabelSelector{MatchLabels: mark()} }

func template(account string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: mark()}, Spec: podSpec(account)}
}

func job(account string) batchv1.JobSpec {
	t := template(account)
	t.Spec.RestartPolicy = corev1.RestartPolicyNever
	return batchv1.JobSpec{Suspend: new(true), Template: t}
}

// podSpec is of a pod that no node takes. It keeps to the strictest pod
// security standard: whether there are such guards is another question.
func podSpec(account string) corev1.PodSpec {
	return corev1.PodSpec{
		ServiceAccountName: account,
		NodeSelector:       map[string]string{"hotpod.dev/proof": "never"},
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{Name: canary, Image: image, SecurityContext: confined()}},
	}
}

// tokenSecret is what the token controller would fill.
func tokenSecret(m metav1.ObjectMeta, account string) corev1.Secret {
	m.Annotations = map[string]string{corev1.ServiceAccountNameKey: account}
	return corev1.Secret{ObjectMeta: m, Type: corev1.SecretTypeServiceAccountToken}
}

func plainSecret(m metav1.ObjectMeta) any { return corev1.Secret{ObjectMeta: m} }

const image = "example.invalid/hotpod-proof"

func confined() *corev1.SecurityContext {
	return &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}

// Patches, as JSON merges them.
const (
	otherAccount = `{"spec":{"template":{"spec":{"serviceAccountName":"default"}}}}`
	annotation   = `{"metadata":{"annotations":{"hotpod.dev/proof":"dry-run"}}}`
	debugged     = `{"spec":{"ephemeralContainers":[{"name":"debug","image":"` + image + `","securityContext":` +
		`{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}`
)

// canaries are the objects that were made on an ephemeral cluster.
type canaries struct {
	mu   sync.Mutex
	once map[string]func() error
	made []string
}

// stand makes sure that an object is there to be attacked. On a cluster that is
// not ours it does nothing.
func (p *prover) stand(ctx context.Context, a rbac.Action, object any) error {
	if !p.target.Ephemeral {
		return nil
	}
	at := path(a.Group, a.Resource, a.Namespace, a.Name, "")
	c := &p.canaries
	c.mu.Lock()
	if c.once == nil {
		c.once = map[string]func() error{}
	}
	if c.once[at] == nil {
		c.once[at] = sync.OnceValue(func() error { return p.erect(ctx, a, object) })
	}
	once := c.once[at]
	c.mu.Unlock()
	return once()
}

func (p *prover) erect(ctx context.Context, a rbac.Action, object any) error {
	// Whether or not an answer comes, it may be there from now on.
	got, err := p.send(ctx, p.operator, nil, http.MethodPost, path(a.Group, a.Resource, a.Namespace, "", ""), object)
	if err != nil || got.status == http.StatusCreated {
		p.canaries.mu.Lock()
		p.canaries.made = append(p.canaries.made, path(a.Group, a.Resource, a.Namespace, a.Name, ""))
		p.canaries.mu.Unlock()
		return err
	}
	if got.status != http.StatusConflict { // it is there already, and is not ours to delete
		return fmt.Errorf("%d: %s", got.status, got.message())
	}
	return nil
}

// replacing is what stands there with a patch, for an update of it. It is not
// for secrets: the operator reads the object.
func (p *prover) replacing(ctx context.Context, a rbac.Action, patch string) (map[string]any, error) {
	at := path(a.Group, a.Resource, a.Namespace, a.Name, "")
	got, err := p.send(ctx, p.operator, nil, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	var object, with map[string]any
	if err := json.Unmarshal(got.body, &object); err != nil {
		return nil, fmt.Errorf("reading '%s': %w", at, err)
	}
	if err := json.Unmarshal([]byte(patch), &with); err != nil {
		return nil, fmt.Errorf("reading a patch: %w", err)
	}
	return merge(object, with), nil
}

// merge is the merge of RFC 7396, without its way to delete.
func merge(object, patch map[string]any) map[string]any {
	if object == nil {
		object = map[string]any{}
	}
	for key, value := range patch {
		if inner, ok := value.(map[string]any); ok {
			was, _ := object[key].(map[string]any)
			value = merge(was, inner)
		}
		object[key] = value
	}
	return object
}

// clean deletes what was made, also when ctx has ended.
func (p *prover) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), cleanedIn, fmt.Errorf("not done after %s", cleanedIn))
	defer cancel()
	var errs []error
	for _, at := range slices.Backward(p.canaries.made) {
		got, err := p.send(ctx, p.operator, nil, http.MethodDelete, at+"?gracePeriodSeconds=0", nil)
		if err == nil && got.status/100 != 2 && got.status != http.StatusNotFound {
			err = fmt.Errorf("%d: %s", got.status, got.message())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("deleting '%s' after the proofs: %w", at, err))
		}
	}
	return errors.Join(errs...)
}
