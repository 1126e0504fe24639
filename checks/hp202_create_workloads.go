package checks

var hp202 = Check{
	ID:       "HP202",
	Name:     "create-workloads",
	Title:    "Creates workloads that run as any service account",
	Severity: reaches(Critical, High, None, Medium),
	Can:      "can create workloads",
	Asks:     one(workloads("create")...),
	explain:  strongestAccount,
	Doc: Doc{
		Why: "A Deployment, Job or any other workload is a pod at one remove: its controller creates the pod that the template asks for, with any service account of the namespace. " +
			"A DaemonSet puts it on every node; a CronJob keeps it coming back.",
		Fix:        "As for creating pods (HP201): a Role in a namespace whose accounts are all unprivileged, with pod security enforced.",
		Quiet:      "`resourceNames` never allow a create. Resources of the same name in other API groups are not workloads.",
		References: []string{refPractices + "#workload-creation"},
		CIS:        []string{"5.1.4"},
		MITRE:      []string{"T1610", "T1053.007"},
	},
}

// workloads are the permissions on all resources whose controllers make pods.
func workloads(verbs string) []Permission {
	return []Permission{
		can(verbs, apps, "deployments", "daemonsets", "statefulsets", "replicasets"),
		can(verbs, batch, "jobs", "cronjobs"),
		can(verbs, core, "replicationcontrollers"),
	}
}
