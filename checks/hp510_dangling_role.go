package checks

import (
	"fmt"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp510 = Check{
	ID:       "HP510",
	Name:     "dangling-role",
	Title:    "Binds a role that is not there",
	Severity: map[Reach]Severity{NoReach: Medium},
	Run: func(p *Pass) error {
		for _, b := range p.Model.Bindings {
			if len(b.Roles) == 0 && !b.Assumed {
				p.report(dangling(b))
			}
		}
		return nil
	},
	Doc: Doc{
		Why:        "A binding may refer to a role that does not exist, and waits for it. Whoever can create a role of that name decides what the subjects of the binding may do; and the API server checks nobody's right to bind it then.",
		Fix:        "Remove the binding, or put the role next to it. If another repository holds the role, scan both together or ignore the finding with that reason.",
		Quiet:      "The roles that Kubernetes ships are known and need not be in the input.",
		References: []string{refPractices + "#periodic-review"},
		CIS:        []string{"5.1.1"},
		MITRE:      []string{"T1098.006"},
	},
}

func dangling(b *rbac.Binding) *Finding {
	place := rolePlace(b)
	return &Finding{
		Who: bindingTitle(b), Can: fmt.Sprintf("binds %s, which is neither in the input nor shipped with Kubernetes", roleRefTitle(b)),
		Binding: b, Namespace: b.Namespace, Primary: place, Chain: []Place{place},
	}
}
