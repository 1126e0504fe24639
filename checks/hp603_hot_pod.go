package checks

import (
	"fmt"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp603 = Check{
	ID:     "HP603",
	Name:   "hot-pod",
	Title:  "Mounts a token with risky rights: a hot pod",
	Raised: map[Reach][]Severity{NoReach: {Critical, High, Medium, Low}},
	Late:   true,
	Run: func(p *Pass) error {
		for _, w := range p.Model.Workloads {
			for _, t := range w.Tokens {
				if risks := p.risksTo(w, t); len(risks) > 0 {
					p.report(hotPod(w, t, risks))
				}
			}
		}
		return nil
	},
	Doc: Doc{
		Why: "A hot pod is a pod that carries a privileged token. Every other finding needs somebody to misuse a permission; here the permission lies in a file of a container, and a hole in the application is enough to use it.",
		Attack: `1. The attacker gets code to run in a container, through a hole in the application or in one of its dependencies.
2. The token lies in ` + "`/var/run/secrets/kubernetes.io/serviceaccount/token`" + `, with the address of the API server in the environment.
3. The attacker sends requests as the pod's service account, and has every permission that this finding lists: lists secrets, creates a pod on each node, binds cluster-admin.`,
		Fix:        "Take the permissions away that the workload does not use, or take the token out with `automountServiceAccountToken: false`. If it needs both, keep it small, apart from what faces the network, and in a namespace of its own.",
		Quiet:      "A workload that mounts no token is not hot, whatever its account may do. A projected token for another audience does not open the API server.",
		References: []string{refArticle, refAccounts},
		CIS:        []string{"5.1.6"},
		MITRE:      []string{"T1528", "T1552.007"},
	},
}

// hotPod lists what the token of a workload gives, worst first.
func hotPod(w *rbac.Workload, t rbac.Token, risks []*Finding) *Finding {
	worst := risks[0]
	f := ofWorkload(w, t, "")
	f.Severity, f.Worst = worst.Severity, worst
	f.Can = strings.TrimSpace(fmt.Sprintf("carries the token of %s, which %s %s", t.Subject, worst.Can, worst.Where))
	f.Chain = append(f.Chain, worst.Chain...)
	if worst.Subject != t.Subject {
		f.More = append(f.More, fmt.Sprintf("It has that through %s.", worst.Subject))
	}
	var others []string
	for _, r := range risks {
		f.Powers = append(f.Powers, r.Powers...)
		if r.Can != worst.Can {
			others = append(others, fmt.Sprintf("%s (%s)", strings.TrimPrefix(r.Can, "can "), r.Check.ID))
		}
		for _, also := range r.Also {
			if also.Gives != "" {
				others = append(others, fmt.Sprintf("%s (%s)", also.Gives, r.Check.ID))
			}
		}
	}
	if len(others) > 0 {
		f.More = append(f.More, "It also has: "+summarize(others)+".")
	}
	switch {
	case w.Object.Kind == "DaemonSet":
		f.More = append(f.More, "A DaemonSet puts the token on every node.")
	case t.Mount != rbac.Automount:
		f.More = append(f.More, "The token is mounted by a volume, which automountServiceAccountToken does not stop.")
	}
	return f
}

// summarize lists distinct phrases, the first few of them.
func summarize(phrases []string) string {
	const most = 6
	var distinct []string
	seen := map[string]bool{}
	for _, s := range phrases {
		if !seen[s] {
			seen[s] = true
			distinct = append(distinct, s)
		}
	}
	list := strings.Join(distinct[:min(len(distinct), most)], "; ")
	if more := len(distinct) - most; more > 0 {
		list += fmt.Sprintf("; and %d more", more)
	}
	return list
}
