package checks

var hp312 = Check{
	ID:       "HP312",
	Name:     "escalate-roles",
	Title:    "Writes roles with rights that it does not have",
	Severity: reaches(Critical, High, Medium, Medium),
	Can:      "can write any permission into roles",
	Asks: []Permissions{
		{can("escalate", rbacGroup, "clusterroles").clusterScoped(), can("create update patch", rbacGroup, "clusterroles").clusterScoped().onNamed()},
		{can("escalate", rbacGroup, "roles"), can("create update patch", rbacGroup, "roles").onNamed()},
	},
	Doc: Doc{
		Why:        "The API server lets nobody write a role that gives more than they have themselves, unless they have the verb `escalate` on it. With it, a subject adds `*` to a role that it is bound to and has everything.",
		Fix:        "Remove `escalate`. Who installs software that brings roles of its own needs the permissions of those roles instead; where that is too much, name the roles with `resourceNames`.",
		Quiet:      "Editing roles without `escalate` is no escalation: the API server answers *attempt to grant extra privileges*.",
		References: []string{refRBAC + "#restrictions-on-role-creation-or-update", refArticle},
		CIS:        []string{"5.1.8"},
		MITRE:      []string{"T1098.006"},
	},
}
