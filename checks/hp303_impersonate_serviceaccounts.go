package checks

var hp303 = Check{
	ID:       "HP303",
	Name:     "impersonate-serviceaccounts",
	Title:    "Acts as other service accounts",
	Severity: reaches(Critical, High, Medium, Medium),
	Can:      "can act as service accounts",
	Asks:     one(can("impersonate", core, "serviceaccounts")),
	explain:  strongestAccount,
	Doc: Doc{
		Why: "Service accounts are impersonated by `impersonate` on serviceaccounts, in one namespace or in all. The request is then judged by that account's permissions, without its token ever being seen.",
		Attack: `1. The attacker's account may impersonate service accounts of kube-system.
2. With ` + "`--as=system:serviceaccount:kube-system:clusterrole-aggregation-controller`" + ` the attacker has that controller's right to escalate roles,
3. writes a role that allows everything, and binds it to itself.`,
		Fix:        "Grant it in the one namespace that is meant, by a Role, and name the accounts with `resourceNames`.",
		Quiet:      "The shipped roles admin and edit have this permission; they are reported where somebody is bound to them, not by themselves.",
		References: []string{refArticle, refImperson},
		CIS:        []string{"5.1.8"},
		MITRE:      []string{"T1078", "T1134"},
	},
}
