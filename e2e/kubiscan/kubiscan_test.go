// Package kubiscan holds, by a fixture for each, what Hotpod makes of
// permissions that KubiScan judges otherwise, and asks the API server who is right.
package kubiscan

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

func TestMain(m *testing.M) { os.Exit(live.Main(m)) }

// fixture is a file with what its comments say:
//
//	# kubiscan: what KubiScan makes of it, and why
//	# review: SUBJECT VERB RESOURCE[/SUB][.GROUP] [NAME] [-n NAMESPACE]: yes
//	… # want HP101/namespace, on the line of a finding
type fixture struct {
	name     string
	kubiscan string
	reviews  []review
	wants    []string // LINE RULE
	objects  []*source.Object
}

// review is a question, and what the API server answers.
type review struct {
	text    string
	subject rbac.Subject
	action  rbac.Action
	allowed bool
}

var comment = regexp.MustCompile(`# (kubiscan|review|want):? (.+)$`)

func fixtures(t *testing.T) []fixture {
	t.Helper()
	files, err := filepath.Glob("../../fixtures/kubiscan/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no fixtures: %v", err)
	}
	var all []fixture
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := fixture{name: strings.TrimSuffix(filepath.Base(file), ".yaml")}
		lines := bufio.NewScanner(bytes.NewReader(text))
		for n := 1; lines.Scan(); n++ {
			f.read(t, n, lines.Text())
		}
		if f.kubiscan == "" || len(f.reviews) == 0 {
			t.Errorf("%s says too little", f.name)
		}
		f.objects = live.Load(t, "kubiscan/"+filepath.Base(file))
		all = append(all, f)
	}
	return all
}

func (f *fixture) read(t *testing.T, n int, line string) {
	t.Helper()
	m := comment.FindStringSubmatch(line)
	if m == nil {
		return
	}
	switch m[1] {
	case "kubiscan":
		f.kubiscan = m[2]
	case "review":
		f.reviews = append(f.reviews, parseReview(t, m[2]))
	case "want":
		for rule := range strings.FieldsSeq(m[2]) {
			f.wants = append(f.wants, fmt.Sprint(n, " ", rule))
		}
	}
}

func parseReview(t *testing.T, text string) review {
	t.Helper()
	i := strings.LastIndex(text, ": ")
	words := strings.Fields(text[:max(i, 0)])
	if len(words) < 3 {
		t.Fatalf("%q is no review", text)
	}
	r := review{text: text, allowed: text[i+2:] == "yes", action: rbac.Action{Verb: words[1]}}
	r.subject.Kind, r.subject.Name, _ = strings.Cut(words[0], ":")
	if ns, name, ok := strings.Cut(r.subject.Name, "/"); ok {
		r.subject.Namespace, r.subject.Name = ns, name
	}
	resource, group, _ := strings.Cut(words[2], ".")
	r.action.Group = group
	r.action.Resource, r.action.Subresource, _ = strings.Cut(resource, "/")
	for rest := words[3:]; len(rest) > 0; rest = rest[1:] {
		if rest[0] == "-n" {
			r.action.Namespace, rest = rest[1], rest[1:]
		} else {
			r.action.Name = rest[0]
		}
	}
	return r
}

// TestFindings holds that what KubiScan flags wrongly is quiet here, or less
// loud, and that what it misses is found.
func TestFindings(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.name, func(t *testing.T) {
			model, problems := rbac.Build(f.objects, rbac.Options{})
			if len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			found, _ := checks.Run(model, checks.All(), checks.Options{Minor: 37})
			var got []string
			for _, f := range found {
				got = append(got, fmt.Sprint(f.Position().Line, " ", f.RuleID()))
			}
			slices.Sort(got)
			slices.Sort(f.wants)
			if diff := cmp.Diff(f.wants, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if strings.HasPrefix(f.name, "misses-") && len(f.wants) == 0 {
				t.Errorf("nothing is found either")
			}
		})
	}
}

// TestReviews asks the model, and the API server where there is one.
func TestReviews(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.name, func(t *testing.T) {
			model, _ := rbac.Build(f.objects, rbac.Options{})
			for _, r := range f.reviews {
				allowed := len(model.Allows(r.subject, r.action)) > 0
				if allowed != r.allowed {
					t.Errorf("the model says %v to: %s", allowed, r.text)
				}
			}
			t.Run("API server", func(t *testing.T) { f.ask(t, live.Need(t)) })
		})
	}
}

func (f *fixture) ask(t *testing.T, c *live.Cluster) {
	var grants []*source.Object
	for _, o := range f.objects {
		if o.Group() == rbacv1.GroupName {
			grants = append(grants, o)
		}
	}
	if accepted := c.Hold(t, grants); len(accepted) != len(grants) {
		t.Errorf("%d of %d objects were accepted", len(accepted), len(grants))
	}
	for _, r := range f.reviews {
		allowed, err := c.Review(t.Context(), r.spec())
		if err != nil {
			t.Fatal(err)
		}
		if allowed != r.allowed {
			t.Errorf("the API server says %v to: %s", allowed, r.text)
		}
	}
}

func (r review) spec() authorizationv1.SubjectAccessReviewSpec {
	spec := authorizationv1.SubjectAccessReviewSpec{
		User: r.subject.Name, Groups: r.subject.Groups(),
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: r.action.Verb, Group: r.action.Group, Resource: r.action.Resource,
			Subresource: r.action.Subresource, Name: r.action.Name, Namespace: r.action.Namespace,
		},
	}
	switch r.subject.Kind {
	case rbacv1.ServiceAccountKind:
		spec.User = "system:serviceaccount:" + r.subject.Namespace + ":" + r.subject.Name
	case rbacv1.GroupKind:
		spec.User, spec.Groups = "", []string{r.subject.Name}
	}
	return spec
}
