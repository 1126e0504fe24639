package cluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	kjson "sigs.k8s.io/json"

	"github.com/hotpod-dev/hotpod/source"
)

// ApplyOptions of Apply. The zero value is of use.
type ApplyOptions struct {
	Namespace string // of namespaced objects that name none; "" is default
	// Run lets the pods of the manifests run where the cluster has nodes.
	// Otherwise workloads are applied by dry run there, which defaults and
	// admits them all the same: manifests may be a stranger's, and a privileged
	// pod in a kind cluster reaches the machine that the cluster is on.
	Run  bool
	Log  *slog.Logger // is told of each step; nil for silence
	List ListOptions  // how the objects are read back
}

const (
	settleWithin = time.Minute
	applyTimeout = 30 * time.Second // for one object
	applyWorkers = 8
)

// Apply applies objects of manifests, waits until controllers are done, and
// gives the same objects back as the cluster now holds them: defaulted,
// admitted, aggregated. They keep their place in the manifest. Nothing that
// the cluster held before, or made for itself, is in the answer.
//
// Namespaces that are not there are made. An object that the API server
// refuses is given back as written, with a Problem that has the server's
// words: its risk stays visible, so that Problem is not Incomplete. The same
// goes for a second, different definition of an object, since a cluster holds
// one, and for kinds that the cluster does not serve: package source leaves
// out CustomResourceDefinitions, which are most bytes of real trees, and so
// custom kinds are judged as written, where defaulting has no say anyway.
// Where CustomResourceDefinitions are given they come first and are waited for.
//
// It is a method of Ephemeral so that nothing can be written to another cluster.
func (e *Ephemeral) Apply(ctx context.Context, objects []*source.Object, o ApplyOptions) (*Listing, error) {
	a, err := newApplier(e.config, o)
	if err != nil {
		return nil, err
	}
	a.dry = e.nodes && !o.Run
	a.plan(objects)
	namespaces := a.applyAll(ctx)
	if err := a.settle(ctx, namespaces); err != nil && ctx.Err() == nil {
		a.problem(source.Position{Path: "cluster"}, true, err)
	}
	a.Log.Info("reading back")
	live, err := List(ctx, e.config, o.List)
	if err != nil {
		return nil, err
	}
	return a.readBack(live), nil
}

// applier applies the objects of one call.
type applier struct {
	ApplyOptions
	config   *rest.Config
	client   dynamic.Interface
	served   *served
	dry      bool // workloads by dry run
	wanted   []*wanted
	byKey    map[key]*wanted // the first of each
	problems []source.Problem
}

// wanted is an object to apply and what became of it.
type wanted struct {
	object    *source.Object
	content   map[string]any
	key       key
	resource  schema.GroupVersionResource
	variantOf *wanted // has the same key, and comes first
	answer    []byte  // the object as the server accepted it
	dry       bool    // it did so by dry run
	err       error   // why it did not
}

// key is what a cluster holds one object of.
type key struct{ group, kind, namespace, name string }

func keyOf(o *source.Object, namespace string) key {
	return key{o.Group(), o.Kind, namespace, o.Name}
}

func newApplier(config *rest.Config, o ApplyOptions) (*applier, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Namespace = cmp.Or(o.Namespace, "default")
	c := rest.CopyConfig(config)
	c.WarningHandler = rest.NoWarnings{} // about deprecated fields: not our subject
	client, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, err
	}
	r, err := newReader(c, applyTimeout)
	if err != nil {
		return nil, err
	}
	return &applier{ApplyOptions: o, config: config, client: client, served: &served{r, map[string]map[string]servedResource{}}, byKey: map[key]*wanted{}}, nil
}

// plan decodes the objects.
func (a *applier) plan(objects []*source.Object) {
	for _, o := range objects {
		w := &wanted{object: o}
		a.wanted = append(a.wanted, w)
		if w.err = o.Decode(&w.content); w.err == nil && o.Name == "" {
			w.err = errNoName
		}
		clean(w.content)
	}
}

// clean removes what a server writes: manifests are full of objects that
// somebody has read from a cluster. Server-side apply refuses most of it.
func clean(content map[string]any) {
	delete(content, "status")
	meta, _ := content["metadata"].(map[string]any)
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink", "ownerReferences"} {
		delete(meta, field)
	}
}

// steps are kinds in the order in which they are applied; all others come
// last. A token Secret and a Pod need their ServiceAccount, and a binding comes
// after its role, so that nobody sees it dangle.
func steps() [][]string {
	return [][]string{{"ServiceAccount"}, {"ClusterRole", "Role"}, {"ClusterRoleBinding", "RoleBinding"}, {"Secret"}}
}

// applyAll applies step by step and names the namespaces in use.
func (a *applier) applyAll(ctx context.Context) []string {
	rest := a.wanted
	take := func(kinds ...string) (taken []*wanted) {
		var others []*wanted
		for _, w := range rest {
			if slices.Contains(kinds, w.object.Kind) {
				taken = append(taken, w)
			} else {
				others = append(others, w)
			}
		}
		rest = others
		return taken
	}
	ground := take("Namespace", "CustomResourceDefinition")
	a.locate(ctx, ground)
	a.applyStep(ctx, ground, false)
	a.established(ctx, ground)

	a.locate(ctx, rest)
	namespaces := a.makeNamespaces(ctx)
	for _, kinds := range steps() {
		a.applyStep(ctx, take(kinds...), false)
	}
	a.applyStep(ctx, rest, a.dry)
	return namespaces
}

// locate finds out under which resource and key each object is kept, and which
// are different definitions of one.
func (a *applier) locate(ctx context.Context, all []*wanted) {
	for _, w := range all {
		if w.err != nil {
			continue
		}
		r, err := a.served.resource(ctx, w.object.APIVersion, w.object.Kind)
		if err != nil {
			w.err = err
			continue
		}
		w.resource = r.GroupVersionResource
		namespace := ""
		if r.namespaced {
			namespace = cmp.Or(w.object.Namespace, a.Namespace)
		}
		w.key = keyOf(w.object, namespace)
		(&unstructured.Unstructured{Object: w.content}).SetNamespace(namespace) // "" takes it away
		if first, ok := a.byKey[w.key]; ok {
			w.variantOf = first
		} else {
			a.byKey[w.key] = w
		}
	}
}

// makeNamespaces makes those that objects are in, and waits for their accounts.
func (a *applier) makeNamespaces(ctx context.Context) []string {
	var made []string
	for _, name := range a.namespaces() {
		if w := a.byKey[key{kind: "Namespace", name: name}]; w != nil && w.err == nil {
			made = append(made, name) // is in the manifests; to apply less of it takes the rest away
			continue
		}
		content := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}
		namespaces := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
		if _, err := a.apply(ctx, namespaces, "", content, false); err != nil {
			a.problem(source.Position{Path: "cluster"}, false, fmt.Errorf("namespace '%s' could not be made: %w", name, err))
			continue
		}
		made = append(made, name)
	}
	if err := a.settle(ctx, made); err != nil && ctx.Err() == nil {
		a.problem(source.Position{Path: "cluster"}, true, err)
	}
	return made
}

// namespaces are those that objects are in, sorted.
func (a *applier) namespaces() []string {
	var names []string
	for k := range a.byKey {
		if k.namespace != "" {
			names = append(names, k.namespace)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (a *applier) settle(ctx context.Context, namespaces []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleWithin, fmt.Errorf("not done after %s", settleWithin))
	defer cancel()
	return waitSettled(ctx, a.config, namespaces)
}

// applyStep applies objects whose order does not matter.
func (a *applier) applyStep(ctx context.Context, all []*wanted, dry bool) {
	if len(all) == 0 {
		return
	}
	a.Log.Info("applying objects", "kind", all[0].object.Kind, "count", len(all))
	next := make(chan *wanted)
	var workers sync.WaitGroup
	for range applyWorkers {
		workers.Go(func() {
			for w := range next {
				w.answer, w.err = a.apply(ctx, w.resource, w.key.namespace, w.content, dry)
				w.dry = dry
			}
		})
	}
	for _, w := range all {
		if w.err == nil && w.variantOf == nil {
			next <- w
		}
	}
	close(next)
	workers.Wait()
}

func (a *applier) apply(ctx context.Context, r schema.GroupVersionResource, namespace string, content map[string]any, dry bool) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, applyTimeout, fmt.Errorf("no answer within %s", applyTimeout))
	defer cancel()
	o := &unstructured.Unstructured{Object: content}
	options := metav1.ApplyOptions{FieldManager: userAgent, Force: true}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	answer, err := a.client.Resource(r).Namespace(namespace).Apply(ctx, o.GetName(), o, options)
	if err != nil {
		return nil, err
	}
	answer.SetManagedFields(nil)
	return answer.MarshalJSON()
}

// established waits until the API server serves the kinds that definitions
// add, which it does some time after it accepted them, and even after it has
// called them established.
func (a *applier) established(ctx context.Context, all []*wanted) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleWithin, fmt.Errorf("not served after %s", settleWithin))
	defer cancel()
	for _, w := range all {
		if w.err != nil || w.key.kind != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(w.content, "spec", "group")
		kind, _, _ := unstructured.NestedString(w.content, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(w.content, "spec", "versions")
		for _, v := range versions {
			version, _ := v.(map[string]any)
			name, _ := version["name"].(string)
			if version["served"] != true {
				continue
			}
			w.err = errors.Join(w.err, eventually(ctx, func(ctx context.Context) error {
				delete(a.served.known, group+"/"+name)
				_, err := a.served.resource(ctx, group+"/"+name, kind)
				return err
			}))
		}
	}
}

func (a *applier) problem(at source.Position, incomplete bool, err error) {
	a.problems = append(a.problems, source.Problem{Position: at, Err: err, Incomplete: incomplete})
}

// readBack gives each object that was wanted as the cluster has it.
func (a *applier) readBack(live *Listing) *Listing {
	byKey := map[key]*source.Object{}
	for _, o := range live.Objects {
		byKey[keyOf(o, o.Namespace)] = o
	}
	missing := map[string]bool{}
	for _, g := range live.Gaps {
		missing[g.Kind] = true
	}
	objects := make([]*source.Object, len(a.wanted))
	for i, w := range a.wanted {
		objects[i] = a.outcome(w, byKey, missing)
	}
	all := *live
	all.Objects = objects
	all.Problems = slices.Concat(a.problems, live.Problems)
	return &all
}

// outcome is one object as the cluster has it, or as written where it has not.
func (a *applier) outcome(w *wanted, live map[key]*source.Object, missing map[string]bool) *source.Object {
	first := w
	if w.variantOf != nil {
		first = w.variantOf
		if !reflect.DeepEqual(first.content, w.content) {
			a.problem(w.object.At(), false, fmt.Errorf("%s is defined differently in %s, and a cluster holds one: judged as written", w.object, first.object.At()))
			return w.object
		}
	}
	var refused apierrors.APIStatus
	switch o := live[first.key]; {
	case o != nil && first.err == nil:
		return placed(o, w.object)
	case errors.As(first.err, &refused) && refused.Status().Code < 500:
		a.problem(w.object.At(), false, fmt.Errorf("the API server refuses %s, judged as written: %w", w.object, first.err))
	case errors.Is(first.err, errNotServed), errors.Is(first.err, errNoName):
		a.problem(w.object.At(), false, fmt.Errorf("%s was not applied, judged as written: %w", w.object, first.err))
	case first.err != nil:
		a.problem(w.object.At(), true, fmt.Errorf("%s could not be applied: %w", w.object, Explain(first.err, a.config.Host)))
	default:
		r := listedAs(first.key)
		if r != nil && !first.dry && !missing[r.kind] {
			a.problem(w.object.At(), false, fmt.Errorf("%s was accepted by the API server and removed again, judged as written", w.object))
			return w.object
		}
		if o, err := answered(first.answer, r); err == nil {
			return placed(o, w.object)
		}
	}
	return w.object
}

// answered reads the object that the server answered with as List would.
func answered(raw []byte, r *resource) (*source.Object, error) {
	if r == nil {
		return source.Made("", raw)
	}
	var o object
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &o); err != nil {
		return nil, err
	}
	o.trim(*r)
	return o.source()
}

// listedAs gives the resource that lists objects of this kind, nil where none does.
func listedAs(k key) *resource {
	for _, r := range resources() {
		if r.kind == k.kind && r.group == k.group {
			return &r
		}
	}
	return nil
}

// placed gives the object at the place of another, which it was made of.
func placed(o, at *source.Object) *source.Object {
	moved := *o
	moved.Origin = at.Origin
	return &moved
}

var (
	errNotServed = errors.New("the cluster does not serve its kind")
	errNoName    = errors.New("it has no name")
)

// served knows which kinds an API server serves. Package discovery of
// client-go would link every type of Kubernetes.
type served struct {
	reader *reader
	known  map[string]map[string]servedResource // by apiVersion and kind
}

type servedResource struct {
	schema.GroupVersionResource
	namespaced bool
}

func (s *served) resource(ctx context.Context, apiVersion, kind string) (servedResource, error) {
	kinds, ok := s.known[apiVersion]
	if !ok {
		var err error
		if kinds, err = s.kinds(ctx, apiVersion); err != nil {
			return servedResource{}, err
		}
		s.known[apiVersion] = kinds
	}
	r, ok := kinds[kind]
	if !ok {
		return r, fmt.Errorf("%w: %s of %s", errNotServed, kind, apiVersion)
	}
	return r, nil
}

// kinds asks for what one group and version has: nothing where it is not served.
func (s *served) kinds(ctx context.Context, apiVersion string) (map[string]servedResource, error) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotServed, err)
	}
	path := "apis/" + apiVersion
	if gv.Group == "" {
		path = "api/" + apiVersion
	}
	var answer bytes.Buffer
	switch err := s.reader.get(ctx, path, nil, "application/json", &answer); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(answer.Bytes(), &list); err != nil {
		return nil, fmt.Errorf("reading what %s has: %w", apiVersion, err)
	}
	kinds := map[string]servedResource{}
	for _, r := range list.APIResources {
		if !strings.Contains(r.Name, "/") { // else a subresource
			kinds[r.Kind] = servedResource{gv.WithResource(r.Name), r.Namespaced}
		}
	}
	return kinds, nil
}
