package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

func newPods(o *queryOptions, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "pods",
		Short: "List what runs pods, with the account, the token and the worst finding",
		Long: `Pods lists each pod and each object whose controller makes pods: the service
account, how the account's token gets into the containers, and the worst
finding. With -o wide or json also which secrets the containers read, by volume
or environment, and what the pod may do to its node.`,
		Example: "  hotpod query pods\n  hotpod query pods -n shop -o wide",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd, args, pods, s) },
	}
}

// runner is a line of pods: a workload and one token that it mounts, if any.
type runner struct {
	origin
	Workload   string   `json:"workload"`
	Account    string   `json:"account"`
	Mount      string   `json:"mount"` // automount, projected, secret or none
	Worst      *alarm   `json:"worst,omitempty"`
	At         string   `json:"at"`
	Secrets    []string `json:"secrets,omitempty"`
	Privileges []string `json:"privileges,omitempty"`
}

func (r runner) cells(wide bool) []string {
	cells := []string{r.Workload, r.Account, r.Mount, r.Worst.String(), r.At}
	if wide {
		cells = append(cells, strings.Join(r.Secrets, ","), strings.Join(r.Privileges, ","))
	}
	return cells
}

func pods(_ []string, q *asked) (answer, error) {
	rows := []runner{}
	for _, w := range q.worlds {
		findings := worst(w, func(f *checks.Finding) *rbac.Workload { return f.Workload })
		for _, p := range w.Model.Workloads {
			if q.keepNamespace(p.Namespace) {
				rows = append(rows, w.runners(p, findings[p])...)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b runner) int {
		return cmp.Or(-cmp.Compare(a.Worst.severity(), b.Worst.severity()), cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Account, b.Account))
	})
	columns := []string{"WORKLOAD", "ACCOUNT", "TOKEN", "WORST FINDING", "AT"}
	if q.wide {
		columns = append(columns, "SECRETS", "PRIVILEGES")
	}
	return answer{data: rows, tables: []table{tabulate(q, "", columns, rows)}}, nil
}

func nameOf(w *rbac.Workload) string { return w.Object.Kind + ":" + w.Namespace + "/" + w.Object.Name }

func (j judged) runners(w *rbac.Workload, f *alarm) []runner {
	spec := readPodSpec(w)
	r := runner{
		origin: origin{World: j.dir}, Workload: nameOf(w), Account: w.Namespace + "/" + w.Spec.AccountName(), Mount: "none",
		Worst: f, At: placeOf(w.Object, w.AccountPath()...), Secrets: spec.secrets(), Privileges: spec.privileges(),
	}
	if len(w.Tokens) == 0 {
		return []runner{r}
	}
	var all []runner
	for _, t := range w.Tokens {
		r.Account, r.Mount, r.At = t.Subject.Namespace+"/"+t.Subject.Name, string(t.Mount), placeOf(w.Object, t.Path...)
		all = append(all, r)
	}
	return all
}
