package checks

var hp313 = Check{
	ID:       "HP313",
	Name:     "write-bindings",
	Title:    "Spreads its own rights to others",
	Severity: reaches(Low, Low, None, None),
	Can:      "can give its own rights to others by writing bindings",
	Asks: one(
		can("create update patch", rbacGroup, "clusterrolebindings").clusterScoped(),
		can("create update patch", rbacGroup, "rolebindings"),
	),
	unless: mayBind,
	Doc: Doc{
		Why:        "Without `bind` this is no escalation: the API server refuses to bind a role that gives more than the writer has. The writer can still hand its own rights on, to accounts that outlive its own: a way to stay, not to rise.",
		Fix:        "Leave bindings to whoever deploys the cluster. If a controller must write them, give it `bind` on the very roles by `resourceNames` instead of all their permissions.",
		Quiet:      "With `bind` it is HP311, which is reported instead.",
		References: []string{refRBAC + "#restrictions-on-role-binding-creation-or-update"},
		CIS:        []string{"5.1.8"},
		MITRE:      []string{"T1098.006"},
	},
}

// mayBind tells whether the subject may bind roles by the same manifests: then
// HP311 speaks.
func mayBind(p *Pass, f *Finding) bool {
	for _, ask := range hp311.Asks {
		for _, answer := range p.answers(f.Subject, ask) {
			if answer.Binding.CountsFrom(f.Binding.Object.Origin.Path) {
				return true
			}
		}
	}
	return false
}
