package checks

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp506 = Check{
	ID:       "HP506",
	Name:     "authenticated",
	Title:    "Grants something to everybody who has a login or is a service account",
	Severity: reaches(High, Medium, None, None),
	Raised:   map[Reach][]Severity{Cluster: {Critical}, Namespace: {Critical}},
	Late:     true,
	Run: func(p *Pass) error {
		p.grants(func(g rbac.Grant) {
			if !broadGroup(g.Subject) || p.shippedTo(g, group(rbac.Authenticated)) {
				return
			}
			f := ofSubject(g, "has the rights of "+roleRefTitle(g.Binding))
			f.Reach = reachOf(g.Binding.Namespace, nil)
			if worst := p.worstOf(g); worst != nil && worst.Severity == Critical {
				f.Severity = Critical
				f.More = []string{"It " + worst.Can + " (see " + worst.Check.ID + ")."}
			}
			p.report(f)
		})
		return nil
	},
	Doc: Doc{
		Why:        "system:authenticated is everybody with any valid credential, system:serviceaccounts every pod with a token, system:serviceaccounts:NAMESPACE every pod of a namespace. On some managed services a login of the whole provider counts as authenticated.",
		Fix:        "Bind the accounts that need it, by name.",
		Quiet:      "What Kubernetes itself grants (system:basic-user, system:discovery, system:public-info-viewer) is not reported, under any name.",
		References: []string{refPractices, refRBAC + "#default-roles-and-role-bindings"},
		CIS:        []string{"5.1.1"},
		MITRE:      []string{"T1078.001"},
	},
}

// broadGroup tells whether a subject is a group that the API server itself
// puts every user or service account in.
func broadGroup(s rbac.Subject) bool {
	return s.Kind == "Group" && (s.Name == rbac.Authenticated || s.Name == rbac.AllAccounts || strings.HasPrefix(s.Name, rbac.AllAccounts+":"))
}

// worstOf is the worst finding about what one grant gives.
func (p *Pass) worstOf(g rbac.Grant) *Finding {
	for _, f := range p.risks[g.Subject] { // in order of severity
		if f.Binding == g.Binding && f.Check.ID < "HP504" {
			return f
		}
	}
	return nil
}

// shippedTo tells whether a grant gives no more than what Kubernetes grants to
// a group anyway.
func (p *Pass) shippedTo(g rbac.Grant, to rbac.Subject) bool {
	if g.Role == nil {
		return false
	}
	var owned []rbacv1.PolicyRule
	for _, own := range p.Model.Grants(to) {
		if !own.Binding.Assumed || own.Role == nil {
			continue
		}
		for _, rule := range own.Role.Rules {
			if rule.Assumed {
				owned = append(owned, rule.PolicyRule)
			}
		}
	}
	return covers(owned, g.Role)
}
