package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	pods    = `{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}`
	secrets = `{"verbs":["get"],"apiGroups":[""],"resources":["secrets"]}`
)

func role(name, label string, rules ...string) object {
	o := object{APIVersion: apiVersion, Kind: "ClusterRole", Metadata: metadata{Name: name, Labels: map[string]string{label: "true"}}}
	for _, r := range rules {
		o.Rules = append(o.Rules, json.RawMessage(r))
	}
	return o
}

func aggregating(o object, label string) object {
	o.AggregationRule = json.RawMessage(`{"clusterRoleSelectors":[{"matchLabels":{"` + label + `":"true"}}]}`)
	return o
}

func TestAggregated(t *testing.T) {
	leaf := role("leaf", "to-edit", pods, secrets)
	for _, tc := range []struct {
		name        string
		edit, admin object
		want        string // part of the error; none where the state is final
	}{
		{"nothing filled", role("edit", "to-admin"), role("admin", ""), "edit lacks rules of leaf"},
		{"partly filled", role("edit", "to-admin", pods), role("admin", "", pods), "edit lacks rules of leaf"},
		{"second level missing", role("edit", "to-admin", pods, secrets), role("admin", "", pods), "admin lacks rules of edit"},
		{"final", role("edit", "to-admin", secrets, pods), role("admin", "", pods, secrets), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := aggregated([]object{aggregating(tc.admin, "to-admin"), aggregating(tc.edit, "to-edit"), leaf})
			switch {
			case err == nil && tc.want != "":
				t.Errorf("got final, want %q", tc.want)
			case err != nil && (tc.want == "" || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %q, want %q", err, tc.want)
			}
		})
	}
}

func TestAggregatedRefusesExpressions(t *testing.T) {
	o := role("odd", "")
	o.AggregationRule = json.RawMessage(`{"clusterRoleSelectors":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}`)
	if err := aggregated([]object{o}); err == nil {
		t.Error("a selector that is not understood was taken as final")
	}
}

func TestEncode(t *testing.T) {
	b := &builtin{
		version: version{"1", "37", "v1.37.2"},
		lists:   [][]object{{role("a", "l", pods), role("b", "l")}, nil},
	}
	want := `{"kubernetesVersion":"v1.37.2",
"clusterRoles":[
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"a","labels":{"l":"true"}},"rules":[` + pods + `]},
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"b","labels":{"l":"true"}}}
],
"clusterRoleBindings":[
]}
`
	if got := string(b.encode()); got != want || !json.Valid([]byte(got)) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := b.fileName(); got != "v1.37.json" {
		t.Errorf("file name %s", got)
	}
}
