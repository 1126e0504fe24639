package checks

var hp203 = Check{
	ID:       "HP203",
	Name:     "modify-workloads",
	Title:    "Changes running workloads",
	Severity: reaches(High, High, Medium, Low),
	Can:      "can change workloads",
	Asks:     one(append(workloads("update patch"), can("update patch", core, "pods"))...),
	Doc: Doc{
		Why: "Who can update or patch a workload can replace its image or command, and with a template also its service account: the attacker's code then runs with the token and the secrets of a workload that is already trusted. " +
			"Of a running pod the image can be changed.",
		Fix:        "Name the workloads with `resourceNames`. For scaling, `deployments/scale` is enough; for restarts a small controller of one's own beats a broad patch.",
		Quiet:      "`deployments/scale`, `*/status` and `*/finalizers` cannot change what runs and are not reported.",
		References: []string{refPractices + "#workload-creation"},
		CIS:        []string{"5.1.4"},
		MITRE:      []string{"T1610", "T1525"},
	},
}
