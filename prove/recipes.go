package prove

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

// recipe makes the steps that carry out a finding.
type recipe func(*attack) []step

// recipes say how each check is proven; nil where there is nothing to try.
var recipes = map[string]recipe{
	"HP101": func(a *attack) []step { return a.reads("list watch", "secrets") },
	"HP102": func(a *attack) []step { return a.reads("get", "secrets") },
	"HP103": func(a *attack) []step {
		return slices.Concat(a.writes("create", "secrets"), a.readsOrMounts())
	},
	"HP104": (*attack).mints,

	"HP201": func(a *attack) []step { return a.writes("create", "pods") },
	"HP202": func(a *attack) []step { return a.writes("create") },
	"HP203": func(a *attack) []step { return a.writes("patch update") },
	"HP204": func(a *attack) []step { return a.reviewed("create get", "pods/exec", "pods/attach") },
	"HP205": func(a *attack) []step { return a.writes("patch update", "pods/ephemeralcontainers") },

	"HP301": (*attack).actsAsUser,
	"HP302": (*attack).actsAsGroup,
	"HP303": (*attack).actsAsAccount,
	"HP311": (*attack).binds,
	"HP312": (*attack).escalates,
	"HP313": (*attack).spreads,
	"HP314": nil,

	"HP401": func(a *attack) []step { return a.reviewed("get create update patch delete", "nodes/proxy") },
	"HP403": func(a *attack) []step { return a.writes("create patch update delete deletecollection") },

	"HP501": func(a *attack) []step {
		all := rbac.Action{Verb: "*", Group: "*", Resource: "*", Namespace: a.finding.Namespace}
		return []step{mayDoEverything(other{}, a.finding.Namespace, all)}
	},
	"HP502": nil,
	"HP503": nil,
	"HP504": nil,
	"HP505": (*attack).readsUnknown,
	"HP506": nil,
	"HP507": nil,
	"HP510": nil,

	"HP601": nil, // the file in the container is the kubelet's, which the API does not show
	"HP602": nil,
	"HP603": nil, // is proven by the worst of its account's
}

// system is the namespace where an attacker with the whole cluster goes.
const system = "kube-system"

// can finds an action of the finding: the first of the verbs that it gives on
// one of the resources, or on any.
func (a *attack) can(verbs string, resources ...string) (rbac.Action, bool) {
	for _, p := range a.finding.Powers {
		for _, verb := range strings.Fields(verbs) {
			for _, full := range p.Can.Resources {
				if !slices.Contains(p.Can.Verbs, verb) || (len(resources) > 0 && !slices.Contains(resources, full)) {
					continue
				}
				resource, sub, _ := strings.Cut(full, "/")
				action := rbac.Action{Verb: verb, Resource: resource, Subresource: sub, Namespace: scope(p, resource)}
				if len(p.Can.APIGroups) > 0 {
					action.Group = p.Can.APIGroups[0]
				}
				action.Name = preferred(p.Can.ResourceNames)
				return action, true
			}
		}
	}
	return rbac.Action{}, false
}

// scope is the namespace that a power is limited to. One that adds to a power
// over the whole cluster may be limited by its own binding.
func scope(p rbac.Power, resource string) string {
	if p.Namespace == "" && p.Binding != nil && !slices.Contains(clusterScoped[:], resource) {
		return p.Binding.Namespace
	}
	return p.Namespace
}

// preferred is the name that gives most, else the first.
func preferred(names []string) string {
	for _, name := range []string{rbac.Masters, "cluster-admin"} {
		if slices.Contains(names, name) {
			return name
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return ""
}

// somewhere gives an action that reaches all namespaces one of them.
func somewhere(a rbac.Action) rbac.Action {
	if a.Namespace == "" && !slices.Contains(clusterScoped[:], a.Resource) {
		a.Namespace = system
	}
	return a
}

var clusterScoped = [...]string{"clusterroles", "clusterrolebindings", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"}

// reads asks for the metadata of objects: of a canary where one is got.
func (a *attack) reads(verbs string, resources ...string) []step {
	action, ok := a.can(verbs, resources...)
	if !ok {
		return nil
	}
	if action.Verb != "get" {
		return []step{read(action, "the "+action.Resource+" are there to be read")}
	}
	reviewed := action
	action = named(somewhere(action))
	s := read(action, "the "+strings.TrimSuffix(action.Resource, "s")+" is there to be read")
	s.actions = []rbac.Action{reviewed}
	s.prepare = func(ctx context.Context, _ *step) error {
		return a.stand(ctx, action, kinds[action.Resource].bare(meta(action.Name)))
	}
	return []step{s}
}

// named names what an unnamed action is tried on.
func named(a rbac.Action) rbac.Action {
	if a.Name == "" {
		a.Name = canary
	}
	return a
}

// readsOrMounts are the ways to a token in a secret.
func (a *attack) readsOrMounts() []step {
	if steps := a.reads("get list", "secrets"); steps != nil {
		return steps
	}
	return a.writes("create", "pods")
}

// reviewed asks the authorizer only.
func (a *attack) reviewed(verbs string, resources ...string) []step {
	action, ok := a.can(verbs, resources...)
	if !ok {
		return nil
	}
	return []step{{actions: []rbac.Action{action}}}
}

// mints asks for a token of an account that is there for that, and forgets it.
func (a *attack) mints() []step {
	action, ok := a.can("create", "serviceaccounts/token")
	if !ok {
		return nil
	}
	account := named(somewhere(action))
	s := step{
		actions: []rbac.Action{action}, shows: "the API server issued a token, which was thrown away",
		method: http.MethodPost, path: tokenPath(account.Namespace, account.Name), kind: "TokenRequest", body: struct{}{},
	}
	s.prepare = func(ctx context.Context, _ *step) error {
		return a.stand(ctx, account, corev1.ServiceAccount{ObjectMeta: meta(account.Name)})
	}
	return []step{s}
}

// writes tries, by dry run, what the finding says about some resources.
func (a *attack) writes(verbs string, resources ...string) []step {
	action, ok := a.can(verbs, resources...)
	if !ok {
		return nil
	}
	return []step{a.write(action, kinds[action.Resource])}
}

func (a *attack) write(action rbac.Action, k kind) step {
	at := somewhere(action)
	s := step{actions: []rbac.Action{action}, kind: k.name, shows: "the API server would " + action.Verb + " it"}
	switch action.Verb {
	case "create":
		account := "default"
		if strongest, ok := a.strongest(action.Namespace); ok && k.runs() {
			at.Namespace, account = strongest.Namespace, strongest.Name
		}
		s.method, s.path, s.body = http.MethodPost, path(at.Group, at.Resource, at.Namespace, "", ""), k.make(meta(proofName), account)
		if k.runs() {
			s.shows += ", for account '" + at.Namespace + "/" + account + "'"
		}
	case "deletecollection":
		s.method, s.path, s.kind = http.MethodDelete, path(at.Group, at.Resource, at.Namespace, "", "")+"?labelSelector=hotpod.dev%2Fproof", ""
	default:
		a.onCanary(&s, named(at), k)
	}
	s.path += separator(s.path) + dryRun
	return s
}

func separator(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// onCanary makes a step of an action on an object that has to be there.
func (a *attack) onCanary(s *step, at rbac.Action, k kind) {
	patch := k.patch
	switch {
	case at.Subresource == "ephemeralcontainers":
		patch = debugged
	case patch == "":
		patch = annotation
	}
	object := at
	object.Subresource = ""
	was := k.make(meta(at.Name), "default")
	if k.bare != nil {
		was = k.bare(meta(at.Name))
	}
	// An update of what is not there would be a create, which is another
	// permission, and on a cluster that is not ours no canary is there.
	if !a.target.Ephemeral && (at.Verb == "update" || strings.HasPrefix(at.Name, canary)) {
		return
	}
	s.path = path(at.Group, at.Resource, at.Namespace, at.Name, at.Subresource)
	s.prepare = func(ctx context.Context, _ *step) error { return a.stand(ctx, object, was) }
	switch at.Verb {
	case "delete":
		s.method, s.kind = http.MethodDelete, ""
	case "patch":
		s.method, s.body = http.MethodPatch, json.RawMessage(patch)
	case "update":
		s.method, s.body = http.MethodPut, k.make(meta(at.Name), "default")
		s.prepare = func(ctx context.Context, s *step) error {
			err := a.stand(ctx, object, was)
			if err == nil && a.target.Ephemeral {
				s.body, err = a.replacing(ctx, object, patch)
			}
			return err
		}
	}
}

// strongest is the account that an attacker would choose in a namespace, or
// anywhere.
func (a *attack) strongest(namespace string) (rbac.Subject, bool) {
	for _, s := range a.accounts {
		if (namespace == "" || s.Namespace == namespace) && s.Key() != a.finding.Subject.Key() {
			return s, true
		}
	}
	return rbac.Subject{}, false
}

func (a *attack) actsAsUser() []step {
	action, ok := a.can("impersonate", "users")
	if !ok {
		return nil
	}
	return []step{whoAmI(other{user: named(action).Name}, action)}
}

// actsAsGroup needs a user too, or an account: no request has a group alone.
func (a *attack) actsAsGroup() []step {
	group, ok := a.can("impersonate", "groups")
	if !ok {
		return nil
	}
	as := other{group: group.Name}
	if as.group == "" {
		as.group = rbac.Masters
	}
	takes := []rbac.Action{group}
	if user, ok := a.can("impersonate", "users"); ok {
		as.user, takes = named(user).Name, append(takes, user)
	} else if account, ok := a.can("impersonate", "serviceaccounts"); ok {
		as.user, takes = accountUser(account), append(takes, account)
	}
	steps := []step{whoAmI(as, takes...)}
	if as.group == rbac.Masters && a.who.own && a.target.Ephemeral {
		steps = append(steps, mayDoEverything(as, "", takes...))
	}
	return steps
}

func (a *attack) actsAsAccount() []step {
	action, ok := a.can("impersonate", "serviceaccounts")
	if !ok {
		return nil
	}
	return []step{whoAmI(other{user: accountUser(action)}, action)}
}

func accountUser(a rbac.Action) string {
	if a.Name == "" {
		a.Name = "default"
	}
	user, _ := userOf(rbac.Account(somewhere(a).Namespace, a.Name))
	return user
}

// binds gives the subject itself the role that gives most of those it may bind.
func (a *attack) binds() []step {
	bind, ok := a.can("bind", "clusterroles", "roles")
	write, can := a.can("create patch update", "clusterrolebindings", "rolebindings")
	if !ok || !can {
		return nil
	}
	ref := roleRef(bind.Resource, bind.Name)
	if ref.Name == "" {
		ref.Name = "cluster-admin"
	}
	s := a.bind(write, ref)
	s.actions = append(s.actions, bind)
	s.shows = "the API server would bind " + ref.Kind + " '" + ref.Name + "' to it"
	return []step{s}
}

func roleRef(resource, name string) rbacv1.RoleRef {
	kind := "ClusterRole"
	if resource == "roles" {
		kind = "Role"
	}
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
}

// bind writes a binding of a role to the subject. An existing one gets it as a
// further subject, since its role cannot be changed.
func (a *attack) bind(write rbac.Action, ref rbacv1.RoleRef) step {
	self := rbacv1.Subject{Kind: a.finding.Subject.Kind, Namespace: a.finding.Subject.Namespace, Name: a.finding.Subject.Name}
	k := kind{name: "RoleBinding"}
	if write.Resource == "clusterrolebindings" {
		k.name = "ClusterRoleBinding"
	}
	binding := func(to ...rbacv1.Subject) func(metav1.ObjectMeta, string) any {
		return func(m metav1.ObjectMeta, _ string) any {
			return rbacv1.RoleBinding{ObjectMeta: m, RoleRef: ref, Subjects: to}
		}
	}
	subjects, err := json.Marshal(map[string]any{"subjects": []rbacv1.Subject{self}})
	if err != nil {
		return step{}
	}
	k.make, k.patch = binding(self), string(subjects)
	k.bare = func(m metav1.ObjectMeta) any { return binding()(m, "") }
	if write.Verb != "create" && write.Name == "" { // of each role one, as several proofs may need it
		write.Name = canary + "-" + strings.ReplaceAll(ref.Name, ":", "-")
	}
	return a.write(write, k)
}

// escalates writes a rule into a role that gives everything.
func (a *attack) escalates() []step {
	escalate, ok := a.can("escalate", "clusterroles", "roles")
	write, can := a.can("create patch update", escalate.Resource)
	if !ok || !can {
		return nil
	}
	all := []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}}
	rules, err := json.Marshal(map[string]any{"rules": all})
	if err != nil {
		return nil
	}
	k := kinds[write.Resource]
	k.bare = func(m metav1.ObjectMeta) any { return rbacv1.ClusterRole{ObjectMeta: m} }
	k.make = func(m metav1.ObjectMeta, _ string) any { return rbacv1.ClusterRole{ObjectMeta: m, Rules: all} }
	k.patch = string(rules)
	if write.Name == "" {
		write.Name = escalate.Name
	}
	s := a.write(write, k)
	s.actions = append(s.actions, escalate)
	s.shows = "the API server would write a rule for everything into the role"
	return []step{s}
}

// spreads binds what the subject has, and shows that it cannot bind more.
func (a *attack) spreads() []step {
	write, ok := a.can("create patch update", "clusterrolebindings", "rolebindings")
	if !ok {
		return nil
	}
	resource := "roles"
	if a.finding.Role.Namespace == "" {
		resource = "clusterroles"
	}
	own := a.bind(write, roleRef(resource, a.finding.Role.Name))
	own.shows = "the API server would bind what it has itself"
	more := a.bind(write, roleRef("clusterroles", "cluster-admin"))
	more.noReview = true
	more.reads = func(got answer) (checks.Verdict, string) {
		switch {
		case got.status/100 == 2:
			return checks.Refuted, "the API server would bind more than what it has itself"
		case strings.Contains(got.message(), "attempting to grant RBAC permissions not currently held"):
			return checks.Proven, "the API server refuses to bind cluster-admin"
		}
		return "", ""
	}
	if !a.target.Ephemeral && write.Verb != "create" {
		return []step{own} // there is no binding of cluster-admin to try it on
	}
	return []step{own, more}
}

// readsUnknown asks without credentials for something that the role gives.
func (a *attack) readsUnknown() []step {
	if a.finding.Role == nil {
		return nil
	}
	for i := range a.finding.Role.Rules {
		rule := &a.finding.Role.Rules[i]
		if len(rule.NonResourceURLs) > 0 && a.finding.Namespace == "" {
			at := rbac.Action{Verb: "get", Path: strings.TrimSuffix(rule.NonResourceURLs[0], "*")}
			if rbac.Covers(&rule.PolicyRule, at) && strings.HasPrefix(at.Path, "/") {
				return []step{{method: http.MethodGet, path: at.Path, actions: []rbac.Action{at}, shows: "anybody is answered"}}
			}
		}
		for _, verb := range []string{"list", "watch", "get"} {
			if at, ok := a.readable(rule, verb); ok {
				return []step{read(at, "anybody is answered")}
			}
		}
	}
	action, ok := a.can("create update patch delete impersonate bind escalate *")
	if !ok {
		return nil
	}
	return []step{{actions: []rbac.Action{action}}}
}

// readable is an action of a rule that a GET asks for.
func (a *attack) readable(rule *rbac.Rule, verb string) (rbac.Action, bool) {
	if len(rule.APIGroups) == 0 {
		return rbac.Action{}, false
	}
	at := rbac.Action{Verb: verb, Group: rule.APIGroups[0], Namespace: a.finding.Namespace, Name: preferred(rule.ResourceNames)}
	if at.Group == "*" {
		at.Group = ""
	}
	for _, resource := range rule.Resources {
		if at.Resource = resource; resource == "*" {
			at.Resource = "configmaps"
		}
		if !strings.Contains(resource, "/") && rbac.Covers(&rule.PolicyRule, at) {
			return at, true
		}
	}
	return at, false
}
