package checks

import (
	"fmt"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp314 = Check{
	ID:     "HP314",
	Name:   "aggregate-into-builtin",
	Title:  "Adds a risky permission to a role that Kubernetes ships",
	Raised: map[Reach][]Severity{NoReach: {Critical, High, Medium, Low}},
	Run:    aggregatesIntoBuiltin,
	Doc: Doc{
		Why:        "A ClusterRole with a label such as `rbac.authorization.k8s.io/aggregate-to-edit: \"true\"` is merged into the shipped role edit. Everybody who is bound to edit, in whichever namespace, has the new permission from then on, and no binding shows it.",
		Fix:        "Take the label off and bind the role to those who need it, or leave the risky rule out of the aggregated role.",
		Quiet:      "Only what the shipped role does not already have is reported: adding one's own custom resources to admin, edit and view is what the labels are for.",
		References: []string{refRBAC + "#aggregated-clusterroles"},
		CIS:        []string{"5.1.3"},
		MITRE:      []string{"T1098.006"},
	},
}

// aggregatesIntoBuiltin reports, for each role that shipped roles take in, the
// worst that it adds to one of them. Shipped roles are meant for namespaces,
// so a row counts as it does there.
func aggregatesIntoBuiltin(p *Pass) error {
	for _, r := range p.Model.Roles {
		if r.Assumed || len(r.AggregatesTo) == 0 {
			continue
		}
		var worst *Finding
		var powers []rbac.Power
		for _, target := range r.AggregatesTo {
			f := p.added(r, target)
			if f == nil {
				continue
			}
			powers = append(powers, f.Powers...)
			if worst == nil || f.Severity > worst.Severity {
				worst = f
			}
		}
		if worst != nil {
			worst.Powers = powers
			p.report(worst)
		}
	}
	return nil
}

// added gives the worst row that a role adds to a shipped one, with the powers
// of all rows that it adds.
func (p *Pass) added(r *rbac.Role, target string) *Finding {
	var worst *Finding
	var powers []rbac.Power
	for _, risk := range p.risksOf(r, Namespace) {
		if p.shippedHas(target, risk.check) {
			continue
		}
		powers = append(powers, risk.powers...)
		if worst != nil && risk.severity <= worst.Severity {
			continue
		}
		worst = &Finding{
			Severity: risk.severity, Role: r, Rule: risk.rule, Primary: risk.place,
			Who: title(r), Can: fmt.Sprintf("lets everybody who is bound to '%s' %s", target, infinitive(risk.check)),
			Chain: []Place{risk.place},
			More:  []string{fmt.Sprintf("Its label aggregates it into the shipped ClusterRole '%s' (see %s).", target, risk.check.ID)},
		}
	}
	if worst != nil {
		worst.Powers = powers
	}
	return worst
}
