package checks

var hp205 = Check{
	ID:       "HP205",
	Name:     "ephemeral-containers",
	Title:    "Puts containers into running pods",
	Severity: reaches(High, High, Medium, Low),
	Can:      "can put containers into running pods",
	Asks:     one(can("update patch", core, "pods/ephemeralcontainers")),
	Doc: Doc{
		Why: "An ephemeral container runs in the pod of somebody else: in its network, with its volumes mounted as the attacker likes, and as privileged as pod security admission allows. " +
			"It is what `kubectl debug` uses, and as good as exec.",
		Fix:        "Grant it to people who debug, for a limited time; not to workloads.",
		Quiet:      "`get` of `pods/ephemeralcontainers` only reads.",
		References: []string{"https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/", refPractices},
		MITRE:      []string{"T1609", "T1610"},
	},
}
