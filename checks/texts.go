package checks

// References that several checks share.
const (
	refArticle   = "https://www.cyberark.com/resources/threat-research-blog/securing-kubernetes-clusters-by-eliminating-risky-permissions"
	refPractices = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"
	refRBAC      = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
	refAccounts  = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/"
	refImperson  = "https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/"
)

// The API groups of the catalogue.
const (
	core      = ""
	apps      = "apps"
	batch     = "batch"
	rbacGroup = "rbac.authorization.k8s.io"
	admission = "admissionregistration.k8s.io"
)

// reaches makes a severity table: cluster, namespace, named, unbound.
func reaches(c, n, m, u Severity) map[Reach]Severity {
	table := map[Reach]Severity{}
	for i, s := range []Severity{c, n, m, u} {
		if s != None {
			table[Reaches[i]] = s
		}
	}
	return table
}
