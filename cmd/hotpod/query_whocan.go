package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/rbac"
)

func newWhoCan(o *queryOptions, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "who-can VERB RESOURCE[/SUB][.GROUP] [NAME]",
		Short: "List who can do something, and by which rule",
		Long: `Who-can lists every subject that a binding allows an action, with the binding,
the role and the place of the rule that allows it. Without --namespace it
answers for each namespace; * is all of them. Without NAME it includes what is
allowed for some names only, and says which. A group's members can do what the
group can. A resource that is not well known needs its API group; a path such
as /metrics is asked about as it is.`,
		Example: `  hotpod query who-can list secrets -n shop
  hotpod query who-can create pods/exec --path deploy/
  hotpod query who-can update deployments.apps checkout -o json
  hotpod query who-can get /metrics --cluster context`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args, whoCan, s) },
	}
}

// permission is a line of who-can: one witness.
type permission struct {
	origin
	Subject   string   `json:"subject"`
	Namespace string   `json:"namespace"` // "*" is all
	Names     []string `json:"names,omitempty"`
	Binding   string   `json:"binding"`
	BindingAt string   `json:"bindingAt"`
	Role      string   `json:"role"`
	RuleAt    string   `json:"ruleAt"`
}

func (p permission) cells(bool) []string {
	at := p.RuleAt
	if at == shippedPlace && !p.Shipped {
		at = shippedPlace + ", bound at " + p.BindingAt
	}
	return []string{p.Subject, p.Namespace, strings.Join(p.Names, ","), marked(p.Binding, p.Shipped), p.Role, at}
}

func whoCan(args []string, q *asked) (answer, error) {
	action, err := parseAction(args)
	if err != nil {
		return answer{}, err
	}
	rows := []permission{}
	for _, w := range q.worlds {
		for _, s := range w.Model.Subjects() {
			for _, g := range w.Model.Grants(s) {
				rows = append(rows, q.allowed(w, g, action)...)
			}
		}
	}
	nobody := len(rows) == 0
	rows = keep(q, rows)
	slices.SortStableFunc(rows, func(a, b permission) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Binding, b.Binding))
	})
	a := answer{data: rows, tables: []table{tabulate(q, "", []string{"SUBJECT", "NAMESPACE", "NAMES", "BINDING", "ROLE", "RULE"}, rows)}}
	if nobody {
		a.notes = append(a.notes, "no binding allows that; members of the group system:masters may do everything")
	}
	return a, nil
}

// allowed lists the rules of a grant that allow an action. It asks in the
// namespace that the grant is for, so that the answer holds wherever that is.
func (q *asked) allowed(w judged, g rbac.Grant, a rbac.Action) []permission {
	a.Namespace = q.namespace
	if a.Group == "" && a.Resource == "namespaces" && a.Name != "" {
		a.Namespace = a.Name
	}
	if in := g.Binding.Namespace; in != "" {
		if g.Role == nil || !inNamespaces(a) || a.Namespace != "" && a.Namespace != in {
			return nil
		}
		a.Namespace = in
	} else if g.Role == nil {
		return nil
	}
	var all []permission
	for i := range g.Role.Rules {
		rule := &g.Role.Rules[i]
		names, ok := covers(rule, a)
		if !ok {
			continue
		}
		all = append(all, permission{
			origin: origin{w.dir, g.Binding.Assumed}, Subject: g.Subject.Key(), Namespace: cmp.Or(g.Binding.Namespace, everywhere), Names: names,
			Binding: g.Binding.Ref(), BindingAt: placeOf(g.Binding.Object, "subjects", g.SubjectIndex),
			Role: g.Role.Ref(), RuleAt: placeOf(rule.Object, "rules", rule.Index, "verbs", verbIndex(rule, a.Verb)),
		})
	}
	return all
}

// covers tells whether a rule allows an action, and for which names only where
// the action leaves the name open.
func covers(rule *rbac.Rule, a rbac.Action) (names []string, ok bool) {
	if rbac.Covers(&rule.PolicyRule, a) {
		return nil, true
	}
	// Neither a new object nor a whole collection has a name to be limited to.
	nameless := a.Verb == "deletecollection" || a.Verb == "create" && a.Subresource == ""
	if a.Name != "" || a.Path != "" || nameless || len(rule.ResourceNames) == 0 {
		return nil, false
	}
	a.Name = rule.ResourceNames[0]
	return rule.ResourceNames, rbac.Covers(&rule.PolicyRule, a)
}

// verbIndex is where a rule names a verb, or all of them.
func verbIndex(rule *rbac.Rule, verb string) int {
	if i := slices.Index(rule.Verbs, verb); i >= 0 {
		return i
	}
	return slices.Index(rule.Verbs, "*")
}

// rights is what one rule gives to whoever has it.
type rights struct {
	Verbs     []string `json:"verbs"`
	Resources []string `json:"resources"`
	Names     []string `json:"names,omitempty"`
	RuleAt    string   `json:"ruleAt"`
}

func (r rights) cells() []string {
	return []string{strings.Join(r.Verbs, ","), strings.Join(r.Resources, ","), strings.Join(r.Names, ","), r.RuleAt}
}

func rightsOf(rule *rbac.Rule) rights {
	r := rights{Verbs: rule.Verbs, Names: rule.ResourceNames, RuleAt: placeOf(rule.Object, "rules", rule.Index)}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			if group == "" {
				r.Resources = append(r.Resources, resource)
			} else {
				r.Resources = append(r.Resources, fmt.Sprintf("%s.%s", resource, group))
			}
		}
	}
	r.Resources = append(r.Resources, rule.NonResourceURLs...)
	return r
}
