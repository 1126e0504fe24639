package rbac

import (
	"fmt"
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/hotpod-dev/hotpod/source"
)

// aggregateAll fills the rules of aggregated ClusterRoles and marks the roles
// that they take in, as clusterrole-aggregation-controller does.
func (b *builder) aggregateAll() {
	for _, r := range b.model.Roles {
		if r.aggregate == nil {
			continue
		}
		for _, s := range b.selected(r, r.Object.Origin.Path) {
			s.Aggregated = true // also those that aggregate others themselves
		}
		sources := b.sources(r, r.Object.Origin.Path)
		for _, s := range sources {
			s.Aggregated = true
			if r.Assumed && !s.Assumed {
				s.AggregatesTo = append(s.AggregatesTo, r.Name)
			}
		}
		r.Rules = rulesOf(sources)
	}
}

// inEffect gives the role as seen from a file. Only a shipped role that
// aggregates differs by place: it has no place itself, so of each role that it
// takes in the variant nearest to who refers to it counts.
func (b *builder) inEffect(r *Role, from string) *Role {
	if r.aggregate == nil || r.Object.Origin.Path != "" || !b.varied() {
		return r
	}
	seen := *r
	seen.Rules = rulesOf(b.sources(r, from))
	return &seen
}

// varied tells whether any ClusterRole is defined more than once.
func (b *builder) varied() bool {
	for _, variants := range b.roles {
		if len(variants) > 1 && variants[0].Namespace == "" {
			return true
		}
	}
	return false
}

// sources are the ClusterRoles, none of them aggregated itself, whose rules end
// up in r: the controller runs until nothing changes, so selection is followed
// through aggregated roles. They are in order of name, as the controller's are.
func (b *builder) sources(r *Role, from string) []*Role {
	found := map[*Role]bool{}
	seen := map[*Role]bool{r: true}
	for todo := []*Role{r}; len(todo) > 0; todo = todo[1:] {
		for _, selected := range b.selected(todo[0], from) {
			switch {
			case seen[selected]:
			case selected.aggregate != nil:
				todo = append(todo, selected)
			default:
				found[selected] = true
			}
			seen[selected] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), compareRoles)
}

// selected are the ClusterRoles that r itself selects.
func (b *builder) selected(r *Role, from string) []*Role {
	var all []*Role
	for _, variants := range b.roles {
		for _, c := range nearest(from, variants, rolePath) {
			if c.Namespace == "" && c != r && slices.ContainsFunc(r.aggregate, func(s labels.Selector) bool { return s.Matches(c.labels) }) {
				all = append(all, c)
			}
		}
	}
	return all
}

// selectors reads an aggregation rule; never nil.
func (b *builder) selectors(o *source.Object, rule *rbacv1.AggregationRule) []labels.Selector {
	all := []labels.Selector{}
	for i := range rule.ClusterRoleSelectors {
		s, err := metav1.LabelSelectorAsSelector(&rule.ClusterRoleSelectors[i])
		if err != nil {
			b.problem(o.At("aggregationRule", "clusterRoleSelectors", i), true, fmt.Errorf("%s: %w", o, err))
			continue
		}
		all = append(all, s)
	}
	return all
}

func rulesOf(roles []*Role) []Rule {
	var all []Rule
	for _, r := range roles {
		all = append(all, r.Rules...)
	}
	return all
}
