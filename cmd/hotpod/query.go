package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/report"
	"github.com/hotpod-dev/hotpod/source"
)

// queryOptions are the flags of all queries.
type queryOptions struct {
	paths      []string
	output     string
	own        bool
	namespace  string
	kubernetes string
	config     string
	target     target
}

// query is one question: what it makes of the worlds that it is asked about.
type query func(args []string, q *asked) (answer, error)

// asked is what a query is answered from.
type asked struct {
	worlds    []judged
	namespace string // the only one of interest, "" for all
	wide      bool   // tables have columns for everything
	own       bool   // without what Kubernetes ships
}

func newQuery(s streams) *cobra.Command {
	var o queryOptions
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Ask who can do what",
		Long: `Query answers from manifests, a snapshot or a cluster, with the place of each rule
or binding. What Kubernetes ships is part of the answer, and marked. Findings
are named whether or not they are ignored.

An answer from input that could not be read in full ends with exit code 3.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringArrayVar(&o.paths, "path", nil, "`PATH` of manifests or a snapshot, as for scan; repeatable (default .)")
	f.StringVarP(&o.output, "output", "o", "table", "`format`: table, wide or json")
	f.StringVarP(&o.namespace, "namespace", "n", "", "answer for this `namespace` only")
	f.BoolVar(&o.own, "own", false, "leave out what Kubernetes ships")
	f.StringVar(&o.kubernetes, "kubernetes-version", "", "`version` of the cluster, where it matters (default 1.37)")
	f.StringVar(&o.config, "config", ".hotpod.yaml", "configuration `file`; the default need not be there")
	f.StringVar(&o.target.cluster, "cluster", noCluster, "ask a cluster: none or `context`")
	o.target.contextFlags(f)
	cmd.AddCommand(newWhoCan(&o, s), newSubject(&o, s), newRole(&o, s), newBinding(&o, s), newPods(&o, s), newTokens(&o, s))
	return cmd
}

// run answers a query.
func (o *queryOptions) run(cmd *cobra.Command, args []string, ask query, s streams) error {
	if !slices.Contains([]string{"table", "wide", "json"}, o.output) {
		return fmt.Errorf("--output: format %q is not known: use table, wide or json", o.output)
	}
	q, problems, err := o.read(cmd.Context(), cmd.Flags().Changed("config"), s)
	if err != nil {
		return err
	}
	a, err := ask(args, q)
	if err != nil {
		return err
	}
	if o.output == "json" {
		err = a.json(s.out, problems)
	} else {
		err = a.text(s.out)
	}
	if err != nil {
		return &exitError{exitIncomplete, fmt.Errorf("writing the answer: %w", err)}
	}
	for _, n := range a.notes {
		s.note("%s", n)
	}
	return doubts(problems, s)
}

// doubts tells what the answer does not know.
func doubts(problems []source.Problem, s streams) error {
	incomplete := false
	for _, p := range problems {
		if p.Incomplete {
			incomplete = true
			s.note("%s: the answer is not complete: %v", p.Position, p.Err)
		}
	}
	if incomplete {
		return &exitError{code: exitIncomplete}
	}
	return nil
}

// read judges all worlds of the input, as scan does.
func (o *queryOptions) read(ctx context.Context, configGiven bool, s streams) (*asked, []source.Problem, error) {
	if err := o.target.check(noCluster, contextCluster); err != nil {
		return nil, nil, err
	}
	st, err := scanOptions{config: o.config, kubernetes: o.kubernetes}.settings(configGiven)
	if err != nil {
		return nil, nil, err
	}
	reading := source.Options{Skip: skip(st.config.Exclude), Limits: source.DefaultLimits()}
	in, err := o.target.load(ctx, o.paths, reading, s)
	if err != nil {
		return nil, nil, err
	}
	at, err := o.target.consult(ctx, &in, st.config.Namespace, s)
	if err != nil {
		return nil, nil, errors.Join(err, at.close())
	}
	if minor, wrong := parseMinor(at.version); wrong == nil && first(o.kubernetes, st.config.KubernetesVersion) == "" {
		st.minor = minor
	}
	q := &asked{worlds: st.judgeAll(in.Objects, st.config.Namespace), namespace: o.namespace, wide: o.output == "wide", own: o.own}
	problems := in.Problems
	for _, w := range q.worlds {
		problems = append(problems, w.problems...)
	}
	return q, problems, at.close()
}

// answer is what a query says.
type answer struct {
	tables []table
	notes  []string
	data   any // as JSON
}

// table is a part of an answer.
type table struct {
	title   string
	columns []string
	rows    [][]string
}

// row is one line of a table, and an object of JSON.
type row interface {
	cells(wide bool) []string
	from() origin
}

// origin is what all rows tell of what they are about.
type origin struct {
	World   string `json:"world,omitempty"` // where the input holds several
	Shipped bool   `json:"shipped"`         // Kubernetes ships it
}

func (o origin) from() origin { return o }

// keep leaves out the rows that nobody asked for.
func keep[R row](q *asked, rows []R) []R {
	return slices.DeleteFunc(rows, func(r R) bool { return q.own && r.from().Shipped })
}

// tabulate makes a table of rows. Without rows there is no table.
func tabulate[R row](q *asked, title string, columns []string, rows []R) table {
	t := table{title: title, columns: columns}
	for _, r := range rows {
		cells := r.cells(q.wide)
		if len(q.worlds) > 1 {
			cells = append([]string{r.from().World}, cells...)
		}
		t.rows = append(t.rows, cells)
	}
	if len(q.worlds) > 1 {
		t.columns = append([]string{"WORLD"}, columns...)
	}
	return t
}

func (a answer) text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range a.tables {
		if t.title != "" {
			fmt.Fprintf(w, "%s\n", report.Clean(t.title))
		}
		fmt.Fprintln(w, strings.Join(t.columns, "\t"))
		for _, cells := range t.rows {
			clean := make([]string, len(cells))
			for i, c := range cells {
				clean[i] = report.Clean(strings.ReplaceAll(first(c, "-"), "\t", " "))
			}
			fmt.Fprintln(w, strings.TrimRight(strings.Join(clean, "\t"), "\t"))
		}
		if t.title != "" {
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

func (a answer) json(out io.Writer, problems []source.Problem) error {
	type problem struct {
		Place      string `json:"place"`
		Text       string `json:"text"`
		Incomplete bool   `json:"incomplete"`
	}
	said := struct {
		Results  any       `json:"results"`
		Problems []problem `json:"problems"`
	}{a.data, []problem{}}
	for _, p := range problems {
		said.Problems = append(said.Problems, problem{p.Position.String(), p.Err.Error(), p.Incomplete})
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(said)
}

// shippedPlace is where what Kubernetes ships stands.
const shippedPlace = "shipped"

// placeOf names the place of an element of an object.
func placeOf(o *source.Object, path ...any) string {
	if o.Origin.Path == "" {
		return shippedPlace
	}
	return place(o.At(path...))
}

// marked adds to a name that Kubernetes ships the object.
func marked(name string, shipped bool) string {
	if shipped {
		return name + " (" + shippedPlace + ")"
	}
	return name
}

// everywhere is how an answer shows a grant of all namespaces.
const everywhere = "*"

// alarm is the worst of some findings.
type alarm struct {
	Rule     string          `json:"rule"`
	Severity checks.Severity `json:"severity"`
	At       string          `json:"at"`
	More     int             `json:"more,omitempty"`
}

func (f *alarm) String() string {
	switch {
	case f == nil:
		return ""
	case f.More > 0:
		return fmt.Sprintf("%s %s, %d more", f.Severity, f.Rule, f.More)
	}
	return fmt.Sprintf("%s %s", f.Severity, f.Rule)
}

func (f *alarm) severity() checks.Severity {
	if f == nil {
		return checks.None
	}
	return f.Severity
}

// worst finds the worst finding of each thing that findings belong to. The
// key of a finding that belongs to none is the zero value.
func worst[K comparable](j judged, key func(*checks.Finding) K) map[K]*alarm {
	var none K
	all := map[K]*alarm{}
	for _, f := range j.Findings {
		switch k := key(f); {
		case k == none:
		case all[k] == nil: // they come in order
			all[k] = &alarm{Rule: f.RuleID(), Severity: f.Severity, At: place(f.Position())}
		default:
			all[k].More++
		}
	}
	return all
}

// place writes a position without the column; objects of a live cluster have
// no lines.
func place(p source.Position) string {
	if p.Line == 0 {
		return p.Path
	}
	return fmt.Sprintf("%s:%d", p.Path, p.Line)
}

// keepNamespace tells whether an object of a namespace is of interest. What has
// no namespace concerns all.
func (q *asked) keepNamespace(namespace string) bool {
	return q.namespace == "" || namespace == "" || namespace == q.namespace
}

// parseRef reads [NS/]NAME.
func parseRef(arg string) (namespace, name string) {
	if ns, name, ok := strings.Cut(arg, "/"); ok {
		return ns, name
	}
	return "", arg
}

// parseSubject reads KIND:[NS/]NAME; without a name it means all of the kind.
func parseSubject(arg string) (rbac.Subject, error) {
	kind, rest, _ := strings.Cut(arg, ":")
	kinds := map[string]string{"user": "User", "group": "Group", "serviceaccount": "ServiceAccount", "sa": "ServiceAccount"}
	s := rbac.Subject{Kind: kinds[strings.ToLower(kind)]}
	if s.Kind == "" {
		return s, fmt.Errorf("%q is not a subject: write User:NAME, Group:NAME or ServiceAccount:NAMESPACE/NAME", arg)
	}
	s.Name = rest
	if s.Kind == "ServiceAccount" && rest != "" {
		s.Namespace, s.Name = parseRef(rest)
		if s.Namespace == "" || s.Name == "" {
			return s, fmt.Errorf("%q has no namespace: write ServiceAccount:NAMESPACE/NAME", arg)
		}
	}
	return s, nil
}
