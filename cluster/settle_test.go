package cluster

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The controller never comes to rest with roles that select each other: each
// has the rules in an order that the other does not expect.
func TestSettledInAnyOrder(t *testing.T) {
	can := func(verbs ...string) (rules []rbacv1.PolicyRule) {
		for _, v := range verbs {
			rules = append(rules, rbacv1.PolicyRule{Verbs: []string{v}, APIGroups: []string{""}, Resources: []string{"pods"}})
		}
		return rules
	}
	role := func(name string, rules []rbacv1.PolicyRule, selects bool) rbacv1.ClusterRole {
		r := rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
		if selects {
			r.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{}}}
		}
		return r
	}
	roles := []rbacv1.ClusterRole{
		role("a", can("get", "list"), true),
		role("b", can("list", "get"), true),
		role("c", can("get", "list"), false),
	}
	if err := aggregated(roles); err != nil {
		t.Error(err)
	}
	roles[1].Rules = can("get")
	if aggregated(roles) == nil {
		t.Error("a role without a rule that it selects counts as settled")
	}
}
