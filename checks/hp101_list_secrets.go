package checks

var hp101 = Check{
	ID:       "HP101",
	Name:     "list-secrets",
	Title:    "Lists secrets",
	Severity: reaches(Critical, High, Low, Low),
	Can:      "can list secrets",
	Asks:     one(can("list watch", core, "secrets")),
	Subsumes: []string{"HP102"},
	Doc: Doc{
		Why: "The answer to a list or watch of secrets holds their contents, not just their names: passwords, keys, and the tokens of other service accounts. " +
			"Whoever can list secrets in a namespace can act as every account whose token is kept there; whoever can list them in all namespaces usually owns the cluster.",
		Attack: `1. The attacker gets hold of a pod, or of the token that is mounted in it.
2. With the token, one request returns every secret of the scope, values included: ` + "`GET /api/v1/namespaces/NAMESPACE/secrets`" + ` (or ` + "`/api/v1/secrets`" + ` for all namespaces).
3. Among the answers are credentials of other systems and, as secrets of type ` + "`kubernetes.io/service-account-token`" + `, tokens that never expire.
4. The attacker uses the most powerful of these tokens and starts again from there.`,
		Fix: "Name the secrets that are needed: `get` with `resourceNames`. A pod that needs a secret can mount it and needs no permission at all. " +
			"A controller that must watch secrets should do so in its own namespace, by a Role.",
		Quiet:      "Under `resourceNames` a list only works with a field selector for that name; this is the reach *named*, and low. Metadata alone cannot be granted: RBAC knows no such permission.",
		References: []string{refArticle, refPractices + "#listing-secrets"},
		CIS:        []string{"5.1.2"},
		MITRE:      []string{"T1552.007"},
	},
}
