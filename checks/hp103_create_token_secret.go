package checks

var hp103 = Check{
	ID:       "HP103",
	Name:     "create-token-secret",
	Title:    "Makes a secret that holds another account's token",
	Severity: reaches(High, High, None, Low),
	Can:      "can create a token secret for any service account and read it",
	Asks: []Permissions{
		{can("create", core, "secrets"), can("get list", core, "secrets")},
		{can("create", core, "secrets"), can("create", core, "pods")},
	},
	Doc: Doc{
		Why: "A Secret of type `kubernetes.io/service-account-token` with the annotation `kubernetes.io/service-account.name` is filled by the token controller with a token of that account. " +
			"The token never expires. Who can create such a Secret and then read it, directly or from a pod that mounts it, can act as any service account of the namespace.",
		Fix:        "Grant `create` on secrets only together with neither reading nor creating pods, or restrict the type with an admission policy. Controllers that write certificates can be given `update` with `resourceNames` on secrets made beforehand.",
		Quiet:      "Creating secrets alone is not reported: without a way to read what the controller put in, nothing is gained. `resourceNames` never allow a create.",
		References: []string{"https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/", refPractices},
		CIS:        []string{"5.1.2"},
		MITRE:      []string{"T1528", "T1098.006"},
	},
}
