package checks

var hp401 = Check{
	ID:       "HP401",
	Name:     "nodes-proxy",
	Title:    "Reaches the kubelets through the API server",
	Severity: reaches(Critical, None, High, Medium),
	Can:      "can run commands in every pod through the kubelet",
	Asks:     one(can("get create update patch delete", core, "nodes/proxy").clusterScoped()),
	Doc: Doc{
		Why: "`nodes/proxy` passes requests on to the kubelet, whose API runs commands in any container of the node. `get` alone is enough, since a WebSocket is opened by a GET. " +
			"Neither admission control nor the audit log of the API server sees what is run.",
		Fix:        "Since Kubernetes 1.33 the kubelet knows finer permissions: `nodes/metrics`, `nodes/stats`, `nodes/log`, `nodes/healthz`, `nodes/pods`, `nodes/configz`. Monitoring needs `nodes/metrics`, and no proxy.",
		Quiet:      "The finer subresources are not reported by this check. Nodes have no namespace, so a RoleBinding gives nothing.",
		References: []string{refPractices + "#access-to-proxy-subresource-of-nodes", "https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/"},
		CIS:        []string{"5.1.10"},
		MITRE:      []string{"T1609"},
	},
}
