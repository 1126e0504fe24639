package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path"
	"strconv"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hotpod-dev/hotpod/cluster"
	"github.com/hotpod-dev/hotpod/source"
)

const (
	fixtures   = "../../fixtures"
	rbacPath   = "/apis/rbac.authorization.k8s.io/v1/"
	heldWithin = time.Minute
)

// Load reads fixtures, such as HP101/bad.yaml, as one world.
func Load(t testing.TB, names ...string) []*source.Object {
	t.Helper()
	var trees []source.Tree
	for _, name := range names {
		trees = append(trees, source.Tree{FS: os.DirFS(fixtures), Name: name})
	}
	read, err := source.Load(t.Context(), trees, source.Options{Limits: source.DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	return sound(t, read.Objects, read.Problems)
}

// Parse reads manifests.
func Parse(t testing.TB, text string) []*source.Object {
	t.Helper()
	objects, problems := source.Parse("test.yaml", []byte(text), source.DefaultLimits())
	return sound(t, objects, problems)
}

func sound(t testing.TB, objects []*source.Object, problems []source.Problem) []*source.Object {
	t.Helper()
	for _, p := range problems {
		t.Fatalf("%s: %v", p.Position, p.Err)
	}
	return objects
}

// Hold makes the objects, and what Kubernetes ships, all RBAC that the cluster
// has, and returns when the authorizer knows it: those that were accepted, as
// they were written. Other kinds of earlier calls stay.
func (c *Cluster) Hold(t testing.TB, objects []*source.Object) (accepted []*source.Object) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), heldWithin, fmt.Errorf("not done after %s", heldWithin))
	defer cancel()
	if err := c.reset(ctx); err != nil {
		t.Fatalf("taking away what the last test wrote: %v", err)
	}
	// An empty Apply waits for the controllers. They must have seen that the old
	// objects are gone, else they might still act on it when the new ones are there.
	if _, err := c.Apply(ctx, nil, cluster.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	now, err := c.Apply(ctx, objects, cluster.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range now.Objects {
		if o != objects[i] { // what was refused comes back as it was written
			accepted = append(accepted, objects[i])
		}
	}
	c.Settle(t)
	return accepted
}

// object is an RBAC object as the API server has it.
type object struct {
	metav1.TypeMeta
	Metadata    metav1.ObjectMeta       `json:"metadata"`
	Rules       []rbacv1.PolicyRule     `json:"rules,omitempty"`
	Aggregation *rbacv1.AggregationRule `json:"aggregationRule,omitempty"`
	RoleRef     *rbacv1.RoleRef         `json:"roleRef,omitempty"`
	Subjects    []rbacv1.Subject        `json:"subjects,omitempty"`
}

func (o object) same(as object) bool {
	o.Metadata, as.Metadata = metav1.ObjectMeta{Labels: o.Metadata.Labels}, metav1.ObjectMeta{Labels: as.Metadata.Labels}
	return equality.Semantic.DeepEqual(o, as)
}

// rbac lists all RBAC objects, by path.
func (c *Cluster) rbac(ctx context.Context) (map[string]object, error) {
	all := map[string]object{}
	for _, resource := range []string{"clusterrolebindings", "clusterroles", "rolebindings", "roles"} {
		var list struct{ Items []object }
		if err := c.expect(ctx, http.StatusOK, "GET", rbacPath+resource, nil, &list); err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			at := rbacPath
			if o.Metadata.Namespace != "" {
				at = path.Join(rbacPath, "namespaces", o.Metadata.Namespace)
			}
			all[path.Join(at, resource, o.Metadata.Name)] = o
		}
	}
	return all, nil
}

// reset takes away all RBAC that Kubernetes does not ship, and puts back what
// it does.
func (c *Cluster) reset(ctx context.Context) error {
	now, err := c.rbac(ctx)
	if err != nil {
		return err
	}
	for at, o := range now {
		was, shipped := c.shipped[at]
		if was.Aggregation != nil {
			was.Rules = o.Rules // a controller writes them
		}
		switch {
		case !shipped:
			err = c.expect(ctx, http.StatusOK, "DELETE", at, nil, nil)
		case !o.same(was):
			was.Metadata = metav1.ObjectMeta{Name: was.Metadata.Name, Labels: was.Metadata.Labels}
			err = c.expect(ctx, http.StatusOK, "PUT", at, was, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Settle returns when the authorizer knows all that was written before.
func (c *Cluster) Settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), heldWithin, fmt.Errorf("not done after %s", heldWithin))
	defer cancel()
	if err := c.fence(ctx); err != nil {
		t.Fatalf("waiting for the authorizer: %v", err)
	}
}

// fence makes sure that the authorizer has seen all that was written before.
// It watches each of the four kinds in the order of writing: when it knows a
// new object of each, it knows all older ones.
func (c *Cluster) fence(ctx context.Context) error {
	c.fences++
	name := "fence-" + strconv.Itoa(c.fences)
	for _, of := range []struct{ role, at, roles, namespace string }{
		{"ClusterRole", rbacPath, "clusterrole", ""},
		{"Role", rbacPath + "namespaces/default/", "role", "default"},
	} {
		role := object{Metadata: metav1.ObjectMeta{Name: name},
			Rules: []rbacv1.PolicyRule{{Verbs: []string{"pass"}, APIGroups: []string{"e2e"}, Resources: []string{name}}}}
		binding := object{Metadata: metav1.ObjectMeta{Name: name},
			RoleRef:  &rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: of.role, Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}}
		if err := c.expect(ctx, http.StatusCreated, "POST", of.at+of.roles+"s", role, nil); err != nil {
			return err
		}
		if err := c.expect(ctx, http.StatusCreated, "POST", of.at+of.roles+"bindings", binding, nil); err != nil {
			return err
		}
		if err := c.passes(ctx, name, of.namespace); err != nil {
			return err
		}
	}
	return nil
}

// passes waits until the user of a fence may do what its role allows.
func (c *Cluster) passes(ctx context.Context, name, namespace string) error {
	review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: name,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "pass", Group: "e2e", Resource: name, Namespace: namespace}}}
	for {
		allowed, err := c.Review(ctx, review.Spec)
		if allowed || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Review asks the API server whether a request would be allowed.
func (c *Cluster) Review(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (allowed bool, err error) {
	review := authorizationv1.SubjectAccessReview{Spec: spec}
	err = c.expect(ctx, http.StatusCreated, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &review)
	return review.Status.Allowed, err
}

// expect sends a request as administrator and reads the answer, unless it is
// not wanted.
func (c *Cluster) expect(ctx context.Context, status int, method, path string, body, into any) error {
	answer, err := c.Admin.Send(ctx, method, path, body)
	if err != nil {
		return err
	}
	if answer.Status != status {
		return fmt.Errorf("%s %s: %d: %s", method, path, answer.Status, answer.Message())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.body, into)
}
