package checks

var hp311 = Check{
	ID:       "HP311",
	Name:     "bind-roles",
	Title:    "Binds any role to itself",
	Severity: reaches(Critical, High, Medium, Medium),
	Raised:   map[Reach][]Severity{Named: {Critical, High, Low}},
	Can:      "can bind any role",
	Asks: []Permissions{
		{can("bind", rbacGroup, "clusterroles").clusterScoped(), can("create update patch", rbacGroup, "clusterrolebindings").clusterScoped()},
		{can("bind", rbacGroup, "clusterroles", "roles"), can("create update patch", rbacGroup, "rolebindings")},
	},
	raise: namedRoles,
	Doc: Doc{
		Why: "The API server lets nobody bind a role that gives more than they have themselves, unless they have the verb `bind` on that role. " +
			"With `bind` and the right to write bindings a subject can give itself cluster-admin.",
		Attack: `1. The attacker's account may ` + "`bind`" + ` clusterroles and create rolebindings.
2. It creates a binding of the shipped role admin, or cluster-admin, to itself. The API server sees ` + "`bind`" + ` and does not compare what the role gives with what the account has.
3. From then on the account reads secrets, creates pods and does whatever else the role allows.`,
		Fix:        "Name the roles that may be bound with `resourceNames` on the rule with `bind`, and grant it in the namespace where they are to be bound.",
		Quiet:      "Writing bindings without `bind` is no escalation: the API server answers *attempt to grant extra privileges* (see HP313). `bind` without a right to write bindings does nothing. With `resourceNames` the finding is as severe as what the named roles give.",
		References: []string{refArticle, refRBAC + "#restrictions-on-role-binding-creation-or-update"},
		CIS:        []string{"5.1.8"},
		MITRE:      []string{"T1098.006"},
	},
}

// namedRoles grades a right to bind named roles by the worst that they give.
func namedRoles(p *Pass, f *Finding) Severity {
	if len(f.Names) == 0 {
		return p.Check.Severity[f.Reach]
	}
	worst, known := None, true
	for _, name := range f.Names {
		roles := p.rolesNamed(name, f.Namespace)
		known = known && len(roles) > 0
		for _, r := range roles {
			worst = max(worst, p.roleSeverity(r, reachOf(f.Namespace, nil)))
		}
	}
	if !known {
		worst = max(worst, Medium)
	}
	return max(worst, Low)
}
