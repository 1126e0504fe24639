package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Change is what a subject may do now and could not before, and the other way
// round, by the bindings that name it.
type Change struct {
	Subject Subject
	Gains   []Access
	Losses  []Access
}

// Access is a set of verbs on one resource, or on one non-resource path.
type Access struct {
	Verbs     []string
	Group     string
	Resource  string // with the subresource
	Path      string
	Names     []string // what resourceNames limit it to
	Namespace string   // "" is all of them
}

// Changes lists each subject of which the two models differ, in order. What
// wildcards or groups of the subject gave before is no gain, and what they
// give now is no loss.
func (c *Comparison) Changes() []Change {
	back := Compare(c.head, c.base)
	byName := map[Subject]*Change{}
	change := func(s Subject) *Change {
		s = s.plain()
		if byName[s] == nil {
			byName[s] = &Change{Subject: s}
		}
		return byName[s]
	}
	for _, s := range c.head.subjects {
		if gains := c.gains(s); len(gains) > 0 {
			change(s).Gains = append(change(s).Gains, gains...)
		}
	}
	for _, s := range c.base.subjects {
		if losses := back.gains(s); len(losses) > 0 {
			change(s).Losses = append(change(s).Losses, losses...)
		}
	}
	var all []Change
	for _, ch := range byName {
		ch.Gains, ch.Losses = grouped(ch.Gains), grouped(ch.Losses)
		all = append(all, *ch)
	}
	slices.SortFunc(all, func(a, b Change) int { return compareSubjects(a.Subject, b.Subject) })
	return all
}

// gains is what the grants of a subject allow that it could not do before.
func (c *Comparison) gains(s Subject) []Access {
	if c.sameGrants(s) {
		return nil
	}
	var powers []Power
	for _, g := range c.head.grants[s] {
		powers = append(powers, g.powers()...)
	}
	var all []Access
	for _, p := range c.Lacked(s, powers) {
		all = append(all, access(p))
	}
	return all
}

// sameGrants tells, at a glance, that a subject has the very rules in the very
// bindings of before: most of a change leaves most subjects alone.
func (c *Comparison) sameGrants(s Subject) bool {
	return slices.EqualFunc(c.head.grants[s], c.base.grants[s], func(a, b Grant) bool {
		if (a.Role == nil) != (b.Role == nil) || !SameObject(a.Binding.Object, b.Binding.Object) {
			return false
		}
		return a.Role == nil || slices.EqualFunc(a.Role.Rules, b.Role.Rules, func(x, y Rule) bool {
			return x.Index == y.Index && SameObject(x.Object, y.Object)
		})
	})
}

// powers are the parts of what a grant allows: one verb on one resource each.
// Under a RoleBinding what is not of a namespace is inert.
func (g Grant) powers() []Power {
	if g.Role == nil {
		return nil
	}
	var all []Power
	for i := range g.Role.Rules {
		rule := &g.Role.Rules[i]
		for _, part := range parts(rule.PolicyRule) {
			if g.Binding.Namespace == "" || !clusterScoped(part) {
				all = append(all, Power{Witness{g, rule}, part, g.Binding.Namespace})
			}
		}
	}
	return all
}

// clusterResources are the resources of Kubernetes itself that are in no
// namespace; namespaces are left out, since each is also in itself.
var clusterResources = map[string][]string{
	"":                             {"nodes", "persistentvolumes", "componentstatuses"},
	"rbac.authorization.k8s.io":    {"clusterroles", "clusterrolebindings"},
	"storage.k8s.io":               {"storageclasses", "csidrivers", "csinodes", "volumeattachments"},
	"apiextensions.k8s.io":         {"customresourcedefinitions"},
	"apiregistration.k8s.io":       {"apiservices"},
	"certificates.k8s.io":          {"certificatesigningrequests", "signers"},
	"scheduling.k8s.io":            {"priorityclasses"},
	"node.k8s.io":                  {"runtimeclasses"},
	"networking.k8s.io":            {"ingressclasses"},
	"policy":                       {"podsecuritypolicies"},
	"authentication.k8s.io":        {"tokenreviews", "userextras", "uids"},
	"authorization.k8s.io":         {"subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"},
	"admissionregistration.k8s.io": {"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings"},
	"flowcontrol.apiserver.k8s.io": {"flowschemas", "prioritylevelconfigurations"},
}

// clusterScoped tells whether a part of a rule, with one verb and resource, is
// about something that is in no namespace.
func clusterScoped(part rbacv1.PolicyRule) bool {
	if len(part.NonResourceURLs) > 0 {
		return true
	}
	return len(part.APIGroups) == 1 && !slices.ContainsFunc(part.Resources, func(r string) bool {
		resource, _, _ := strings.Cut(r, "/")
		return !slices.Contains(clusterResources[part.APIGroups[0]], resource)
	})
}

func access(p Power) Access {
	one := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	return Access{
		Verbs: p.Can.Verbs, Group: one(p.Can.APIGroups), Resource: one(p.Can.Resources),
		Path: one(p.Can.NonResourceURLs), Names: p.Can.ResourceNames, Namespace: p.Namespace,
	}
}

// grouped leaves out what another part says too, and puts together the verbs
// and then the names of what is else the same.
func grouped(all []Access) []Access {
	there := map[string]bool{}
	for _, a := range all {
		there[a.key()] = true
	}
	kept := slices.DeleteFunc(all, func(a Access) bool {
		return slices.ContainsFunc(a.wider(), func(w Access) bool { return there[w.key()] })
	})
	kept = merged(kept, func(a *Access) *[]string { return &a.Verbs })
	return merged(kept, func(a *Access) *[]string { return &a.Names })
}

func (a Access) key() string {
	return strings.Join(slices.Concat(a.Verbs, []string{"", a.Group, a.Resource, a.Path, a.Namespace}, a.Names), "\x00")
}

// wider lists what covers a part, other than itself: the same with a wildcard
// for the verb, the group or the resource, in all namespaces, of any name.
func (a Access) wider() []Access {
	all := []Access{a}
	also := func(change func(*Access)) {
		for _, w := range slices.Clone(all) {
			change(&w)
			if w.key() != a.key() {
				all = append(all, w)
			}
		}
	}
	also(func(w *Access) { w.Verbs = []string{"*"} })
	also(func(w *Access) { w.Namespace = "" })
	also(func(w *Access) { w.Names = nil })
	if a.Path != "" {
		also(func(w *Access) { w.Path = "*" })
		return all[1:]
	}
	also(func(w *Access) { w.Group = "*" })
	also(func(w *Access) { w.Resource = "*" })
	if _, sub, ok := strings.Cut(a.Resource, "/"); ok {
		also(func(w *Access) {
			if w.Resource != "*" {
				w.Resource = "*/" + sub
			}
		})
	}
	return all[1:]
}

// merged puts together what differs in one field only, in order.
func merged(all []Access, field func(*Access) *[]string) []Access {
	rest := func(a Access) Access {
		*field(&a) = nil
		return a
	}
	slices.SortFunc(all, func(a, b Access) int {
		return cmp.Or(compareAccess(rest(a), rest(b)), slices.Compare(*field(&a), *field(&b)))
	})
	var kept []Access
	for _, a := range all {
		last := len(kept) - 1
		if last < 0 || compareAccess(rest(kept[last]), rest(a)) != 0 || len(*field(&a)) == 0 || len(*field(&kept[last])) == 0 {
			kept = append(kept, a)
			continue
		}
		list := slices.Concat(*field(&kept[last]), *field(&a))
		slices.Sort(list)
		*field(&kept[last]) = slices.Compact(list)
	}
	return kept
}

func compareAccess(a, b Access) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource),
		cmp.Compare(a.Path, b.Path), slices.Compare(a.Names, b.Names), slices.Compare(a.Verbs, b.Verbs))
}

// maxWords is how many of several powers are named.
const maxWords = 5

// Words names powers, such as: get, list secrets; create deployments.apps.
func Words(powers []Power) string {
	var all []Access
	for _, p := range powers {
		for _, part := range parts(p.Can) {
			all = append(all, access(Power{Can: part, Namespace: p.Namespace}))
		}
	}
	var words []string
	for _, a := range grouped(all) {
		what := strings.Join(a.Verbs, ", ") + " " + a.Path + a.Resource
		if a.Group != "" {
			what += "." + a.Group
		}
		if len(a.Names) > 0 {
			what += " named '" + strings.Join(a.Names, "', '") + "'"
		}
		if !slices.Contains(words, what) {
			words = append(words, what)
		}
	}
	list := strings.Join(words[:min(len(words), maxWords)], "; ")
	if more := len(words) - maxWords; more > 0 {
		list += fmt.Sprintf("; and %d more", more)
	}
	return list
}
