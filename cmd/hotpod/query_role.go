package main

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

func newRole(o *queryOptions, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "role [[NS/]NAME]",
		Short: "List a role's rules and who is bound to it, or all roles with their worst finding",
		Long: `Role lists the rules that a role has in effect, where each is stated, and the
bindings to it with their subjects. A name without a namespace is that of a
ClusterRole. Without a name it lists all roles, the worst first.`,
		Example: `  hotpod query role
  hotpod query role shop/checkout
  hotpod query role cluster-admin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args, role, s) },
	}
}

func role(args []string, q *asked) (answer, error) {
	if len(args) == 0 {
		return q.roles(), nil
	}
	return q.role(parseRef(args[0])), nil
}

// listedRole is a line of the list of roles.
type listedRole struct {
	origin
	Role     string `json:"role"`
	Rules    int    `json:"rules"`
	Bindings int    `json:"bindings"`
	Worst    *alarm `json:"worst,omitempty"`
	At       string `json:"at"`
}

func (r listedRole) cells(bool) []string {
	return []string{r.Role, strconv.Itoa(r.Rules), strconv.Itoa(r.Bindings), r.Worst.String(), r.At}
}

func (q *asked) roles() answer {
	rows := []listedRole{}
	for _, w := range q.worlds {
		count := map[*rbac.Role]int{}
		for _, b := range w.Model.Bindings {
			for _, r := range b.Roles {
				count[r]++
			}
		}
		findings := worst(w, func(f *checks.Finding) *rbac.Role { return f.Role })
		for _, r := range w.Model.Roles {
			if q.keepNamespace(r.Namespace) {
				rows = append(rows, listedRole{
					origin: origin{w.dir, r.Assumed}, Role: r.Ref(), Rules: len(r.Rules), Bindings: count[r],
					Worst: findings[r], At: placeOf(r.Object),
				})
			}
		}
	}
	rows = keep(q, rows)
	slices.SortStableFunc(rows, func(a, b listedRole) int {
		return cmp.Or(-cmp.Compare(a.Worst.severity(), b.Worst.severity()), cmp.Compare(order(a.Shipped), order(b.Shipped)), cmp.Compare(a.Role, b.Role))
	})
	return answer{data: rows, tables: []table{tabulate(q, "", []string{"ROLE", "RULES", "BINDINGS", "WORST FINDING", "AT"}, rows)}}
}

// stated is a rule of a role.
type stated struct {
	origin
	Role string `json:"role"`
	rights
}

func (s stated) cells(bool) []string { return append([]string{s.Role}, s.rights.cells()...) }

// bound is a subject that a binding binds to a role.
type bound struct {
	origin
	Binding   string `json:"binding"`
	Namespace string `json:"namespace"`
	Role      string `json:"role"`
	Subject   string `json:"subject"`
	At        string `json:"at"`
}

func (b bound) cells(bool) []string {
	return []string{marked(b.Binding, b.Shipped), b.Namespace, b.Role, b.Subject, b.At}
}

// roleAnswer is the answer about roles and bindings as JSON.
type roleAnswer struct {
	Rules    []stated `json:"rules"`
	Bindings []bound  `json:"bindings"`
}

func (q *asked) role(namespace, name string) answer {
	all := roleAnswer{Rules: []stated{}, Bindings: []bound{}}
	known := false
	for _, w := range q.worlds {
		for _, r := range w.Model.Roles {
			if r.Namespace == namespace && r.Name == name {
				known = true
				all.Rules = append(all.Rules, w.stated(r)...)
			}
		}
		grants := w.grants()
		for _, b := range w.Model.Bindings {
			in := ""
			if b.RoleRef.Kind == "Role" {
				in = b.Namespace
			}
			if b.RoleRef.Name == name && in == namespace && q.keepNamespace(b.Namespace) {
				all.Bindings = append(all.Bindings, w.bound(b, grants[b])...)
			}
		}
	}
	a := q.rolesAndBindings(all)
	if !known {
		a.notes = append(a.notes, "the input holds no such role; a Role is named NAMESPACE/NAME")
	}
	return a
}

func (q *asked) rolesAndBindings(all roleAnswer) answer {
	all.Rules, all.Bindings = keep(q, all.Rules), keep(q, all.Bindings)
	return answer{data: all, tables: []table{
		tabulate(q, "Rules", []string{"ROLE", "VERBS", "RESOURCES", "NAMES", "RULE"}, all.Rules),
		tabulate(q, "Bindings", []string{"BINDING", "NAMESPACE", "ROLE", "SUBJECT", "AT"}, all.Bindings),
	}}
}

func (j judged) stated(r *rbac.Role) []stated {
	var all []stated
	for i := range r.Rules {
		all = append(all, stated{origin{j.dir, r.Assumed}, marked(r.Ref(), r.Assumed), rightsOf(&r.Rules[i])})
	}
	return all
}

// grants are what each binding gives to a subject, one for each subject.
func (j judged) grants() map[*rbac.Binding][]rbac.Grant {
	all := map[*rbac.Binding][]rbac.Grant{}
	for _, s := range j.Model.Subjects() {
		for _, g := range j.Model.Grants(s) {
			if !slices.ContainsFunc(all[g.Binding], func(have rbac.Grant) bool { return have.SubjectIndex == g.SubjectIndex }) {
				all[g.Binding] = append(all[g.Binding], g)
			}
		}
	}
	return all
}

// bound lists the subjects of a binding; one that has none is listed without.
func (j judged) bound(b *rbac.Binding, grants []rbac.Grant) []bound {
	row := bound{
		origin: origin{j.dir, b.Assumed}, Binding: b.Ref(), Namespace: cmp.Or(b.Namespace, everywhere),
		Role: b.RoleRef.Kind + ":" + b.RoleRef.Name, At: placeOf(b.Object),
	}
	if b.RoleRef.Kind == "Role" {
		row.Role = "Role:" + b.Namespace + "/" + b.RoleRef.Name
	}
	if len(grants) == 0 {
		return []bound{row}
	}
	var all []bound
	for _, g := range grants {
		row.Subject, row.At = g.Subject.Key(), placeOf(b.Object, "subjects", g.SubjectIndex)
		all = append(all, row)
	}
	return all
}
