package checks

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp505 = Check{
	ID:       "HP505",
	Name:     "anonymous",
	Title:    "Grants something to everybody without a login",
	Severity: reaches(Critical, High, None, None),
	Run: func(p *Pass) error {
		anonymous := rbac.Subject{Kind: "User", Name: rbac.Anonymous}
		p.grants(func(g rbac.Grant) {
			if (g.Subject == anonymous || g.Subject == group(rbac.Unauthenticated)) && !p.shippedTo(g, group(rbac.Unauthenticated)) && !clusterInfo(g) {
				f := ofSubject(g, "has the rights of "+roleRefTitle(g.Binding))
				f.Reach = reachOf(g.Binding.Namespace, nil)
				f.More = []string{"Every request without credentials is of this subject."}
				p.report(f)
			}
		})
		return nil
	},
	Doc: Doc{
		Why:        "system:anonymous and its group system:unauthenticated are everybody who reaches the API server over the network without credentials. Whatever they are bound to is public.",
		Fix:        "Remove the subject. Health checks of load balancers need only `/livez` and `/readyz`, which Kubernetes grants already.",
		Quiet:      "What Kubernetes itself grants (system:public-info-viewer) is not reported, under any name, and neither is the cluster-info that kubeadm publishes in kube-public.",
		References: []string{"https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests", refPractices},
		CIS:        []string{"5.1.1"},
		MITRE:      []string{"T1078.001"},
	},
}

// clusterInfo tells whether a grant gives no more than what kubeadm publishes
// for nodes that want to join.
func clusterInfo(g rbac.Grant) bool {
	published := rbacv1.PolicyRule{
		Verbs: []string{"get"}, APIGroups: []string{core}, Resources: []string{"configmaps"}, ResourceNames: []string{"cluster-info"},
	}
	if g.Role == nil || g.Binding.Namespace != "kube-public" {
		return false
	}
	return covers([]rbacv1.PolicyRule{published}, g.Role)
}
