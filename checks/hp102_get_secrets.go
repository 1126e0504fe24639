package checks

var hp102 = Check{
	ID:       "HP102",
	Name:     "get-secrets",
	Title:    "Reads any secret whose name can be guessed",
	Severity: reaches(High, Medium, Low, Low),
	Can:      "can get secrets",
	Asks:     one(can("get", core, "secrets")),
	Doc: Doc{
		Why: "Reading a secret needs its name, but names are no protection. Most are written down in public manifests and charts; " +
			"generated ones end in 5 characters out of 27, which makes 27^5 = 14,348,907 possibilities for a known prefix: hours of requests, not years.",
		Attack: `1. The attacker has a token that may get secrets, but not list them.
2. Known names come first: what the charts of the cluster's software create, image pull secrets, TLS secrets of ingresses.
3. For a service account NAME, older clusters keep its token in a secret NAME-token-xxxxx. The attacker tries the 14,348,907 endings with as many requests a second as the API server answers.
4. A hit is the token of a more powerful account, which never expires.`,
		Fix:        "Limit the rule to the secrets that are needed with `resourceNames`, or mount them into the pod, which needs no permission.",
		Quiet:      "A rule with `resourceNames` gives only what it names, and is low. A rule that may list secrets as well is reported by HP101 alone.",
		References: []string{refArticle, refPractices},
		CIS:        []string{"5.1.2"},
		MITRE:      []string{"T1552.007", "T1110"},
	},
}
