package prove

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

const (
	patience   = 30 * time.Second // with one request
	mostRead   = 1 << 20          // bytes of an answer
	mostShown  = 300              // characters of what the server says
	tokenLasts = 600              // seconds, the least that the API server issues
	proofName  = "hotpod-proof"   // of what dry runs make, and of a group's member
)

// client sends requests to a target.
type client struct {
	target    Target
	base      *url.URL
	operator  *http.Client
	anonymous *http.Client

	mu         sync.Mutex
	identities map[rbac.Subject]func() (*identity, error)
}

func newClient(t Target) (*client, error) {
	base, _, err := rest.DefaultServerUrlFor(t.Config)
	if err != nil {
		return nil, fmt.Errorf("proving findings: %w", err)
	}
	operator, err := rest.HTTPClientFor(t.Config)
	if err != nil {
		return nil, fmt.Errorf("proving findings: %w", err)
	}
	bare := rest.AnonymousClientConfig(t.Config)
	if t.Ephemeral {
		bare.WrapTransport = t.Config.WrapTransport // which there adds no credentials
	}
	anonymous, err := rest.HTTPClientFor(bare)
	if err != nil {
		return nil, fmt.Errorf("proving findings: %w", err)
	}
	return &client{target: t, base: base, operator: operator, anonymous: anonymous, identities: map[rbac.Subject]func() (*identity, error){}}, nil
}

// identity is how requests of a subject are sent. Its header may hold a token.
type identity struct {
	name   string // for people
	client *http.Client
	header http.Header
	own    bool // the API server knows it by its own credentials
	asks   authorizationv1.SubjectAccessReviewSpec
}

// identity finds out, once for each subject, how to act as it.
func (c *client) identity(ctx context.Context, s rbac.Subject) (*identity, error) {
	s.Variant = ""
	c.mu.Lock()
	once := c.identities[s]
	if once == nil {
		once = sync.OnceValues(func() (*identity, error) { return c.newIdentity(ctx, s) })
		c.identities[s] = once
	}
	c.mu.Unlock()
	return once()
}

func (c *client) newIdentity(ctx context.Context, s rbac.Subject) (*identity, error) {
	user, groups := userOf(s)
	id := &identity{asks: authorizationv1.SubjectAccessReviewSpec{User: user, Groups: groups}}
	switch {
	case c.target.Ephemeral && user == rbac.Anonymous:
		id.name, id.client, id.own = s.String()+" without credentials", c.anonymous, true
		return id, nil
	case c.target.Ephemeral && s.Kind == "ServiceAccount":
		token, err := c.mint(ctx, s)
		if err != nil {
			return nil, err
		}
		if token != "" {
			id.name, id.client, id.own = s.String()+" by its token", c.anonymous, true
			id.header = http.Header{"Authorization": {"Bearer " + token}}
			return id, nil
		}
	}
	id.name, id.client, id.header = s.String()+" by impersonation", c.operator, impersonate(user, s)
	return id, nil
}

// exists tells whether a service account is known to be there.
func (c *client) exists(ctx context.Context, s rbac.Subject) bool {
	if !c.target.Ephemeral {
		return false
	}
	id, err := c.identity(ctx, s)
	return err == nil && id.own
}

// userOf is the user whom the API server takes a subject for. Of a group it is
// somebody who has nothing else.
func userOf(s rbac.Subject) (user string, groups []string) {
	switch {
	case s.Kind == "ServiceAccount":
		return "system:serviceaccount:" + s.Namespace + ":" + s.Name, s.Groups()
	case s.Kind == "User":
		return s.Name, s.Groups()
	case s.Name == rbac.Unauthenticated:
		return rbac.Anonymous, []string{rbac.Unauthenticated}
	}
	return proofName, []string{s.Name, rbac.Authenticated}
}

func impersonate(user string, s rbac.Subject) http.Header {
	h := http.Header{"Impersonate-User": {user}}
	if s.Kind == "Group" && s.Name != rbac.Unauthenticated {
		h.Set("Impersonate-Group", s.Name)
	}
	return h
}

// mint gives a token of a service account, "" where there is no such account.
// The API server keeps nothing of it.
func (c *client) mint(ctx context.Context, s rbac.Subject) (string, error) {
	seconds := int64(tokenLasts)
	body := authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	got, err := c.send(ctx, c.operator, nil, http.MethodPost, tokenPath(s.Namespace, s.Name), body)
	switch {
	case err != nil:
		return "", fmt.Errorf("no token for %s: %w", s, err)
	case got.status == http.StatusNotFound:
		return "", nil
	case got.status != http.StatusCreated:
		return "", fmt.Errorf("no token for %s: %d: %s", s, got.status, got.message())
	}
	var made authenticationv1.TokenRequest
	if err := json.Unmarshal(got.body, &made); err != nil {
		return "", errors.New("no token for " + s.String() + ": the answer is not understood") // err could quote it
	}
	return made.Status.Token, nil
}

func tokenPath(namespace, name string) string {
	return path("", "serviceaccounts", namespace, name, "token")
}

// answer is what the API server said. Its body may hold what nobody may see.
type answer struct {
	status int
	body   []byte
}

func (c *client) send(ctx context.Context, via *http.Client, header http.Header, method, path string, body any) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer after %s", patience))
	defer cancel()
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return answer{}, err
	}
	maps.Copy(req.Header, header)
	if err := c.guard(req); err != nil {
		return answer{}, err
	}
	resp, err := via.Do(req)
	if err != nil {
		return answer{}, cmp.Or(context.Cause(ctx), err)
	}
	defer resp.Body.Close() // what was not read is of no use
	got := answer{status: resp.StatusCode}
	if req.URL.Query().Has("watch") && got.status == http.StatusOK {
		return got, nil // it goes on
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, mostRead))
	return got, err
}

func (c *client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+path, &content)
	if err != nil {
		return nil, err
	}
	switch {
	case method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

const reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

// guard is the last word on what is sent to a cluster that is not ours,
// whatever the recipes say.
func (c *client) guard(req *http.Request) error {
	switch {
	case c.target.Ephemeral:
		return nil
	case strings.HasSuffix(req.URL.Path, "/token"):
		return errors.New("no tokens are asked for on this cluster")
	case req.URL.Query().Get("dryRun") == "All" && req.Method != http.MethodGet:
		return nil
	case req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, reviews):
		return nil
	}
	return errors.New("nothing but reviews and dry runs is sent to this cluster")
}

// message is the reason that the API server gives where it refuses, in one
// line. Nothing else of an answer is ever shown.
func (a answer) message() string {
	var status metav1.Status
	if err := json.Unmarshal(a.body, &status); err != nil || status.Kind != "Status" {
		return http.StatusText(a.status)
	}
	said := []rune(strings.Join(strings.Fields(status.Message), " "))
	if len(said) > mostShown {
		said = append(said[:mostShown], '…')
	}
	return string(said)
}

// try sends a step's request and judges the answer.
func (a *attack) try(ctx context.Context, s step) (checks.Verdict, checks.Trial) {
	trial := checks.Trial{As: a.who.name, Request: s.method + " " + s.path, Body: s.kind}
	if as := s.other.spoken(); as != "" {
		trial.As += ", as " + as
	}
	header := http.Header{}
	maps.Copy(header, a.who.header)
	maps.Copy(header, s.header)
	maps.Copy(header, s.other.header())
	got, err := a.send(ctx, a.who.client, header, s.method, s.path, s.body)
	if err != nil {
		trial.Shows = "no answer: " + err.Error()
		return checks.NotTried, trial
	}
	trial.Status = got.status
	verdict, shows := s.judge(got, a.who)
	trial.Shows = shows
	return verdict, trial
}

// review asks the API server, as the operator, whether the subject would be
// allowed an action.
func (a *attack) review(ctx context.Context, action rbac.Action) (checks.Verdict, checks.Trial) {
	trial := checks.Trial{As: "the operator", Request: "POST " + reviews, Body: "SubjectAccessReview"}
	review := authorizationv1.SubjectAccessReview{Spec: a.who.asks}
	if action.Path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Verb: action.Verb, Path: action.Path}
	} else {
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Verb: action.Verb, Group: action.Group, Resource: action.Resource, Subresource: action.Subresource,
			Name: action.Name, Namespace: action.Namespace,
		}
	}
	got, err := a.send(ctx, a.operator, nil, http.MethodPost, reviews, review)
	if err == nil && got.status == http.StatusCreated {
		err = json.Unmarshal(got.body, &review)
	}
	trial.Status = got.status
	subject := a.finding.Subject.String()
	switch {
	case err != nil:
		trial.Shows = "no answer: " + err.Error()
	case got.status != http.StatusCreated:
		trial.Shows = "the operator may not ask: " + got.message()
	case review.Status.Allowed:
		trial.Shows = fmt.Sprintf("%s is allowed to %s", subject, action)
		return checks.Proven, trial
	default:
		trial.Shows = fmt.Sprintf("%s is not allowed to %s", subject, action)
		return checks.Refuted, trial
	}
	return checks.NotTried, trial
}
