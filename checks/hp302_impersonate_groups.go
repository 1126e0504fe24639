package checks

import (
	"slices"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp302 = Check{
	ID:       "HP302",
	Name:     "impersonate-groups",
	Title:    "Acts as a member of other groups",
	Severity: reaches(Critical, None, Medium, Medium),
	Raised:   map[Reach][]Severity{Named: {Critical}},
	Can:      "can act as a member of any group",
	Asks: []Permissions{
		{can("impersonate", core, "groups").clusterScoped(), can("impersonate", core, "users").clusterScoped()},
		{can("impersonate", core, "groups").clusterScoped(), can("impersonate", core, "serviceaccounts")},
	},
	raise: func(p *Pass, f *Finding) Severity {
		if slices.Contains(f.Names, rbac.Masters) {
			f.More = append(f.More, "The API server lets system:masters do everything, whatever RBAC says.")
			return Critical
		}
		return p.Check.Severity[f.Reach]
	},
	Doc: Doc{
		Why: "A request with the header `Impersonate-Group: system:masters` passes every authorizer: the API server lets that group do everything without asking RBAC. One header away from owning the cluster.",
		Attack: `1. The attacker's account may impersonate groups, and users or service accounts: the API server wants a user's name along with a group.
2. Listing secrets as oneself is refused: *secrets is forbidden*.
3. The same request with ` + "`--as=null --as-group=system:masters`" + ` is answered, and so is every other.`,
		Fix:        "Name the groups with `resourceNames`, and never system:masters.",
		Quiet:      "Groups alone, without a user or a service account to go with them, cannot be impersonated. Groups have no namespace, so a RoleBinding gives nothing.",
		References: []string{refArticle, refImperson},
		CIS:        []string{"5.1.8", "5.1.7"},
		MITRE:      []string{"T1078", "T1134"},
	},
}
