package checks

import "github.com/hotpod-dev/hotpod/rbac"

var hp504 = Check{
	ID:       "HP504",
	Name:     "system-masters",
	Title:    "Binds the group system:masters",
	Severity: map[Reach]Severity{NoReach: High},
	Run: func(p *Pass) error {
		p.grants(func(g rbac.Grant) {
			if g.Subject == group(rbac.Masters) {
				f := ofSubject(g, "is bound to "+roleRefTitle(g.Binding))
				f.Powers = nil // the group may do everything anyway: the finding is about the binding
				p.report(f)
			}
		})
		return nil
	},
	Doc: Doc{
		Why:        "Members of system:masters may do everything before RBAC is even asked, so a binding adds nothing to what they can do. It says that somebody issues certificates or tokens with this group, and that access cannot be taken away again: no binding removes it, and a client certificate cannot be revoked.",
		Fix:        "Bind a group of your own identity provider, and keep system:masters for emergencies.",
		Quiet:      "The shipped binding of cluster-admin is not reported.",
		References: []string{refPractices + "#least-privilege"},
		CIS:        []string{"5.1.7"},
		MITRE:      []string{"T1078"},
	},
}

// ofSubject makes a finding about who is bound, placed at the subject.
func ofSubject(g rbac.Grant, can string) *Finding {
	places := subjectPlaces(g)
	var all []rbac.Power
	if g.Role != nil {
		for i := range g.Role.Rules {
			all = append(all, wholeRule(g, &g.Role.Rules[i])...)
		}
	}
	return &Finding{
		Who: g.Subject.String(), Can: can, Where: where(g.Binding.Namespace),
		Subject: g.Subject, Binding: g.Binding, Role: g.Role, Namespace: g.Binding.Namespace,
		Primary: places[0], Chain: places, Powers: all,
	}
}

// roleRefTitle names the role that a binding refers to.
func roleRefTitle(b *rbac.Binding) string {
	if b.RoleRef.Kind == "Role" {
		return "Role '" + b.Namespace + "/" + b.RoleRef.Name + "'"
	}
	return b.RoleRef.Kind + " '" + b.RoleRef.Name + "'"
}
