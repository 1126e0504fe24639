package checks

import (
	"slices"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp601 = Check{
	ID:       "HP601",
	Name:     "token-automount",
	Title:    "Mounts a token that it does not need",
	Severity: map[Reach]Severity{NoReach: Low},
	Late:     true,
	Run: func(p *Pass) error {
		for _, w := range p.Model.Workloads {
			automounted := slices.DeleteFunc(slices.Clone(w.Tokens), func(t rbac.Token) bool { return t.Mount != rbac.Automount })
			needed := slices.ContainsFunc(automounted, func(t rbac.Token) bool { return !p.needless(w, t) })
			if len(automounted) == 0 || needed { // where the account has several definitions, by any of them
				continue
			}
			t := automounted[0]
			f := ofWorkload(w, t, "mounts the token of "+t.Subject.String()+", which may do nothing that every login may not")
			f.Fix = noToken(w)
			p.report(f)
		}
		return nil
	},
	Doc: Doc{
		Why: "A token in a pod is a credential for whoever breaks into it: it opens the API server, whose discovery and vulnerabilities are then in reach, and it gains power whenever somebody binds the account. Most applications never talk to the API server.",
		Attack: `1. The attacker reads ` + "`/var/run/secrets/kubernetes.io/serviceaccount/token`" + ` in a container that was broken into: every container has it unless somebody says otherwise.
2. With the token the attacker is a logged-in user of the cluster, and may ask it what else it may do (` + "`kubectl auth can-i --list`" + `).
3. Today the answer is nothing; the day after a hurried RoleBinding for the default account it is everything in the namespace.`,
		Fix:        "Set `automountServiceAccountToken: false` in the pod spec, or on the service account for all its pods.",
		Quiet:      "An account with any permission of its own, or with a binding whose role is not in the input, is taken to need its token. So is one that the input does not define: its bindings may stand elsewhere.",
		References: []string{refArticle, refAccounts},
		CIS:        []string{"5.1.6"},
		MITRE:      []string{"T1528"},
	},
}

// needless tells whether a workload is given a token that opens nothing.
func (p *Pass) needless(w *rbac.Workload, t rbac.Token) bool {
	return known(t) && p.powerless(w, t)
}

// known tells whether the input speaks of the account at all. The account
// default exists in each namespace without being written down; one that seems
// to be meant for a namespace which is not named here may have any rights.
func known(t rbac.Token) bool {
	if t.Account == nil {
		return t.Subject.Name == "default"
	}
	return !t.Account.BoundElsewhere
}

// powerless tells whether a workload's account has no grants but those that
// everybody has. What all service accounts may do says nothing of the need of
// one, unless it is risky: then the pod is hot.
func (p *Pass) powerless(w *rbac.Workload, t rbac.Token) bool {
	for _, g := range p.Model.AllGrants(t.Subject) {
		everybody := g.Subject == group(rbac.Authenticated) || g.Subject == group(rbac.AllAccounts)
		if !everybody && !g.Binding.Assumed && g.Binding.CountsFor(w, t) {
			return false
		}
	}
	return len(p.risksTo(w, t)) == 0
}

// ofWorkload makes a finding about a token in a workload, placed where the
// workload asks for it.
func ofWorkload(w *rbac.Workload, t rbac.Token, can string) *Finding {
	f := &Finding{
		Who: workloadTitle(w), Can: can, Workload: w, Subject: t.Subject, Namespace: w.Namespace,
		Primary: Place{Object: w.Object, Path: t.Path, Role: "workload", Title: workloadTitle(w)},
	}
	f.Chain = []Place{f.Primary}
	if t.Account != nil {
		f.Chain = append(f.Chain, Place{Object: t.Account.Object, Path: []any{"metadata", "name"}, Role: "account", Title: t.Subject.String()})
	}
	return f
}

func workloadTitle(w *rbac.Workload) string {
	return w.Object.Kind + " '" + w.Namespace + "/" + w.Object.Name + "'"
}
