package main

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

func newBinding(o *queryOptions, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "binding [[NS/]NAME]",
		Short: "List what a binding gives to whom, or all bindings with their worst finding",
		Long: `Binding lists the rules behind a binding and the subjects that get them. A name
without a namespace is that of a ClusterRoleBinding. Without a name it lists all
bindings, the worst first.`,
		Example: `  hotpod query binding
  hotpod query binding shop/checkout
  hotpod query binding cluster-admin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args, binding, s) },
	}
}

func binding(args []string, q *asked) (answer, error) {
	if len(args) == 0 {
		return q.bindings(), nil
	}
	namespace, name := parseRef(args[0])
	all := roleAnswer{Rules: []stated{}, Bindings: []bound{}}
	for _, w := range q.worlds {
		grants := w.grants()
		for _, b := range w.Model.Bindings {
			if b.Namespace != namespace || b.Name != name {
				continue
			}
			all.Bindings = append(all.Bindings, w.bound(b, grants[b])...)
			for _, r := range b.Roles {
				all.Rules = append(all.Rules, w.stated(r)...)
			}
		}
	}
	known := len(all.Bindings) > 0
	a := q.rolesAndBindings(all)
	if !known {
		a.notes = append(a.notes, "the input holds no such binding; a RoleBinding is named NAMESPACE/NAME")
	}
	return a, nil
}

// listedBinding is a line of the list of bindings.
type listedBinding struct {
	origin
	Binding  string `json:"binding"`
	Role     string `json:"role"`
	Subjects int    `json:"subjects"`
	Worst    *alarm `json:"worst,omitempty"`
	At       string `json:"at"`
}

func (b listedBinding) cells(bool) []string {
	return []string{b.Binding, b.Role, strconv.Itoa(b.Subjects), b.Worst.String(), b.At}
}

func (q *asked) bindings() answer {
	rows := []listedBinding{}
	for _, w := range q.worlds {
		grants := w.grants()
		findings := worst(w, func(f *checks.Finding) *rbac.Binding { return f.Binding })
		for _, b := range w.Model.Bindings {
			if !q.keepNamespace(b.Namespace) {
				continue
			}
			row := listedBinding{
				origin: origin{w.dir, b.Assumed}, Binding: b.Ref(), Role: w.bound(b, nil)[0].Role, Subjects: len(grants[b]),
				Worst: findings[b], At: placeOf(b.Object),
			}
			rows = append(rows, row)
		}
	}
	rows = keep(q, rows)
	slices.SortStableFunc(rows, func(a, b listedBinding) int {
		return cmp.Or(-cmp.Compare(a.Worst.severity(), b.Worst.severity()), cmp.Compare(order(a.Shipped), order(b.Shipped)), cmp.Compare(a.Binding, b.Binding))
	})
	return answer{data: rows, tables: []table{tabulate(q, "", []string{"BINDING", "ROLE", "SUBJECTS", "WORST FINDING", "AT"}, rows)}}
}
