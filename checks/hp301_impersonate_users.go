package checks

var hp301 = Check{
	ID:       "HP301",
	Name:     "impersonate-users",
	Title:    "Acts as other users",
	Severity: reaches(Critical, None, Medium, Medium),
	Can:      "can act as any user",
	Asks:     one(can("impersonate", core, "users").clusterScoped()),
	Doc: Doc{
		Why: "With `impersonate` on users a request may carry the header `Impersonate-User` and is then judged by that user's permissions: an administrator's, a node's, or a controller's.",
		Attack: `1. The attacker has the token of an account that may impersonate users. Listing secrets with it is refused: *secrets is forbidden*.
2. The same request with ` + "`--as=NAME`" + ` of an administrator, or as ` + "`system:kube-controller-manager`" + `, is answered.
3. In the audit log the request belongs to the impersonated user at first sight.`,
		Fix:        "Name the users with `resourceNames`. A front end that acts for its users should do so with names that carry a prefix of its own, through constrained impersonation where the cluster has it (Kubernetes 1.35).",
		Quiet:      "Users have no namespace, so a RoleBinding gives nothing here: the API server refuses, and Hotpod is silent.",
		References: []string{refArticle, refImperson},
		CIS:        []string{"5.1.8"},
		MITRE:      []string{"T1078", "T1134"},
	},
}
