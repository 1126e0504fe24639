package checks

var hp204 = Check{
	ID:       "HP204",
	Name:     "exec-pods",
	Title:    "Runs commands in pods",
	Severity: reaches(Critical, High, Medium, Medium),
	Can:      "can run commands in pods",
	Asks: one(
		can("create", core, "pods/exec", "pods/attach"),
		can("get", core, "pods/exec", "pods/attach").before(35),
	),
	Doc: Doc{
		Why: "`pods/exec` and `pods/attach` open a shell in any pod of the scope: its token, its environment and its mounted secrets are one `cat` away, and nothing of it shows in the manifests.",
		Fix: "Leave exec to people, for a limited time, through a break-glass role. Workloads rarely need it; name the pods with `resourceNames` where they do.",
		Quiet: "Before Kubernetes 1.35 `get` was enough, since a WebSocket is opened by a GET; since then the API server asks for `create` too, and `get` alone is not reported " +
			"(`--kubernetes-version` tells Hotpod which one counts). `pods/*` is no wildcard in RBAC and grants nothing.",
		References: []string{refPractices, "https://kubernetes.io/docs/reference/access-authn-authz/authorization/"},
		MITRE:      []string{"T1609"},
	},
}
