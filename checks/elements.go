package checks

import (
	"maps"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
)

// MoveTo makes another element the place of the finding.
func (f *Finding) MoveTo(p Place) {
	f.Primary, f.at = p, p.Position()
}

// Elements lists what brings about some of the finding's powers, in the order
// in which a change to it is to be shown: what of the rule allows them, the
// subject, the reference to the role, and what puts the token into the pods.
func (f *Finding) Elements(of []rbac.Power) []Place {
	var rules, subjects, refs []Place
	for _, p := range of {
		if p.Rule != nil {
			rules = append(rules, ruleElements(p)...)
		}
		if p.Binding != nil {
			subjects = append(subjects, subjectElements(p.Grant)...)
			refs = append(refs, refElements(p.Binding)...)
		}
	}
	if f.Binding != nil {
		refs = append(refs, refElements(f.Binding)...)
	}
	all := slices.Concat(rules, subjects, refs, f.podElements(), f.Chain)
	return slices.DeleteFunc(all, func(p Place) bool { return !p.InFile() })
}

func elements(p Place, paths ...[]any) []Place {
	var all []Place
	for _, path := range paths {
		p.Path = path
		all = append(all, p)
	}
	return all
}

// ruleElements are the words of a rule that allow a power, then what makes the
// rule part of the role: its own name, or the labels by which it is aggregated.
func ruleElements(p rbac.Power) []Place {
	var all []Place
	add := func(field string, has, wanted []string) {
		for i, word := range has {
			if slices.Contains(wanted, word) || strings.HasPrefix(word, "*") {
				all = append(all, rulePlace(p.Role, p.Rule, field, i))
			}
		}
	}
	add("verbs", p.Rule.Verbs, p.Can.Verbs)
	add("resources", p.Rule.Resources, p.Can.Resources)
	add("nonResourceURLs", p.Rule.NonResourceURLs, p.Can.NonResourceURLs)
	add("resourceNames", p.Rule.ResourceNames, p.Can.ResourceNames)
	add("apiGroups", p.Rule.APIGroups, p.Can.APIGroups)
	all = append(all, rulePlace(p.Role, p.Rule))
	of := rulePlace(p.Role, p.Rule)
	for _, label := range labels(p.Rule) {
		all = append(all, elements(of, []any{"metadata", "labels", label})...)
	}
	return append(all, elements(of, []any{"metadata", "namespace"}, []any{"metadata", "name"})...)
}

// labels are those of the role that states a rule.
func labels(rule *rbac.Rule) []string {
	var raw struct {
		Metadata struct {
			Labels map[string]any `json:"labels"`
		} `json:"metadata"`
	}
	if rule.Object.Decode(&raw) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(raw.Metadata.Labels))
}

func subjectElements(g rbac.Grant) []Place {
	in := []any{"subjects", g.SubjectIndex}
	at := func(field string) []any { return append(slices.Clone(in), field) }
	return elements(subjectPlaces(g)[0], at("name"), at("namespace"), at("kind"), in)
}

func refElements(b *rbac.Binding) []Place {
	return elements(rolePlace(b), []any{"roleRef", "name"}, []any{"roleRef", "kind"},
		[]any{"kind"}, []any{"metadata", "namespace"}, []any{"metadata", "name"})
}

// podElements choose the account of a workload and mount its token.
func (f *Finding) podElements() []Place {
	if f.Workload == nil {
		return nil
	}
	w := f.Chain[0] // the workload
	automount := append(slices.Clone(f.Workload.SpecPath), "automountServiceAccountToken")
	all := elements(w, f.Workload.AccountPath(), automount, f.Primary.Path)
	for _, p := range f.Chain {
		if p.Role == "account" {
			all = append(all, elements(p, []any{"automountServiceAccountToken"}, []any{"metadata", "name"})...)
		}
	}
	return all
}
