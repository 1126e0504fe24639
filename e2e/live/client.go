package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const timeout = time.Minute // for one request, on a machine that is busy with others

// Client sends requests as one user.
type Client struct {
	Name string // of the user, for messages

	host   string
	http   *http.Client
	header http.Header
}

// Answer is what the API server said. Its body may hold what nobody should
// see, so that it has no String: Message is for people.
type Answer struct {
	Status int
	body   []byte
}

// As gives a client with a token that is minted for a service account.
func (c *Cluster) As(t testing.TB, namespace, account string) *Client {
	t.Helper()
	return c.Anonymous().with("system:serviceaccount:"+namespace+":"+account, "Authorization", "Bearer "+c.Mint(t, namespace, account))
}

// Mint makes a token of a service account, for the audiences or, without any,
// for the API server.
func (c *Cluster) Mint(t testing.TB, namespace, account string, audiences ...string) string {
	t.Helper()
	var made authenticationv1.TokenRequest
	request := authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	c.Admin.Must(t, http.StatusCreated, "POST", "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", request).Decode(t, &made)
	return made.Status.Token
}

// Anonymous gives a client without credentials.
func (c *Cluster) Anonymous() *Client {
	return &Client{Name: "system:anonymous", host: c.Admin.host, http: &http.Client{Transport: c.transport, Timeout: timeout}}
}

// Bearer gives a client with a token.
func (c *Cluster) Bearer(token string) *Client {
	return c.Anonymous().with("the bearer of a token", "Authorization", "Bearer "+token)
}

// Impersonating gives a client that says to act as another: a user and groups.
func (c *Client) Impersonating(user string, groups ...string) *Client {
	as := c.with(c.Name+" as "+user, "Impersonate-User", user)
	for _, g := range groups {
		as.header.Add("Impersonate-Group", g)
	}
	return as
}

// MetadataOnly gives a client to whom the API server sends no data of objects.
func (c *Client) MetadataOnly() *Client { return c.accepting("PartialObjectMetadata") }

// MetadataOfLists is MetadataOnly for lists, which it asks for by another name.
func (c *Client) MetadataOfLists() *Client { return c.accepting("PartialObjectMetadataList") }

func (c *Client) accepting(kind string) *Client {
	return c.with(c.Name, "Accept", "application/json;as="+kind+";g=meta.k8s.io;v=v1")
}

func (c *Client) with(name, header, value string) *Client {
	changed := *c
	changed.Name = name
	changed.header = maps.Clone(c.header)
	if changed.header == nil {
		changed.header = http.Header{}
	}
	changed.header.Set(header, value)
	return &changed
}

// Do sends a request, with a body as JSON unless it is nil.
func (c *Client) Do(t testing.TB, method, path string, body any) Answer {
	t.Helper()
	answer, err := c.Send(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Must is Do where any other status than the one that is wanted ends the test.
func (c *Client) Must(t testing.TB, want int, method, path string, body any) Answer {
	t.Helper()
	answer := c.Do(t, method, path, body)
	if answer.Status != want {
		t.Fatalf("%s %s as %s: %d, want %d: %s", method, path, c.Name, answer.Status, want, answer.Message())
	}
	return answer
}

// Send is Do for other goroutines than the test's. An answer of any status is
// no error.
func (c *Client) Send(ctx context.Context, method, path string, body any) (Answer, error) {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return Answer{}, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.host+path, &content)
	if err != nil {
		return Answer{}, err
	}
	maps.Copy(req.Header, c.header)
	switch {
	case method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close() // read to the end, or of no use
	answer := Answer{Status: resp.StatusCode}
	if answer.body, err = io.ReadAll(resp.Body); err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return answer, nil
}

// Decode reads the answer as an object.
func (a Answer) Decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("reading an answer with status %d: %v", a.Status, err)
	}
}

// Message is the reason that the API server gives where it refuses.
func (a Answer) Message() string {
	var status metav1.Status
	if err := json.Unmarshal(a.body, &status); err != nil || status.Kind != "Status" {
		return ""
	}
	return status.Message
}
