package rbac_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// A grant in short: "jane shop: get,list services; create deployments.apps",
// where "*" for the namespace is a ClusterRoleBinding, and a name that starts
// with a dot is a service account of the namespace shop. Resources may have
// names behind an equals sign, and what starts with a slash is a path.
func granted(t *testing.T, lines ...string) *rbac.Model {
	t.Helper()
	var text strings.Builder
	for i, line := range lines {
		who, rules, _ := strings.Cut(line, ": ")
		name, namespace, _ := strings.Cut(who, " ")
		kind, in, of := "ClusterRoleBinding", "", fmt.Sprintf("{kind: User, name: %q}", name)
		if namespace != "*" {
			kind, in = "RoleBinding", ", namespace: "+namespace
		}
		if account, ok := strings.CutPrefix(name, "."); ok {
			of = "{kind: ServiceAccount, namespace: shop, name: " + account + "}"
		}
		if group, ok := strings.CutPrefix(name, "@"); ok {
			of = "{kind: Group, name: " + group + "}"
		}
		fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r%d}\nrules:\n", i)
		for rule := range strings.SplitSeq(rules, "; ") {
			text.WriteString(ruleText(rule))
		}
		fmt.Fprintf(&text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {name: b%d%s}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r%d}\nsubjects: [%s]\n", kind, i, in, i, of)
	}
	objects, problems := source.Parse("x.yaml", []byte(text.String()), source.DefaultLimits())
	model, wrong := rbac.Build(objects, rbac.Options{})
	for _, p := range append(problems, wrong...) {
		t.Fatalf("%s: %v\n%s", p.Position, p.Err, text.String())
	}
	return model
}

func ruleText(rule string) string {
	verbs, what, _ := strings.Cut(rule, " ")
	verbs = `"` + strings.ReplaceAll(verbs, ",", `", "`) + `"`
	if strings.HasPrefix(what, "/") {
		return fmt.Sprintf("- {verbs: [%s], nonResourceURLs: [%q]}\n", verbs, what)
	}
	what, names, _ := strings.Cut(what, "=")
	resource, group, _ := strings.Cut(what, ".")
	return fmt.Sprintf("- {verbs: [%s], apiGroups: [%q], resources: [%q], resourceNames: [%s]}\n", verbs, group, resource, names)
}

func TestChanges(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after []string
		want          string
	}{
		{"nothing", []string{"jane shop: get pods"}, []string{"jane shop: get pods"}, ""},
		{"other bindings and roles", []string{"jane shop: get,list pods"}, []string{"jane shop: list pods", "jane shop: get pods"}, ""},
		{"a verb", []string{"jane shop: get pods"}, []string{"jane shop: get,list,watch pods"}, "User:jane + list,watch pods -n shop"},
		{"a verb less", []string{"jane shop: get,list pods"}, []string{"jane shop: get pods"}, "User:jane - list pods -n shop"},
		{"a wildcard for verbs", []string{"jane shop: get,list pods"}, []string{"jane shop: * pods"}, "User:jane + * pods -n shop"},
		{"verbs for a wildcard", []string{"jane shop: * pods"}, []string{"jane shop: get pods"}, "User:jane - * pods -n shop"},
		{"a wildcard swallows what is gained beside it", []string{}, []string{"jane shop: get pods; * pods; list *; list services"}, "User:jane + list * -n shop\nUser:jane + * pods -n shop"},
		{"subresources", []string{"jane shop: get pods/log; get pods/status"}, []string{"jane shop: get */log"}, "User:jane + get */log -n shop\nUser:jane - get pods/status -n shop"},
		{"pods/* is no wildcard", []string{"jane shop: get pods/*"}, []string{"jane shop: get pods/log"}, "User:jane + get pods/log -n shop\nUser:jane - get pods/* -n shop"},
		{"a group", []string{"jane shop: get deployments.apps"}, []string{"jane shop: get deployments.*"}, "User:jane + get deployments.* -n shop"},
		{"all namespaces", []string{"jane shop: get pods"}, []string{"jane *: get pods"}, "User:jane + get pods"},
		{"one namespace", []string{"jane *: get pods"}, []string{"jane shop: get pods"}, "User:jane - get pods"},
		{"another namespace", []string{"jane shop: get pods"}, []string{"jane bar: get pods"}, "User:jane + get pods -n bar\nUser:jane - get pods -n shop"},
		{"names", []string{"jane shop: get secrets=a,b"}, []string{"jane shop: get secrets=b,c,d"}, "User:jane + get secrets=c,d -n shop\nUser:jane - get secrets=a -n shop"},
		{"any name", []string{"jane shop: get secrets=a"}, []string{"jane shop: get secrets"}, "User:jane + get secrets -n shop"},
		{"paths", []string{"jane *: get /metrics"}, []string{"jane *: get /*"}, "User:jane + get /*"},
		{"inert in a namespace", []string{}, []string{"jane shop: get nodes; get /metrics; list clusterroles.rbac.authorization.k8s.io; get pods"}, "User:jane + get pods -n shop"},
		{"what its group has", []string{"@system:serviceaccounts:shop shop: get pods"}, []string{".web shop: get pods; list pods"},
			"Group:system:serviceaccounts:shop - get pods -n shop\nServiceAccount:shop/web + list pods -n shop"},
		{"what its group gets", []string{".web shop: get pods"}, []string{"@system:authenticated shop: get pods"}, "Group:system:authenticated + get pods -n shop"},
		{"what every login has", []string{}, []string{"jane *: create selfsubjectaccessreviews.authorization.k8s.io"}, ""},
		{"subjects", []string{"jane shop: get pods"}, []string{"joe shop: get pods"}, "User:jane - get pods -n shop\nUser:joe + get pods -n shop"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := granted(t, tt.before...), granted(t, tt.after...)
			if diff := cmp.Diff(tt.want, short(rbac.Compare(before, after).Changes())); diff != "" {
				t.Errorf("changes differ (-want +got):\n%s", diff)
			}
			back := strings.NewReplacer(" + ", " - ", " - ", " + ").Replace(tt.want)
			if diff := cmp.Diff(lines(back), lines(short(rbac.Compare(after, before).Changes()))); diff != "" {
				t.Errorf("changes back differ (-want +got):\n%s", diff)
			}
		})
	}
}

// lines is a text as a set of lines.
func lines(text string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		set[strings.TrimSpace(line)] = true
	}
	return set
}

func short(changes []rbac.Change) string {
	var all []string
	say := func(s rbac.Subject, sign string, list []rbac.Access) {
		for _, a := range list {
			what := a.Path + a.Resource
			if a.Group != "" {
				what += "." + a.Group
			}
			if len(a.Names) > 0 {
				what += "=" + strings.Join(a.Names, ",")
			}
			if a.Namespace != "" {
				what += " -n " + a.Namespace
			}
			all = append(all, s.Key()+" "+sign+" "+strings.Join(a.Verbs, ",")+" "+what)
		}
	}
	for _, c := range changes {
		say(c.Subject, "+", c.Gains)
		say(c.Subject, "-", c.Losses)
	}
	return strings.Join(all, "\n")
}

// TestChangesOfAVastRule bounds the work on a rule that a stranger wrote.
func TestChangesOfAVastRule(t *testing.T) {
	many := func(prefix string) string {
		var all []string
		for i := range 2000 {
			all = append(all, fmt.Sprintf("%s%d", prefix, i))
		}
		return strings.Join(all, ",")
	}
	before, after := granted(t, "jane shop: get pods"), granted(t, "jane shop: "+many("v")+" secrets="+many("n"))
	changes := rbac.Compare(before, after).Changes()
	if len(changes) != 1 || len(changes[0].Gains) != 1 || len(changes[0].Gains[0].Verbs) != 2000 {
		t.Errorf("%d subjects differ", len(changes))
	}
	if len(changes) != 1 || short([]rbac.Change{{Subject: changes[0].Subject, Losses: changes[0].Losses}}) != "User:jane - get pods -n shop" {
		t.Error("what is lost is not told")
	}
}
