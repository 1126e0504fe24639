package checks

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/hotpod-dev/hotpod/rbac"
)

// covers tells whether rules give all that a role does, by the same comparison
// as the API server's guard against escalation.
func covers(owned []rbacv1.PolicyRule, role *rbac.Role) bool {
	all, _ := validation.Covers(owned, policyRules(role))
	return all
}

func policyRules(r *rbac.Role) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, rule := range r.Rules {
		rules = append(rules, rule.PolicyRule)
	}
	return rules
}
