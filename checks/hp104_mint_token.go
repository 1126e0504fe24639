package checks

var hp104 = Check{
	ID:       "HP104",
	Name:     "mint-token",
	Title:    "Mints tokens of service accounts",
	Severity: reaches(Critical, High, Medium, Low),
	Can:      "can mint tokens of service accounts",
	Asks:     one(can("create", core, "serviceaccounts/token")),
	Doc: Doc{
		Why: "`create` on `serviceaccounts/token` is the TokenRequest API: it answers with a working token of the account. " +
			"In a namespace this is every account of the namespace; in all namespaces it includes the controllers of kube-system, and so cluster-admin in effect.",
		Fix:        "Name the accounts with `resourceNames`, which this permission honours, and grant it by a Role in their namespace.",
		Quiet:      "With `resourceNames` only the named accounts are in reach, and the finding is medium.",
		References: []string{"https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/", refPractices + "#token-request"},
		CIS:        []string{"5.1.13"},
		MITRE:      []string{"T1528"},
	},
}
