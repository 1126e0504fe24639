package checks

var hp403 = Check{
	ID:       "HP403",
	Name:     "admission-webhooks",
	Title:    "Controls admission webhooks",
	Severity: reaches(Critical, None, High, Medium),
	Can:      "can change admission webhooks",
	Asks:     one(can("create update patch delete deletecollection", admission, "mutatingwebhookconfigurations", "validatingwebhookconfigurations").clusterScoped()),
	Doc: Doc{
		Why: "A webhook sees every object that it subscribes to, secrets included, and a mutating one changes them: a container slipped into each pod of the cluster. " +
			"Who can delete or loosen a webhook switches off the guard rails that it enforces.",
		Fix:        "Operators that renew the CA bundle of their own webhook need `update` or `patch` with `resourceNames` of that one configuration.",
		Quiet:      "Reading webhook configurations is not reported.",
		References: []string{refPractices + "#control-admission-webhooks"},
		CIS:        []string{"5.1.12"},
		MITRE:      []string{"T1562.001", "T1557"},
	},
}
