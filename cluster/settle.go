package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// waitSettled waits until the controllers have done their part: aggregated
// roles have the rules of the roles that they select, and each of the
// namespaces has its default service account, without which the API server
// refuses pods. ctx must have a deadline.
func waitSettled(ctx context.Context, config *rest.Config, namespaces []string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	accounts := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"})
	for _, ns := range namespaces {
		err := eventually(ctx, func(ctx context.Context) error {
			_, err := accounts.Namespace(ns).Get(ctx, "default", metav1.GetOptions{})
			return err
		})
		if err != nil {
			return fmt.Errorf("waiting for the default service account of namespace '%s': %w", ns, err)
		}
	}
	err = eventually(ctx, func(ctx context.Context) error {
		roles, err := clusterRoles(ctx, client)
		if err != nil {
			return err
		}
		return aggregated(roles)
	})
	if err != nil {
		return fmt.Errorf("waiting for aggregated roles: %w", err)
	}
	return nil
}

// clusterRoles lists all cluster roles by name.
func clusterRoles(ctx context.Context, client dynamic.Interface) ([]rbacv1.ClusterRole, error) {
	list, err := client.Resource(rbacv1.SchemeGroupVersion.WithResource("clusterroles")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	roles := make([]rbacv1.ClusterRole, len(list.Items))
	for i, item := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &roles[i]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(roles, func(a, b rbacv1.ClusterRole) int { return cmp.Compare(a.Name, b.Name) })
	return roles, nil
}

// aggregated says which role the aggregation controller has yet to write. It
// works out the rules as syncClusterRole of kubernetes/pkg/controller/
// clusterroleaggregation does, from roles sorted by name. Where all agree
// there is nothing left to do but to change the order.
func aggregated(roles []rbacv1.ClusterRole) error {
	for _, to := range roles {
		if to.AggregationRule == nil {
			continue
		}
		want, ok := aggregate(to, roles)
		if ok && !sameRules(want, to.Rules) {
			return fmt.Errorf("ClusterRole '%s' has %d rules, not yet the %d of the roles that it selects", to.Name, len(to.Rules), len(want))
		}
	}
	return nil
}

// sameRules compares without regard to order. Roles that select each other
// hand their rules round in ever another order, and the controller may never
// come to rest. What they allow stays the same.
func sameRules(a, b []rbacv1.PolicyRule) bool {
	set := func(rules []rbacv1.PolicyRule) map[string]bool {
		all := map[string]bool{}
		for i := range rules {
			all[rules[i].String()] = true
		}
		return all
	}
	return maps.Equal(set(a), set(b))
}

// aggregate gives the rules of an aggregated role; not ok where a selector is
// not valid, which stops the controller too.
func aggregate(to rbacv1.ClusterRole, roles []rbacv1.ClusterRole) (rules []rbacv1.PolicyRule, ok bool) {
	for _, s := range to.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&s)
		if err != nil {
			return nil, false
		}
		for _, from := range roles {
			if from.Name == to.Name || !selector.Matches(labels.Set(from.Labels)) {
				continue
			}
			for _, rule := range from.Rules {
				known := func(r rbacv1.PolicyRule) bool { return equality.Semantic.DeepEqual(r, rule) }
				if !slices.ContainsFunc(rules, known) {
					rules = append(rules, rule)
				}
			}
		}
	}
	return rules, true
}
