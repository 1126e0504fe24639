package differential

import (
	"math/rand/v2"
	"strings"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

// asker makes questions about one world.
type asker struct {
	*rand.Rand
	model      *rbac.Model
	subjects   []rbac.Subject
	namespaces []string
	names      []string // of objects, "" among them
}

// newAsker knows the subjects that the world names, some that it does not, who
// have only what their groups have, and one that Kubernetes ships.
func newAsker(r *rand.Rand, w world) *asker {
	a := &asker{Rand: r, model: w.written, namespaces: []string{"", "kube-system", "nowhere"}, names: []string{"", "stranger"}}
	var shipped []rbac.Subject
	for _, s := range a.model.Subjects() {
		if grants := a.model.Grants(s); grants[len(grants)-1].Binding.Assumed {
			shipped = append(shipped, s)
			continue
		}
		a.subjects = append(a.subjects, s)
	}
	for _, b := range a.model.Bindings {
		if !b.Assumed && b.Namespace != "" {
			a.namespaces = appendNew(a.namespaces, b.Namespace)
		}
	}
	for _, r := range a.model.Roles {
		for _, rule := range r.Rules {
			if !r.Assumed {
				a.names = appendNew(a.names, rule.ResourceNames...)
			}
		}
	}
	for _, ns := range a.namespaces[1:] {
		a.subjects = appendNew(a.subjects, rbac.Account(ns, "stranger"))
	}
	for _, s := range a.subjects {
		if s.Kind == "ServiceAccount" && r.IntN(4) == 0 { // also by its user name
			a.subjects = appendNew(a.subjects, user("system:serviceaccount:"+s.Namespace+":"+s.Name))
		}
	}
	a.subjects = appendNew(a.subjects, pick(r, shipped), user("stranger"), user(rbac.Anonymous), group(rbac.Masters))
	return a
}

func user(name string) rbac.Subject  { return rbac.Subject{Kind: "User", Name: name} }
func group(name string) rbac.Subject { return rbac.Subject{Kind: "Group", Name: name} }

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

func appendNew[T comparable](all []T, more ...T) []T {
	known := map[T]bool{}
	for _, one := range all {
		known[one] = true
	}
	for _, one := range more {
		if !known[one] {
			known[one] = true
			all = append(all, one)
		}
	}
	return all
}

// questions makes n questions: as many as there are, up to half, of the
// actions that the checks look for, by any subject in any namespace; random
// ones for the rest.
func (a *asker) questions(n int) []question {
	actions := catalogue()
	product := len(a.subjects) * len(actions) * len(a.namespaces)
	var all []question
	for _, i := range a.Perm(product)[:min(product, n/2)] {
		q := question{a.subjects[i%len(a.subjects)], actions[i/len(a.subjects)%len(actions)]}
		q.action.Namespace = a.namespaces[i/len(a.subjects)/len(actions)]
		if a.IntN(4) == 0 {
			q.action.Name = pick(a.Rand, a.names)
		}
		all = append(all, q)
	}
	for len(all) < n {
		all = append(all, question{pick(a.Rand, a.subjects), rbac.Action{}})
		all[len(all)-1].action = a.action(all[len(all)-1].subject)
	}
	return all
}

// catalogue lists the actions that checks look for.
func catalogue() []rbac.Action {
	var all []rbac.Action
	for _, c := range checks.All() {
		for _, ask := range c.Asks {
			for _, p := range ask {
				for _, full := range p.Resources {
					for _, verb := range p.Verbs {
						resource, sub, _ := strings.Cut(full, "/")
						all = appendNew(all, rbac.Action{Verb: verb, Group: p.Group, Resource: resource, Subresource: sub})
					}
				}
			}
		}
	}
	return all
}

// action makes an action at random; mostly one that a rule of the subject, or
// of any role, is about, and then often one that is beside it by a word.
func (a *asker) action(s rbac.Subject) rbac.Action {
	action := anyAction(a.Rand, a.names)
	if rule, namespace := a.rule(s); rule != nil && a.IntN(4) > 0 {
		from := action
		action = a.within(rule)
		action.Namespace = namespace
		if a.IntN(3) == 0 {
			beside(a.Rand, &action, from)
		}
	}
	if a.IntN(3) == 0 {
		action.Namespace = pick(a.Rand, a.namespaces)
	}
	switch {
	case action.Path != "": // which has no namespace
		return rbac.Action{Verb: action.Verb, Path: action.Path}
	case action.Resource == "namespaces" && a.IntN(2) == 0: // as a request for a namespace
		action.Name, action.Subresource = action.Namespace, ""
	}
	return action
}

// rule picks a rule, and a namespace in which it may count.
func (a *asker) rule(s rbac.Subject) (*rbac.Rule, string) {
	role, namespace := pick(a.Rand, a.model.Roles), pick(a.Rand, a.namespaces)
	if grants := a.model.AllGrants(s); len(grants) > 0 && a.IntN(4) > 0 {
		if g := pick(a.Rand, grants); g.Role != nil {
			role = g.Role
			if g.Binding.Namespace != "" {
				namespace = g.Binding.Namespace
			}
		}
	}
	if len(role.Rules) == 0 {
		return nil, ""
	}
	return &role.Rules[a.IntN(len(role.Rules))], namespace
}

// within makes an action of the words of a rule. What stands for others is
// taken as one of them, or as it is written.
func (a *asker) within(rule *rbac.Rule) rbac.Action {
	other := anyAction(a.Rand, a.names)
	word := func(list []string, other string) string {
		if len(list) == 0 {
			return other
		}
		if w := pick(a.Rand, list); w != "*" || a.IntN(4) == 0 {
			return w
		}
		return other
	}
	action := rbac.Action{Verb: word(rule.Verbs, other.Verb)}
	if len(rule.NonResourceURLs) > 0 {
		action.Path = word(rule.NonResourceURLs, "/"+other.Resource)
		if a.IntN(2) == 0 {
			action.Path = strings.TrimRight(action.Path, "*") + pick(a.Rand, []string{"", "/", "a", "/a/b"})
		}
		return action
	}
	action.Group = word(rule.APIGroups, other.Group)
	full := word(rule.Resources, other.Resource)
	if full == other.Resource && other.Subresource != "" {
		full += "/" + other.Subresource
	}
	action.Resource, action.Subresource, _ = strings.Cut(full, "/")
	if action.Resource == "*" && a.IntN(4) > 0 {
		action.Resource = other.Resource
	}
	if len(rule.ResourceNames) > 0 {
		action.Name = word(rule.ResourceNames, other.Name)
	}
	return action
}

// beside changes one word of an action to that of another.
func beside(r *rand.Rand, a *rbac.Action, other rbac.Action) {
	switch r.IntN(5) {
	case 0:
		a.Verb = other.Verb
	case 1:
		a.Group = other.Group
	case 2:
		a.Resource = other.Resource
	case 3:
		a.Subresource = other.Subresource
	case 4:
		a.Name = other.Name
	}
}
