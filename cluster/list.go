package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	kjson "sigs.k8s.io/json"

	"github.com/hotpod-dev/hotpod/source"
)

// ListOptions of List. The zero value is of use.
type ListOptions struct {
	// Skip names resources that are not asked for, such as "secrets", which
	// nobody can be allowed to list without their data.
	Skip []string
	// Progress is told after each page; it may be nil.
	Progress func(Progress)
	// PageSize is how many objects are asked for at a time; 0 is 500.
	PageSize int
	// Timeout is for one page; 0 is a minute.
	Timeout time.Duration
}

// Progress says how far a list is.
type Progress struct {
	Resource string // such as "rolebindings"
	Objects  int    // read so far, of this resource
	More     bool   // the resource has more pages
}

// Listing is what a cluster holds, as far as it told.
type Listing struct {
	Objects  []*source.Object
	Problems []source.Problem // Incomplete where something is missing
	Gaps     []Gap            // what is missing, by kind
	Version  string           // of the API server, "" if it did not tell
	Folded   int              // pods and others that their controller stands for
}

// Gap is a kind of which not all objects are in a Listing. A check that needs
// the kind cannot be judged.
type Gap struct {
	Kind     string // such as "RoleBinding"
	Resource string // such as "rolebindings.rbac.authorization.k8s.io"
	Listed   int    // how many objects came before it ended
	Err      error
}

// ErrSkipped is the reason for a Gap that ListOptions.Skip asks for.
var ErrSkipped = errors.New("not asked for")

// List reads what the model needs from a cluster: roles, bindings, service
// accounts, workloads, pods, token Secrets (of these, nodes and namespaces the
// metadata only, so that no data leaves the server). A pod whose controller
// is listed too is left out, as are equal children of one owner.
//
// What cannot be read is a Problem and a Gap, and the rest still counts; the
// error is the context's, or says that the configuration is of no use.
func List(ctx context.Context, config *rest.Config, o ListOptions) (*Listing, error) {
	r, err := newReader(config, cmp.Or(o.Timeout, time.Minute))
	if err != nil {
		return nil, err
	}
	l := &lister{reader: r, options: o, owners: map[string]bool{}, twins: map[twin]bool{}}
	err = l.hello(ctx)
	for _, r := range resources() {
		switch {
		case slices.Contains(o.Skip, r.name):
			l.gap(r, 0, ErrSkipped)
		case err != nil:
			l.gap(r, 0, err) // the server is gone, or does not know us
		default:
			err = l.list(ctx, r)
		}
	}
	l.report(config.Host)
	return &l.Listing, ctx.Err()
}

// resource is a kind to list.
type resource struct {
	group, name, kind string
	labels            bool     // its labels mean something
	metadata          bool     // nothing but its metadata is asked for
	selectors         []string // field selectors, one list each; none is all objects
	makesPods         bool     // it may be the controller of others
}

func (r resource) apiVersion() string { return path.Join(r.group, "v1") }

func (r resource) String() string { return strings.TrimSuffix(r.name+"."+r.group, ".") }

func (r resource) path() string {
	if r.group == "" {
		return "api/v1/" + r.name
	}
	return "apis/" + r.group + "/v1/" + r.name
}

// queries are the field selectors to list with, at least one.
func (r resource) queries() []string {
	if r.selectors == nil {
		return []string{""}
	}
	return r.selectors
}

// accept asks for metadata alone where that is enough; no other form of answer
// is welcome then.
func (r resource) accept() string {
	if r.metadata {
		return "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	}
	return "application/json"
}

func (r resource) listKind() string {
	if r.metadata {
		return "PartialObjectMetadataList"
	}
	return r.kind + "List"
}

// resources are those that are listed. Owners come before what they own, so
// that pods can be left out as they come.
func resources() []resource {
	const rbac = "rbac.authorization.k8s.io"
	return []resource{
		{group: rbac, name: "clusterroles", kind: "ClusterRole", labels: true},
		{group: rbac, name: "clusterrolebindings", kind: "ClusterRoleBinding"},
		{group: rbac, name: "roles", kind: "Role"},
		{group: rbac, name: "rolebindings", kind: "RoleBinding"},
		{name: "serviceaccounts", kind: "ServiceAccount"},
		{name: "secrets", kind: "Secret", metadata: true, selectors: []string{
			"type=kubernetes.io/service-account-token", "type=bootstrap.kubernetes.io/token",
		}},
		{name: "namespaces", kind: "Namespace", labels: true, metadata: true},
		{name: "nodes", kind: "Node", metadata: true},
		{group: "batch", name: "cronjobs", kind: "CronJob", makesPods: true},
		{group: "batch", name: "jobs", kind: "Job", makesPods: true},
		{group: "apps", name: "deployments", kind: "Deployment", makesPods: true},
		{group: "apps", name: "daemonsets", kind: "DaemonSet", makesPods: true},
		{group: "apps", name: "statefulsets", kind: "StatefulSet", makesPods: true},
		{group: "apps", name: "replicasets", kind: "ReplicaSet", makesPods: true},
		{name: "replicationcontrollers", kind: "ReplicationController", makesPods: true},
		// A pod that has ended carries no token any more.
		{name: "pods", kind: "Pod", selectors: []string{"status.phase!=Succeeded,status.phase!=Failed"}},
	}
}

// lister lists one resource after the other.
type lister struct {
	Listing
	reader  *reader
	options ListOptions
	buffers [2]bytes.Buffer
	owners  map[string]bool // UIDs of what makes pods
	twins   map[twin]bool
}

// twin is what makes two children of one owner the same to us.
type twin struct {
	kind, owner string
	spec        [sha256.Size]byte
}

// hello asks for the version, which shows whether the server can be reached
// and knows us. A server may keep its version to itself.
func (l *lister) hello(ctx context.Context) error {
	var answer bytes.Buffer
	if err := l.reader.get(ctx, "version", nil, "application/json", &answer); hopeless(err) {
		return err
	}
	var v struct {
		GitVersion string `json:"gitVersion"`
	}
	if json.Unmarshal(answer.Bytes(), &v) == nil {
		l.Version = v.GitVersion
	}
	return nil
}

// hopeless tells whether the next request would fare no better.
func hopeless(err error) bool {
	var answer apierrors.APIStatus
	return err != nil && (!errors.As(err, &answer) || apierrors.IsUnauthorized(err) || errors.Is(err, errNoAnswer))
}

// list reads all objects of a resource; the error is one that is hopeless.
func (l *lister) list(ctx context.Context, r resource) error {
	count := 0
	for _, selector := range r.queries() {
		for page, err := range l.pages(ctx, r, selector) {
			if err == nil {
				var n int
				n, err = l.page(r, selector, page)
				count += n
			}
			if err != nil {
				l.gap(r, count, err)
				if hopeless(err) {
					return err
				}
				return nil
			}
			if l.options.Progress != nil {
				l.options.Progress(Progress{Resource: r.name, Objects: count, More: page.next != ""})
			}
		}
	}
	return nil
}

// page is one answer of a list.
type page struct {
	body *bytes.Buffer
	next string // continues the list; "" at its end
}

// pages asks for the next page while the caller works on one. Its bytes are
// good until the caller asks for the next.
func (l *lister) pages(ctx context.Context, r resource, selector string) iter.Seq2[page, error] {
	type answer struct {
		page
		err error
	}
	return func(yield func(page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		answers, enough := make(chan answer), make(chan struct{})
		go func() {
			defer close(answers)
			for a, i := (answer{}), 0; ; i++ {
				a.body = &l.buffers[i%2]
				a.next, a.err = l.fetch(ctx, r, selector, a.next, a.body)
				select {
				case answers <- a:
				case <-enough:
					return
				}
				if a.err != nil || a.next == "" {
					return
				}
			}
		}()
		for a := range answers {
			if !yield(a.page, a.err) {
				break
			}
		}
		cancel()
		close(enough)
		for range answers { // the buffers are free when it is closed
		}
	}
}

// fetch asks for one page and finds out how the list goes on. Where the server
// has forgotten the state that the list began with (410) it names a token to go
// on with from the present state; what was there all the time is still listed.
func (l *lister) fetch(ctx context.Context, r resource, selector, from string, into *bytes.Buffer) (next string, err error) {
	query := url.Values{"limit": {strconv.Itoa(cmp.Or(l.options.PageSize, 500))}}
	if selector != "" {
		query.Set("fieldSelector", selector)
	}
	for {
		if from != "" {
			query.Set("continue", from)
		}
		err := l.reader.get(ctx, r.path(), query, r.accept(), into)
		if err == nil {
			return continuation(into.Bytes())
		}
		var answer apierrors.APIStatus
		if !errors.As(err, &answer) || !apierrors.IsResourceExpired(err) || answer.Status().Continue == "" || answer.Status().Continue == from {
			return "", err
		}
		from = answer.Status().Continue
	}
}

// continuation reads the head of a list, which ends long before its items do.
func continuation(list []byte) (string, error) {
	in := json.NewDecoder(bytes.NewReader(list))
	if _, err := in.Token(); err != nil {
		return "", fmt.Errorf("reading a list: %w", err)
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return "", fmt.Errorf("reading a list: %w", err)
		}
		var meta struct {
			Continue string `json:"continue"`
		}
		if key == "metadata" {
			err = in.Decode(&meta)
			return meta.Continue, err
		}
		var skipped json.RawMessage
		if err := in.Decode(&skipped); err != nil {
			return "", fmt.Errorf("reading a list: %w", err)
		}
	}
	return "", errors.New("the answer is no list; does the address lead to a Kubernetes API server?")
}

// page trims the objects of one page and adds those that say something new.
func (l *lister) page(r resource, selector string, p page) (int, error) {
	var list struct {
		Kind  string   `json:"kind"`
		Items []object `json:"items"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(p.body.Bytes(), &list); err != nil {
		return 0, fmt.Errorf("reading a list: %w", err)
	}
	if list.Kind != r.listKind() {
		return 0, fmt.Errorf("the answer is no %s; does the address lead to a Kubernetes API server?", r.listKind())
	}
	for i := range list.Items {
		o := &list.Items[i]
		if r.kind == "Secret" {
			o.Type = corev1.SecretType(strings.TrimPrefix(selector, "type="))
		}
		uid, owner := o.Metadata.UID, o.Metadata.controller()
		o.trim(r)
		if l.folds(r, o, uid, owner) {
			l.Folded++
			continue
		}
		made, err := o.source()
		if err != nil {
			return i, err
		}
		l.Objects = append(l.Objects, made)
	}
	return len(list.Items), nil
}

// folds tells whether another listed object stands for this one: its
// controller, or a child of the same owner with the same spec. The latter are
// the pods and revisions of controllers that are not listed, such as Rollouts.
func (l *lister) folds(r resource, o *object, uid, owner string) bool {
	if r.makesPods {
		l.owners[uid] = true
	}
	if owner == "" || o.Spec == nil {
		return false
	}
	if l.owners[owner] {
		return true
	}
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return false
	}
	t := twin{kind: r.kind, owner: owner, spec: sha256.Sum256(spec)}
	known := l.twins[t]
	l.twins[t] = true
	return known
}

// source makes the trimmed object one of the model's, at a path that is stable.
func (o *object) source() (*source.Object, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("trimming a %s: %w", o.Kind, err)
	}
	return source.Made(path.Join("cluster", o.Metadata.Namespace, o.Kind, o.Metadata.Name+".yaml"), raw)
}

func (l *lister) gap(r resource, listed int, err error) {
	l.Gaps = append(l.Gaps, Gap{Kind: r.kind, Resource: r.String(), Listed: listed, Err: err})
}

// report makes problems of the gaps: one for each cause.
func (l *lister) report(host string) {
	for i := 0; i < len(l.Gaps); {
		g := l.Gaps[i]
		same := []string{g.Resource}
		for i++; i < len(l.Gaps) && errors.Is(l.Gaps[i].Err, g.Err); i++ {
			same = append(same, l.Gaps[i].Resource)
		}
		what := strings.Join(same, ", ") + ": not listed"
		if g.Listed > 0 {
			what = fmt.Sprintf("%s: incomplete, listed no more than %d", strings.Join(same, ", "), g.Listed)
		}
		l.Problems = append(l.Problems, source.Problem{
			Position:   source.Position{Path: "cluster"},
			Err:        fmt.Errorf("%s: %w", what, Explain(g.Err, host)),
			Incomplete: !errors.Is(g.Err, ErrSkipped),
		})
	}
}
