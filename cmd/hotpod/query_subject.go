package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

func newSubject(o *queryOptions, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "subject [KIND[:[NS/]NAME]]",
		Short: "List what a subject can do, or all subjects with their worst finding",
		Long: `Subject lists each rule that a user, group or service account has, by which
binding, and through which of its groups. Without a name it lists the subjects
themselves, the worst first.`,
		Example: `  hotpod query subject
  hotpod query subject Group
  hotpod query subject ServiceAccount:shop/checkout`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args, subject, s) },
	}
}

func subject(args []string, q *asked) (answer, error) {
	var wanted rbac.Subject
	if len(args) > 0 {
		var err error
		if wanted, err = parseSubject(args[0]); err != nil {
			return answer{}, err
		}
	}
	if wanted.Name == "" {
		return q.subjects(wanted.Kind), nil
	}
	return q.subject(wanted), nil
}

// holder is a line of the list of subjects.
type holder struct {
	origin
	Subject  string `json:"subject"`
	Bindings int    `json:"bindings"`
	Worst    *alarm `json:"worst,omitempty"`

	subject rbac.Subject
}

func (h holder) cells(bool) []string {
	at := ""
	if h.Worst != nil {
		at = h.Worst.At
	}
	return []string{marked(h.Subject, h.Shipped), strconv.Itoa(h.Bindings), h.Worst.String(), at}
}

// subjects lists those that a binding names or the input defines.
func (q *asked) subjects(kind string) answer {
	rows := []holder{}
	for _, w := range q.worlds {
		for _, h := range w.holders() {
			if (kind == "" || h.subject.Kind == kind) && q.keepNamespace(h.subject.Namespace) {
				rows = append(rows, h)
			}
		}
	}
	rows = keep(q, rows)
	slices.SortStableFunc(rows, func(a, b holder) int {
		return cmp.Or(-cmp.Compare(a.Worst.severity(), b.Worst.severity()), cmp.Compare(order(a.Shipped), order(b.Shipped)), cmp.Compare(a.Subject, b.Subject))
	})
	return answer{data: rows, tables: []table{tabulate(q, "", []string{"SUBJECT", "BINDINGS", "WORST FINDING", "AT"}, rows)}}
}

// order puts what is the user's own before what is shipped.
func order(shipped bool) int {
	if shipped {
		return 1
	}
	return 0
}

// holders takes all definitions of a subject together.
func (j judged) holders() []holder {
	all := slices.Clone(j.Model.Subjects())
	for _, a := range j.Model.Accounts {
		all = append(all, a.Subject)
	}
	findings := worst(j, func(f *checks.Finding) string {
		if f.Subject.Kind == "" {
			return ""
		}
		return f.Subject.Key()
	})
	definitions := map[string][]rbac.Subject{}
	for _, s := range all {
		if key := s.Key(); !slices.Contains(definitions[key], s) {
			definitions[key] = append(definitions[key], s)
		}
	}
	var rows []holder
	for _, key := range slices.Sorted(maps.Keys(definitions)) {
		h := holder{origin: origin{World: j.dir}, Subject: key, Worst: findings[key], subject: definitions[key][0]}
		bindings := map[*rbac.Binding]bool{}
		h.Shipped = true
		for _, s := range definitions[key] {
			for _, g := range j.Model.Grants(s) {
				bindings[g.Binding] = true
				h.Shipped = h.Shipped && g.Binding.Assumed
			}
		}
		h.Bindings = len(bindings)
		h.Shipped = h.Shipped && h.Bindings > 0
		rows = append(rows, h)
	}
	return rows
}

// right is a line about one subject: a rule that it has.
type right struct {
	origin
	rights
	Namespace string `json:"namespace"`
	Through   string `json:"through,omitempty"` // the group that has it
	Binding   string `json:"binding"`
	BindingAt string `json:"bindingAt"`
	Role      string `json:"role"`
}

func (r right) cells(bool) []string {
	return append([]string{r.Namespace, marked(r.Binding, r.Shipped), r.Role, r.Through}, r.rights.cells()...)
}

func (q *asked) subject(wanted rbac.Subject) answer {
	rows := []right{}
	known := false
	for _, w := range q.worlds {
		all := []rbac.Subject{wanted}
		for _, s := range w.Model.Subjects() {
			if s.Key() == wanted.Key() {
				all, known = append(all, s), true
			}
		}
		seen := map[rbac.Grant]bool{}
		for _, s := range all {
			for _, g := range w.Model.AllGrants(s) {
				if !seen[g] && q.keepNamespace(g.Binding.Namespace) {
					seen[g] = true
					rows = append(rows, w.rights(g, wanted)...)
				}
			}
		}
	}
	rows = keep(q, rows)
	a := answer{data: rows, tables: []table{tabulate(q, "", []string{"NAMESPACE", "BINDING", "ROLE", "THROUGH", "VERBS", "RESOURCES", "NAMES", "RULE"}, rows)}}
	if !known {
		a.notes = append(a.notes, fmt.Sprintf("no binding names %s", wanted))
	}
	return a
}

// rights are the rules that a grant gives to a subject.
func (j judged) rights(g rbac.Grant, to rbac.Subject) []right {
	r := right{
		origin: origin{j.dir, g.Binding.Assumed}, Namespace: cmp.Or(g.Binding.Namespace, everywhere),
		Binding: g.Binding.Ref(), BindingAt: placeOf(g.Binding.Object, "subjects", g.SubjectIndex),
	}
	if g.Subject.Key() != to.Key() {
		r.Through = g.Subject.Key()
	}
	if g.Role == nil {
		r.Role = g.Binding.RoleRef.Kind + ":" + g.Binding.RoleRef.Name
		r.RuleAt = "not in the input"
		return []right{r}
	}
	r.Role = g.Role.Ref()
	var all []right
	for i := range g.Role.Rules {
		r.rights = rightsOf(&g.Role.Rules[i])
		all = append(all, r)
	}
	return all
}
