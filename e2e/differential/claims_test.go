package differential

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/e2e/live"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// What docs/semantics.md and the checks take for granted, as requests of a
// service account with a token of its own. All are dry runs.
type claim struct {
	says    string
	method  string
	path    string
	body    any
	want    int
	message string // part of what the API server says
	as      *header
}

type header struct {
	user   string
	groups []string
}

const (
	extra     = "attempting to grant RBAC permissions not currently held"
	forbidden = http.StatusForbidden
	ok        = http.StatusOK
	created   = http.StatusCreated
	rbacV1    = "/apis/rbac.authorization.k8s.io/v1/"
	whoami    = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
)

func TestClaims(t *testing.T) {
	c := live.Need(t)
	for _, w := range slices.Concat(bindWorlds(), escalateWorlds(), scopeWorlds(), nameWorlds(), impersonateWorlds()) {
		t.Run(w.name, func(t *testing.T) {
			objects := w.objects(t)
			if accepted := c.Hold(t, objects); len(accepted) != len(objects) {
				t.Fatalf("%d of %d objects were accepted", len(accepted), len(objects))
			}
			ns, account, _ := strings.Cut(w.account, "/")
			if got := reported(t, objects, rbac.Account(ns, account)); got != w.finds {
				t.Errorf("the checks report %q, want %q", got, w.finds)
			}
			client := c.As(t, ns, account)
			for _, claim := range w.claims {
				t.Run(claim.says, func(t *testing.T) { claim.judge(t, client) })
			}
		})
	}
}

// reported lists the checks that have findings about what a subject may do.
func reported(t *testing.T, objects []*source.Object, s rbac.Subject) string {
	t.Helper()
	m, _ := rbac.Build(objects, rbac.Options{})
	found, failures := checks.Run(m, checks.All(), checks.Options{Minor: 37})
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	var ids []string
	for _, f := range found {
		if f.Subject == s && f.Binding != nil && f.Check.ID < "HP5" {
			ids = appendNew(ids, f.Check.ID)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func (c claim) judge(t *testing.T, client *live.Client) {
	if c.as != nil {
		client = client.Impersonating(c.as.user, c.as.groups...)
	}
	path := c.path
	if c.method != "GET" && !strings.Contains(path, "/exec") { // which knows no dry run, and finds nothing to run in
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "dryRun=All"
	}
	answer := client.Do(t, c.method, path, c.body)
	if answer.Status != c.want || !strings.Contains(answer.Message(), c.message) {
		t.Errorf("%s %s: %d, want %d with %q: %s", c.method, path, answer.Status, c.want, c.message, answer.Message())
	}
}

// claimed is RBAC and what an account may do with it.
type claimed struct {
	name    string
	fixture string // or else
	text    string
	account string // namespace/name
	finds   string // checks that report the account
	claims  []claim
}

// objects are those of the fixture and of the text, and the account.
func (w claimed) objects(t *testing.T) []*source.Object {
	var all []*source.Object
	if w.fixture != "" {
		all = live.Load(t, w.fixture)
	}
	ns, name, _ := strings.Cut(w.account, "/")
	own := func(o *source.Object) bool { return o.Kind == "ServiceAccount" && o.Namespace == ns && o.Name == name }
	if !slices.ContainsFunc(all, own) {
		w.text += fmt.Sprintf("\n---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: %s, namespace: %s}}", name, ns)
	}
	return append(all, live.Parse(t, w.text)...)
}

// gives writes a role and a binding of it to team/op, in a namespace or, with
// "", everywhere.
func gives(name, namespace string, rules ...string) string {
	kind, meta := "Cluster", "{name: "+name+"}"
	if namespace != "" {
		kind, meta = "", "{name: "+name+", namespace: "+namespace+"}"
	}
	const api = "\n---\napiVersion: rbac.authorization.k8s.io/v1\n"
	return api + "kind: " + kind + "Role\nmetadata: " + meta + "\nrules: [" + strings.Join(rules, ", ") + "]" +
		api + "kind: " + kind + "RoleBinding\nmetadata: " + meta +
		"\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: " + kind + "Role, name: " + name + "}" +
		"\nsubjects: [{kind: ServiceAccount, name: op, namespace: team}]"
}

// rule writes a rule; groups and resources of rbac.authorization.k8s.io need
// no group.
func rule(verbs, resources string, names ...string) string {
	group := "rbac.authorization.k8s.io"
	if !strings.Contains(resources, "role") {
		group = `""`
	}
	r := "{verbs: [" + verbs + "], apiGroups: [" + group + "], resources: [" + resources + "]"
	if len(names) > 0 {
		r += ", resourceNames: [" + strings.Join(names, ", ") + "]"
	}
	return r + "}"
}

// binding is a binding of a role to the account that writes it.
func binding(kind, role string) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"name": "try"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "op", "namespace": "team"}},
	}
}

// role is a new role, or, for PUT, the one of that name.
func role(name string, rules ...map[string]any) map[string]any {
	return map[string]any{"metadata": map[string]any{"name": name}, "rules": rules}
}

// rules replace those of a role by PATCH.
func rules(all ...map[string]any) map[string]any { return map[string]any{"rules": all} }

var everything = map[string]any{"verbs": []string{"*"}, "apiGroups": []string{"*"}, "resources": []string{"*"}}

func bindIn(ns string) string { return rbacV1 + "namespaces/" + ns + "/rolebindings" }

const bindAll = rbacV1 + "clusterrolebindings"

// bindWorlds: nobody binds a role that gives more than they have, without bind.
func bindWorlds() []claimed {
	return []claimed{
		{name: "bind in a namespace", finds: "HP311", fixture: "HP311/bad.yaml", account: "tenants/operator",
			text: gives("more", "tenants", rule("get", "secrets")) + gives("more", "other", rule("get", "secrets")),
			claims: []claim{
				{says: "binds cluster-admin there", method: "POST", path: bindIn("tenants"), body: binding("ClusterRole", "cluster-admin"), want: created},
				{says: "binds a role there", method: "POST", path: bindIn("tenants"), body: binding("Role", "more"), want: created},
				{says: "binds a role that does not exist", method: "POST", path: bindIn("tenants"), body: binding("ClusterRole", "missing"), want: created},
				{says: "not in another namespace", method: "POST", path: bindIn("other"), body: binding("ClusterRole", "cluster-admin"), want: forbidden},
				{says: "not in the cluster", method: "POST", path: bindAll, body: binding("ClusterRole", "cluster-admin"), want: forbidden},
			}},
		{name: "writes bindings without bind", finds: "HP313", fixture: "HP311/good-no-bind.yaml", account: "tenants/operator",
			claims: []claim{
				{says: "not cluster-admin", method: "POST", path: bindAll, body: binding("ClusterRole", "cluster-admin"), want: forbidden, message: extra},
				{says: "not admin in a namespace", method: "POST", path: bindIn("tenants"), body: binding("ClusterRole", "admin"), want: forbidden, message: extra},
				{says: "not a role that does not exist", method: "POST", path: bindAll, body: binding("ClusterRole", "missing"), want: http.StatusNotFound},
				{says: "no subject added to cluster-admin", method: "PATCH", path: bindAll + "/cluster-admin", body: map[string]any{"subjects": binding("", "")["subjects"]}, want: forbidden, message: extra},
				{says: "its own role, for others", method: "POST", path: bindAll, body: binding("ClusterRole", "operator"), want: created},
				{says: "its own role in a namespace", method: "POST", path: bindIn("tenants"), body: binding("ClusterRole", "operator"), want: created},
				{says: "nothing added to a role", method: "PATCH", path: rbacV1 + "clusterroles/operator", body: rules(everything), want: forbidden, message: extra},
			}},
		{name: "writes bindings of its namespace without bind", finds: "HP313", fixture: "HP313/bad.yaml", account: "team/operator",
			claims: []claim{
				{says: "not cluster-admin", method: "POST", path: bindIn("team"), body: binding("ClusterRole", "cluster-admin"), want: forbidden, message: extra},
				{says: "not view", method: "POST", path: bindIn("team"), body: binding("ClusterRole", "view"), want: forbidden, message: extra},
				{says: "its own role", method: "POST", path: bindIn("team"), body: binding("Role", "operator"), want: created},
			}},
		{name: "binds without writing bindings", fixture: "HP311/good-bind-alone.yaml", account: "tenants/operator",
			claims: []claim{
				{says: "in the cluster", method: "POST", path: bindAll, body: binding("ClusterRole", "view"), want: forbidden},
				{says: "in a namespace", method: "POST", path: bindIn("tenants"), body: binding("ClusterRole", "view"), want: forbidden},
			}},
		{name: "bind in a namespace does not reach the cluster", finds: "HP313", fixture: "HP311/good-bind-in-namespace.yaml", account: "tenants/operator",
			claims: []claim{
				{says: "refused", method: "POST", path: bindAll, body: binding("ClusterRole", "cluster-admin"), want: forbidden, message: extra},
			}},
		{name: "bind in one role and patch in another", finds: "HP311", fixture: "HP311/bad-split.yaml", account: "tenants/operator",
			claims: []claim{
				{says: "a subject added to cluster-admin", method: "PATCH", path: bindAll + "/cluster-admin", body: map[string]any{"subjects": binding("", "")["subjects"]}, want: ok},
				{says: "no binding created", method: "POST", path: bindAll, body: binding("ClusterRole", "cluster-admin"), want: forbidden},
			}},
		{name: "bind by name", finds: "HP311", fixture: "HP311/bad-named.yaml", account: "tenants/greeter",
			claims: []claim{
				{says: "the role named", method: "POST", path: bindIn("tenants"), body: binding("ClusterRole", "tenant"), want: created},
				{says: "not another", method: "POST", path: bindIn("tenants"), body: binding("ClusterRole", "admin"), want: forbidden, message: extra},
			}},
		{name: "bind of roles", finds: "HP311", account: "team/op",
			text: gives("op", "team", rule("create", "rolebindings"), rule("bind", "roles")) +
				"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: more, namespace: team}, rules: [" + rule("get", "secrets") + "]}",
			claims: []claim{
				{says: "a Role", method: "POST", path: bindIn("team"), body: binding("Role", "more"), want: created},
				{says: "not a ClusterRole", method: "POST", path: bindIn("team"), body: binding("ClusterRole", "view"), want: forbidden, message: extra},
			}},
		{name: "bind of clusterroles", finds: "HP311", account: "team/op",
			text: gives("op", "team", rule("create", "rolebindings"), rule("bind", "clusterroles")) +
				"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: more, namespace: team}, rules: [" + rule("get", "secrets") + "]}",
			claims: []claim{
				{says: "a ClusterRole", method: "POST", path: bindIn("team"), body: binding("ClusterRole", "view"), want: created},
				{says: "not a Role", method: "POST", path: bindIn("team"), body: binding("Role", "more"), want: forbidden, message: extra},
			}},
	}
}

// escalateWorlds: nobody writes a role that gives more than they have, without
// escalate.
func escalateWorlds() []claimed {
	roles := rbacV1 + "clusterroles"
	aggregated := map[string]any{"metadata": map[string]any{"name": "try"}, "aggregationRule": map[string]any{"clusterRoleSelectors": []any{map[string]any{}}}}
	const web = "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web, namespace: shop}, rules: []}" +
		"\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: other, namespace: shop}, rules: []}"
	return []claimed{
		{name: "escalate", finds: "HP312", fixture: "HP312/bad.yaml", account: "install/installer",
			claims: []claim{
				{says: "everything added to its role", method: "PATCH", path: roles + "/installer", body: rules(everything), want: ok},
				{says: "a new role with everything", method: "POST", path: roles, body: role("try", everything), want: created},
				{says: "a role that aggregates all", method: "POST", path: roles, body: aggregated, want: created},
				{says: "no role in a namespace", method: "POST", path: rbacV1 + "namespaces/install/roles", body: role("try", everything), want: forbidden},
			}},
		{name: "writes roles without escalate", fixture: "HP312/good.yaml", account: "install/installer",
			claims: []claim{
				{says: "nothing added to its role", method: "PATCH", path: roles + "/installer", body: rules(everything), want: forbidden, message: extra},
				{says: "no role with everything", method: "POST", path: roles, body: role("try", everything), want: forbidden, message: extra},
				{says: "no role that aggregates", method: "POST", path: roles, body: aggregated, want: forbidden, message: "must have cluster-admin privileges to use the aggregationRule"},
				{says: "no Role with more", method: "POST", path: rbacV1 + "namespaces/install/roles", body: role("try", everything), want: forbidden, message: extra},
				{says: "an empty role", method: "POST", path: roles, body: role("try"), want: created},
				{says: "a part of its own", method: "POST", path: roles, body: role("try", map[string]any{
					"verbs": []string{"get"}, "apiGroups": []string{"rbac.authorization.k8s.io"}, "resources": []string{"roles"}}), want: created},
			}},
		{name: "escalate alone", fixture: "HP312/good-escalate-alone.yaml", account: "install/installer",
			claims: []claim{
				{says: "no role", method: "POST", path: roles, body: role("try", everything), want: forbidden},
				{says: "no change", method: "PATCH", path: roles + "/installer", body: rules(everything), want: forbidden},
			}},
		{name: "escalate of clusterroles in a namespace", fixture: "HP312/good-inert.yaml", account: "install/installer",
			claims: []claim{{says: "nothing", method: "POST", path: roles, body: role("try", everything), want: forbidden}}},
		{name: "escalate of one role by name", finds: "HP312", fixture: "HP312/bad-reaches.yaml", text: web, account: "install/installer",
			claims: []claim{
				{says: "that one", method: "PUT", path: rbacV1 + "namespaces/shop/roles/web", body: role("web", everything), want: ok},
				{says: "not another", method: "PUT", path: rbacV1 + "namespaces/shop/roles/other", body: role("other", everything), want: forbidden},
			}},
		{name: "escalate by name and create", account: "team/op", text: gives("op", "", rule("escalate", "clusterroles", "try"), rule("create", "clusterroles")),
			claims: []claim{{says: "a new role has no name yet", method: "POST", path: roles, body: role("try", everything), want: forbidden, message: extra}}},
		{name: "escalate by one name and patch by another", account: "team/op", text: gives("op", "", rule("escalate", "clusterroles", "admin"), rule("patch", "clusterroles", "op")),
			claims: []claim{
				{says: "not the one", method: "PATCH", path: roles + "/admin", body: rules(everything), want: forbidden},
				{says: "nor the other", method: "PATCH", path: roles + "/op", body: rules(everything), want: forbidden, message: extra},
			}},
		{name: "escalate of roles in a namespace", finds: "HP312", account: "team/op", text: gives("op", "team", rule("escalate, patch", "roles")),
			claims: []claim{
				{says: "a role there", method: "PATCH", path: rbacV1 + "namespaces/team/roles/op", body: rules(everything), want: ok},
				{says: "no ClusterRole", method: "PATCH", path: roles + "/view", body: rules(everything), want: forbidden},
			}},
		{name: "escalate does not bind", finds: "HP312 HP313", account: "team/op", text: gives("op", "", rule("escalate, update", "clusterroles"), rule("create", "clusterrolebindings")),
			claims: []claim{{says: "cluster-admin", method: "POST", path: bindAll, body: binding("ClusterRole", "cluster-admin"), want: forbidden, message: extra}}},
	}
}

// scopeWorlds: a RoleBinding reaches its own namespace.
func scopeWorlds() []claimed {
	labelled := map[string]any{"metadata": map[string]any{"labels": map[string]any{"pod-security.kubernetes.io/enforce": "privileged"}}}
	return []claimed{{
		name: "a ClusterRole in a namespace", account: "team/op",
		text: `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: op}, rules: [` +
			rule("get, list, patch, delete", "configmaps, nodes, namespaces") + `, {verbs: [get], nonResourceURLs: ["*"]}]}` + `
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: op, namespace: team},
 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: op}, subjects: [{kind: ServiceAccount, name: op, namespace: team}]}`,
		claims: []claim{
			{says: "there", method: "GET", path: "/api/v1/namespaces/team/configmaps", want: ok},
			{says: "not elsewhere", method: "GET", path: "/api/v1/namespaces/default/configmaps", want: forbidden},
			{says: "not in all", method: "GET", path: "/api/v1/configmaps", want: forbidden},
			{says: "not of the cluster", method: "GET", path: "/api/v1/nodes", want: forbidden},
			{says: "no other paths", method: "GET", path: "/metrics", want: forbidden},
			{says: "the namespace itself", method: "GET", path: "/api/v1/namespaces/team", want: ok},
			{says: "to change", method: "PATCH", path: "/api/v1/namespaces/team", body: labelled, want: ok},
			{says: "and to delete", method: "DELETE", path: "/api/v1/namespaces/team", want: ok},
			{says: "no other namespace", method: "GET", path: "/api/v1/namespaces/default", want: forbidden},
			{says: "no list of namespaces", method: "GET", path: "/api/v1/namespaces", want: forbidden},
			{says: "not even of that one", method: "GET", path: "/api/v1/namespaces?fieldSelector=metadata.name%3Dteam", want: forbidden},
		},
	}}
}

// nameWorlds: resourceNames limit requests that carry a name.
func nameWorlds() []claimed {
	all := "/api/v1/namespaces/team/configmaps"
	const selected, other = "?fieldSelector=metadata.name%3Dknown", "?fieldSelector=metadata.name%3Dother"
	known := map[string]any{"metadata": map[string]any{"name": "known"}}
	return []claimed{
		{name: "names", finds: "HP104", account: "team/op",
			text: gives("op", "team", rule(`"*"`, "configmaps", "known"), rule("create", "serviceaccounts/token", "op")) +
				"\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: known, namespace: team}}" +
				"\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: team}}",
			claims: []claim{
				{says: "get", method: "GET", path: all + "/known", want: ok},
				{says: "get another", method: "GET", path: all + "/other", want: forbidden},
				{says: "list", method: "GET", path: all, want: forbidden},
				{says: "list one by its name", method: "GET", path: all + selected, want: ok},
				{says: "list another by its name", method: "GET", path: all + other, want: forbidden},
				{says: "watch", method: "GET", path: all + "?watch=true&timeoutSeconds=1", want: forbidden},
				{says: "watch one by its name", method: "GET", path: all + selected + "&watch=true&timeoutSeconds=1", want: ok},
				{says: "patch", method: "PATCH", path: all + "/known", body: known, want: ok},
				{says: "patch another", method: "PATCH", path: all + "/other", body: known, want: forbidden},
				{says: "delete", method: "DELETE", path: all + "/known", want: ok},
				{says: "create by that name", method: "POST", path: all, body: known, want: forbidden},
				{says: "delete all", method: "DELETE", path: all, want: forbidden},
				{says: "delete all of that name", method: "DELETE", path: all + selected, want: forbidden},
				{says: "a token", method: "POST", path: "/api/v1/namespaces/team/serviceaccounts/op/token", body: authenticationv1.TokenRequest{}, want: created},
				{says: "a token of another", method: "POST", path: "/api/v1/namespaces/team/serviceaccounts/default/token", body: authenticationv1.TokenRequest{}, want: forbidden},
			}},
		{name: "exec by get", fixture: "HP204/good-get.yaml", account: "shop/debugger", text: podToExec,
			claims: []claim{{says: "takes create", method: "GET", path: "/api/v1/namespaces/shop/pods/web/exec?command=true", want: forbidden}}},
		{name: "exec by create", finds: "HP204", fixture: "HP204/bad.yaml", account: "shop/backup", text: podToExec,
			claims: []claim{{says: "reaches the pod", method: "POST", path: "/api/v1/namespaces/shop/pods/web/exec?command=true", want: http.StatusBadRequest, message: "does not have a host assigned"}}},
	}
}

const podToExec = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: web, image: example.com/web}]}}"

// impersonateWorlds: users and groups have no namespace, service accounts have.
func impersonateWorlds() []claimed {
	review := authenticationv1.SelfSubjectReview{}
	as := func(user string, groups ...string) *header { return &header{user, groups} }
	try := func(says string, as *header, want int) claim {
		return claim{says: says, method: "POST", path: whoami, body: review, want: want, as: as}
	}
	return []claimed{
		{name: "impersonate in a namespace", fixture: "HP301/good-inert.yaml", account: "portal/portal",
			claims: []claim{try("no user", as("jane"), forbidden), try("no group", as("jane", rbac.Masters), forbidden)}},
		{name: "impersonate groups alone", fixture: "HP302/good-alone.yaml", account: "portal/proxy",
			claims: []claim{
				try("not with a user", as("jane", rbac.Masters), forbidden),
				try("not without one", as("", rbac.Masters), http.StatusBadRequest),
			}},
		{name: "impersonate users and groups", finds: "HP301 HP302", fixture: "HP302/bad.yaml", account: "portal/proxy",
			claims: []claim{
				try("a user", as("jane"), created), try("a group", as("null", rbac.Masters), created),
				try("no service account", as("system:serviceaccount:portal:default"), forbidden),
			}},
		{name: "impersonate accounts of a namespace", finds: "HP303", fixture: "HP303/bad.yaml", account: "tools/debugger",
			claims: []claim{
				try("one of them", as("system:serviceaccount:kube-system:clusterrole-aggregation-controller"), created),
				try("one that does not exist", as("system:serviceaccount:kube-system:none"), created),
				try("not of another namespace", as("system:serviceaccount:tools:default"), forbidden),
				try("no group with it", as("system:serviceaccount:kube-system:default", rbac.Masters), forbidden),
				try("no user", as("jane"), forbidden),
			}},
		{name: "impersonate groups with accounts of a namespace", finds: "HP302 HP303", account: "team/op",
			text: gives("groups", "", rule("impersonate", "groups")) + gives("accounts", "team", rule("impersonate", "serviceaccounts")),
			claims: []claim{
				try("with one of them", as("system:serviceaccount:team:default", rbac.Masters), created),
				try("not with another", as("system:serviceaccount:default:default", rbac.Masters), forbidden),
			}},
	}
}

// TestGroups holds the groups that the model says subjects are in.
func TestGroups(t *testing.T) {
	c := live.Need(t)
	var review authenticationv1.SelfSubjectReview
	c.As(t, "default", "default").Must(t, created, "POST", whoami, review).Decode(t, &review)
	got, want := review.Status.UserInfo.Groups, rbac.Account("default", "default").Groups()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("a service account is in %q, the model says %q", got, want)
	}

	c.Hold(t, live.Parse(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: public}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:unauthenticated"}]`))
	c.Anonymous().Must(t, ok, "GET", "/api/v1/configmaps", nil)
	c.As(t, "default", "default").Must(t, forbidden, "GET", "/api/v1/configmaps", nil)
}

// TestAudiences: a token for another audience opens nothing here.
func TestAudiences(t *testing.T) {
	c := live.Need(t)
	for audience, want := range map[string]int{"": ok, "https://kubernetes.default.svc": ok, "vault": http.StatusUnauthorized} {
		t.Run(cmp.Or(audience, "none"), func(t *testing.T) {
			var audiences []string
			if audience != "" {
				audiences = []string{audience}
			}
			c.Bearer(c.Mint(t, "default", "default", audiences...)).Must(t, want, "GET", "/apis", nil)
		})
	}
}

// TestRefused: what the model says the API server refuses.
func TestRefused(t *testing.T) {
	c := live.Need(t)
	const group = "rbac.authorization.k8s.io"
	subject := func(fields map[string]any) map[string]any {
		b := binding("ClusterRole", "view")
		b["subjects"] = []any{fields}
		return b
	}
	ref := func(group, kind, name string) map[string]any {
		b := binding(kind, name)
		b["roleRef"] = map[string]any{"apiGroup": group, "kind": kind, "name": name}
		return b
	}
	for _, claim := range []claim{
		{says: "an account without a namespace in the whole cluster", path: bindAll, body: subject(map[string]any{"kind": "ServiceAccount", "name": "x"})},
		{says: "a subject without a name", path: bindIn("default"), body: subject(map[string]any{"kind": "User", "apiGroup": group})},
		{says: "a subject of another kind", path: bindIn("default"), body: subject(map[string]any{"kind": "Robot", "name": "x"})},
		{says: "a ClusterRoleBinding of a Role", path: bindAll, body: binding("Role", "x")},
		{says: "a role of another kind", path: bindIn("default"), body: binding("Rule", "x")},
		{says: "a role of another group", path: bindIn("default"), body: ref("example.com", "ClusterRole", "view")},
		{says: "a role without a name", path: bindIn("default"), body: binding("ClusterRole", "")},
		{says: "paths in a Role", path: rbacV1 + "namespaces/default/roles", body: role("try", map[string]any{"verbs": []string{"get"}, "nonResourceURLs": []string{"/metrics"}})},
		{says: "a rule without verbs", path: rbacV1 + "clusterroles", body: role("try", map[string]any{"apiGroups": []string{""}, "resources": []string{"pods"}})},
		{says: "a rule without groups", path: rbacV1 + "clusterroles", body: role("try", map[string]any{"verbs": []string{"get"}, "resources": []string{"pods"}})},
		{says: "paths and resources in one rule", path: rbacV1 + "clusterroles", body: role("try", map[string]any{"verbs": []string{"get"}, "apiGroups": []string{""}, "resources": []string{"pods"}, "nonResourceURLs": []string{"/"}})},
		{says: "a verb that is no string", path: rbacV1 + "clusterroles", body: role("try", map[string]any{"verbs": []any{true}, "apiGroups": []string{""}, "resources": []string{"pods"}}), want: http.StatusBadRequest},
	} {
		t.Run(claim.says, func(t *testing.T) {
			claim.method, claim.want = "POST", cmp.Or(claim.want, http.StatusUnprocessableEntity)
			claim.judge(t, c.Admin)
		})
	}
}
