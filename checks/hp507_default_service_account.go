package checks

import "github.com/hotpod-dev/hotpod/rbac"

var hp507 = Check{
	ID:       "HP507",
	Name:     "default-service-account",
	Title:    "Grants something to a default service account",
	Severity: reaches(Medium, Medium, None, None),
	Raised:   map[Reach][]Severity{Cluster: {High}, Namespace: {High}},
	Late:     true,
	Run: func(p *Pass) error {
		p.grants(func(g rbac.Grant) {
			if g.Subject.Kind != "ServiceAccount" || g.Subject.Name != "default" {
				return
			}
			f := ofSubject(g, "has the rights of "+roleRefTitle(g.Binding))
			f.Reach = reachOf(g.Binding.Namespace, nil)
			f.More = []string{"Every pod of the namespace that names no account runs as it."}
			if worst := p.worstOf(g); worst != nil && worst.Severity >= Medium {
				f.Severity = High
				f.More = append(f.More, "It "+worst.Can+" (see "+worst.Check.ID+").")
			}
			p.report(f)
		})
		return nil
	},
	Doc: Doc{
		Why:        "A pod that names no service account runs as `default`, with its token mounted. What is granted to default is granted to every pod of the namespace that nobody thought about, now and later.",
		Fix:        "Make a service account for the workload that needs the permission, and bind that.",
		Quiet:      "Service accounts with other names are left to the other checks.",
		References: []string{refAccounts, refPractices},
		CIS:        []string{"5.1.5"},
		MITRE:      []string{"T1078.001"},
	},
}
