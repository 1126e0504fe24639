// Package differential compares what the rbac package says with what a real
// API server says, for the same objects. The API server is right.
package differential

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/hotpod-dev/hotpod/cluster"
	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random objects and questions; 0 chooses one ($HOTPOD_SEED)")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(live.Main(m))
}

// budget is how many questions a test may ask: half of $HOTPOD_QUESTIONS.
func budget(t *testing.T) int {
	const few = 3000
	n, err := strconv.Atoi(or(os.Getenv("HOTPOD_QUESTIONS"), strconv.Itoa(few)))
	if err != nil {
		t.Fatalf("HOTPOD_QUESTIONS: %v", err)
	}
	return n / 2
}

// seed gives the seed to start from, and says how to have it again.
func seed(t *testing.T) uint64 {
	n, err := strconv.ParseUint(or(os.Getenv("HOTPOD_SEED"), "0"), 10, 64)
	if err != nil {
		t.Fatalf("HOTPOD_SEED: %v", err)
	}
	for _, given := range []uint64{*seedFlag, n, uint64(rand.Uint32())} {
		if given != 0 {
			n = given
			break
		}
	}
	t.Logf("HOTPOD_SEED=%d", n)
	return n
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// question is whether a subject may do an action.
type question struct {
	subject rbac.Subject
	action  rbac.Action
}

func (q question) String() string { return q.subject.String() + " " + q.action.String() }

// review puts a question as the API server takes it. It does not work out the
// groups of a service account, as it does for a request.
func (q question) review() authorizationv1.SubjectAccessReviewSpec {
	s, a := q.subject, q.action
	spec := authorizationv1.SubjectAccessReviewSpec{User: s.Name, Groups: s.Groups()}
	switch s.Kind {
	case "ServiceAccount":
		spec.User = "system:serviceaccount:" + s.Namespace + ":" + s.Name
	case "Group":
		spec.User, spec.Groups = "", []string{s.Name}
	}
	if a.Path != "" {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: a.Verb, Path: a.Path}
		return spec
	}
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: a.Verb, Group: a.Group, Resource: a.Resource, Subresource: a.Subresource, Name: a.Name, Namespace: a.Namespace,
	}
	return spec
}

// allows is the model's answer. Of system:masters it holds that the API server
// lets it do everything.
func (q question) allows(m *rbac.Model) bool {
	return len(m.Allows(q.subject, q.action)) > 0 || q.subject == rbac.Subject{Kind: "Group", Name: rbac.Masters}
}

// world is RBAC that the API server holds, and two models of it.
type world struct {
	objects []*source.Object // as written
	written *rbac.Model      // of these
	held    *rbac.Model      // of all that the API server lists, controllers' work included
}

// hold writes objects to the API server. What it refuses is no part of the
// world: of that the model has its own opinion.
func hold(t *testing.T, c *live.Cluster, objects []*source.Object) world {
	t.Helper()
	w := world{objects: c.Hold(t, objects)}
	listing, err := cluster.List(t.Context(), c.RESTConfig(), cluster.ListOptions{Skip: []string{"secrets"}})
	if err != nil {
		t.Fatal(err)
	}
	w.written, _ = rbac.Build(w.objects, rbac.Options{})
	w.held, _ = rbac.Build(listing.Objects, rbac.Options{})
	return w
}

// disagreement is a question that is answered differently.
type disagreement struct {
	question
	allowed, written, held bool
}

func (d disagreement) String() string {
	return fmt.Sprintf("%s: API server %s, model of what was written %s, of what is held %s",
		d.question, yesNo(d.allowed), yesNo(d.written), yesNo(d.held))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// ask puts questions to the API server and to the models.
func (w world) ask(t *testing.T, c *live.Cluster, questions []question) (allowed int, wrong []disagreement) {
	t.Helper()
	const clients = 16
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		next  = make(chan question)
	)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	for range clients {
		group.Go(func() {
			for q := range next {
				yes, err := c.Review(ctx, q.review())
				if err != nil {
					cancel(fmt.Errorf("%s: %w", q, err))
					continue
				}
				d := disagreement{q, yes, q.allows(w.written), q.allows(w.held)}
				mu.Lock()
				if yes {
					allowed++
				}
				if d.written != yes || d.held != yes {
					wrong = append(wrong, d)
				}
				mu.Unlock()
			}
		})
	}
	for _, q := range questions {
		next <- q
	}
	close(next)
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	return allowed, wrong
}

// compare asks and fails for every disagreement, the first of them with as few
// objects as show it.
func (w world) compare(t *testing.T, c *live.Cluster, questions []question) {
	t.Helper()
	const most = 10
	allowed, wrong := w.ask(t, c, questions)
	t.Logf("%d objects, %d questions, %d of them allowed", len(w.objects), len(questions), allowed)
	if len(wrong) == 0 {
		return
	}
	slices.SortFunc(wrong, func(a, b disagreement) int { return strings.Compare(a.String(), b.String()) })
	for _, d := range wrong[:min(len(wrong), most)] {
		t.Error(d)
	}
	if more := len(wrong) - most; more > 0 {
		t.Errorf("and %d more", more)
	}
	t.Errorf("the first with these objects:\n%s", text(t, shrink(t, c, w.objects, wrong[0].question)))
}

// shrink leaves out objects as long as the answers still differ.
func shrink(t *testing.T, c *live.Cluster, objects []*source.Object, q question) []*source.Object {
	for size := (len(objects) + 1) / 2; size > 0; size /= 2 {
		for i := 0; i < len(objects); {
			fewer := slices.Delete(slices.Clone(objects), i, min(i+size, len(objects)))
			if _, wrong := hold(t, c, fewer).ask(t, c, []question{q}); len(wrong) > 0 {
				objects = fewer
			} else {
				i += size
			}
		}
	}
	return objects
}

func text(t *testing.T, objects []*source.Object) string {
	var all []byte
	for _, o := range objects {
		var content map[string]any
		if err := o.Decode(&content); err != nil {
			t.Fatal(err)
		}
		one, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, one...), '\n')
	}
	return string(all)
}
