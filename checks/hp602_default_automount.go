package checks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hotpod-dev/hotpod/rbac"
)

var hp602 = Check{
	ID:       "HP602",
	Name:     "default-automount",
	Title:    "Leaves the default service account's token to every pod",
	Severity: map[Reach]Severity{NoReach: Low},
	Late:     true,
	Run: func(p *Pass) error {
		users := defaultUsers(p.Model)
		for _, s := range slices.SortedFunc(maps.Keys(users), func(a, b rbac.Subject) int {
			return slices.Compare([]string{a.Namespace, a.Variant}, []string{b.Namespace, b.Variant})
		}) {
			p.report(p.ofDefault(users[s]))
		}
		return nil
	},
	Doc: Doc{
		Why: "Each namespace has a service account `default`, and a pod that names none runs as it with its token mounted. One line on that account closes the door for all pods at once, also those to come.",
		Attack: `1. A pod is deployed without a thought about service accounts, and gets the token of default.
2. Later a tutorial's ` + "`kubectl create rolebinding … --serviceaccount=NAMESPACE:default`" + ` makes something work.
3. From then on whoever breaks into any pod of the namespace has that permission.`,
		Fix:        "Add a ServiceAccount named default with `automountServiceAccountToken: false` to the namespace's manifests, and name an account of its own in each workload that talks to the API server.",
		Quiet:      "Reported once a namespace, and only where a workload of the input uses the account by default.",
		References: []string{refArticle, refAccounts},
		CIS:        []string{"5.1.5", "5.1.6"},
		MITRE:      []string{"T1528"},
	},
}

// use is a workload that mounts the token of a namespace's default account.
type use struct {
	workload *rbac.Workload
	token    rbac.Token
}

// defaultUsers are the workloads that get a default account's token because
// neither they nor the account say a word about it.
func defaultUsers(m *rbac.Model) map[rbac.Subject][]use {
	users := map[rbac.Subject][]use{}
	for _, w := range m.Workloads {
		for _, t := range w.Tokens {
			if t.Mount == rbac.Automount && t.Subject.Name == "default" && w.Spec.Automount == nil {
				users[t.Subject] = append(users[t.Subject], use{w, t})
			}
		}
	}
	return users
}

// ofDefault places the finding at the account, or at the first workload that
// uses it where no file holds the account. The account can be told to keep its
// token to itself unless a workload needs it.
func (p *Pass) ofDefault(users []use) *Finding {
	first := users[0]
	f := ofWorkload(first.workload, first.token, fmt.Sprintf("leaves its token to every pod that names no account: %s of the input", count(len(users), "workload")))
	f.Who, f.Workload = first.token.Subject.String(), nil
	if account := first.token.Account; account != nil {
		f.Primary = f.Chain[len(f.Chain)-1]
		if !slices.ContainsFunc(users, func(u use) bool { return !p.needless(u.workload, u.token) }) {
			f.Fix = noTokenOf(account)
		}
	}
	for _, u := range users {
		f.Also = append(f.Also, Place{Object: u.workload.Object, Path: u.token.Path, Role: "workload", Title: workloadTitle(u.workload)})
	}
	f.Also = slices.DeleteFunc(f.Also, func(p Place) bool { return p.Object == f.Primary.Object })
	return f
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
