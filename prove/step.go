package prove

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

// step is one request of an attack. What it takes in the eyes of the authorizer
// is in actions, for a review; a step without a method is a review alone.
type step struct {
	actions  []rbac.Action
	noReview bool // permission alone does not show what the step shows

	method, path string
	header       http.Header
	kind         string // of the body
	body         any
	other        other                              // whom the subject says to act as
	prepare      func(context.Context, *step) error // what must be there first

	shows string // what success shows
	// reads judges an answer by more than its status. "" leaves it to that.
	reads func(answer) (v checks.Verdict, shows string)
}

// other is a user whom the subject impersonates.
type other struct{ user, group string }

func (o other) header() http.Header {
	h := http.Header{}
	if o.user != "" {
		h.Set("Impersonate-User", o.user)
	}
	if o.group != "" {
		h.Set("Impersonate-Group", o.group)
	}
	return h
}

func (o other) spoken() string {
	switch {
	case o.group != "":
		return "user '" + o.user + "' of group '" + o.group + "'"
	case o.user != "":
		return "user '" + o.user + "'"
	}
	return ""
}

func (s step) asOther() bool { return s.other.user != "" }

func (s step) dryRun() bool { return s.method != http.MethodGet && strings.Contains(s.path, dryRun) }

// judge says what an answer shows.
func (s step) judge(got answer, who *identity) (checks.Verdict, string) {
	if s.reads != nil {
		if v, shows := s.reads(got); v != "" {
			return v, shows
		}
	}
	said := got.message()
	switch {
	case got.status/100 == 2:
		return checks.Proven, s.shows
	case got.status == http.StatusForbidden && !who.own && strings.Contains(said, "cannot impersonate resource"):
		return checks.NotTried, "the operator may not act as the subject: " + said
	case got.status == http.StatusForbidden, got.status == http.StatusUnauthorized && who.header == nil, denied(said):
		return checks.Refuted, "refused: " + said
	}
	return checks.NotTried, "not clear: " + said
}

// denied tells the refusals of admission, which choose a status of their own.
func denied(message string) bool {
	return strings.Contains(message, "denied request") || strings.Contains(message, "denied the request")
}

const dryRun = "dryRun=All"

// path of a resource: all groups that findings are about are served as v1.
func path(group string, resource, namespace, name, sub string) string {
	at := []string{"", "api", "v1"}
	if group != "" {
		at = []string{"", "apis", group, "v1"}
	}
	if namespace != "" {
		at = append(at, "namespaces", url.PathEscape(namespace))
	}
	at = append(at, resource)
	for _, part := range []string{name, sub} {
		if part != "" {
			at = append(at, url.PathEscape(part))
		}
	}
	return strings.Join(at, "/")
}

// read asks for the metadata of what an action gets, lists or watches.
func read(a rbac.Action, shows string) step {
	as := "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	s := step{method: http.MethodGet, actions: []rbac.Action{a}, shows: shows}
	s.path = path(a.Group, a.Resource, a.Namespace, a.Name, a.Subresource)
	if a.Verb != "get" {
		s.path = path(a.Group, a.Resource, a.Namespace, "", "") + "?limit=1"
		if a.Name != "" {
			s.path += "&fieldSelector=" + url.QueryEscape("metadata.name="+a.Name)
		}
	}
	switch a.Verb {
	case "list":
		as = strings.Replace(as, "Metadata;", "MetadataList;", 1)
	case "watch":
		s.path += "&watch=true&timeoutSeconds=1"
	}
	s.header = http.Header{"Accept": {as}}
	return s
}

const (
	selfReview       = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	selfAccessReview = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
)

// whoAmI asks as another whom the API server takes the request for.
func whoAmI(as other, takes ...rbac.Action) step {
	return step{
		actions: takes, other: as,
		method: http.MethodPost, path: selfReview, kind: "SelfSubjectReview", body: authenticationv1.SelfSubjectReview{},
		shows: "the API server takes it for " + as.spoken(),
		reads: func(got answer) (checks.Verdict, string) {
			var review authenticationv1.SelfSubjectReview
			if got.status != http.StatusCreated || json.Unmarshal(got.body, &review) != nil {
				return "", ""
			}
			is := review.Status.UserInfo
			if is.Username != as.user || (as.group != "" && !slices.Contains(is.Groups, as.group)) {
				return checks.Refuted, "the API server does not take it for " + as.spoken()
			}
			return "", ""
		},
	}
}

// mayDoEverything asks it as the subject, or as another whom it impersonates.
func mayDoEverything(as other, namespace string, takes ...rbac.Action) step {
	all := authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*", Namespace: namespace}
	return step{
		actions: takes, other: as,
		method: http.MethodPost, path: selfAccessReview, kind: "SelfSubjectAccessReview",
		body:  authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &all}},
		shows: "it may do everything",
		reads: func(got answer) (checks.Verdict, string) {
			var review authorizationv1.SelfSubjectAccessReview
			if got.status != http.StatusCreated || json.Unmarshal(got.body, &review) != nil {
				return "", ""
			}
			if !review.Status.Allowed {
				return checks.Refuted, "it may not do everything"
			}
			return "", ""
		},
	}
}
