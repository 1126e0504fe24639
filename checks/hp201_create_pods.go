package checks

var hp201 = Check{
	ID:       "HP201",
	Name:     "create-pods",
	Title:    "Creates pods that run as any service account",
	Severity: reaches(Critical, High, None, Medium),
	Can:      "can create pods",
	Asks:     one(can("create", core, "pods")),
	explain:  strongestAccount,
	Doc: Doc{
		Why: "Who creates a pod chooses its service account, and no permission on that account is asked. The pod gets the account's token, every secret and config map of the namespace that it cares to mount, " +
			"and, where pod security admission allows it, the node.",
		Attack: `1. The attacker may create pods in a namespace with a powerful service account: kube-system is full of them.
2. The attacker creates a pod with ` + "`serviceAccountName`" + ` set to that account and ` + "`automountServiceAccountToken: true`" + `.
3. The container reads the token from ` + "`/var/run/secrets/kubernetes.io/serviceaccount/token`" + ` and sends it away, or uses it at once, for example to list the secrets of all namespaces.
4. With ` + "`hostNetwork`, `hostPID` or a `hostPath`" + ` volume the same pod also reaches the node and the tokens of all other pods on it.`,
		Fix:        "Let a controller create pods, by a Role in a namespace that holds nothing but its pods and their unprivileged account. Enforce the *restricted* pod security standard there. Keep powerful accounts in namespaces where nobody else may create workloads.",
		Quiet:      "`resourceNames` never allow a create: the name is not known when the request is authorized. `pods` of other API groups, such as metrics.k8s.io, are not pods.",
		References: []string{refArticle, refPractices + "#workload-creation"},
		CIS:        []string{"5.1.4"},
		MITRE:      []string{"T1610", "T1078.004"},
	},
}
