// Package checks holds the numbered checks: each asks the model one question
// about risk and points at the element of a manifest that answers it.
//
// A check is a value. Most are data alone: the permissions that one subject
// must have. What decides whether a finding is shown is not here but in triage.
package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// Check is one numbered scenario. All its text feeds hotpod explain, the SARIF
// rules, docs/checks and hotpod checks.
type Check struct {
	ID   string // HP101
	Name string // list-secrets
	// Title says the scenario in one line, without a final full stop.
	Title string
	// Severity by reach. A check of objects that no grant reaches uses NoReach.
	Severity map[Reach]Severity
	// Raised are severities beside that of the table which a finding may take,
	// since it depends on what else the grant gives.
	Raised map[Reach][]Severity
	Doc    Doc
	// Subsumes are IDs, or prefixes with a star, of checks that say nothing new
	// about a grant that this check reports.
	Subsumes []string
	// OneRule limits Subsumes to what the same rule of the role grants.
	OneRule bool
	// Asks are the permissions to look for; any one of them is enough. Where it
	// is set, Run may be nil.
	Asks []Permissions
	// Can says what a subject with these permissions can do, such as "can list
	// secrets". It belongs to Asks.
	Can string
	// Run reports findings to the pass. The error says that the check could
	// not do its work, never that it found something.
	Run func(*Pass) error
	// raise gives the severity of a finding of Asks where it depends on what is
	// named or matched; nil is the table's.
	raise func(*Pass, *Finding) Severity
	// unless leaves out findings of Asks where another check says more.
	unless func(*Pass, *Finding) bool
	// explain adds to a finding when all others are known.
	explain func(*Pass, *Finding)
	// Late checks run when the findings of all others are known.
	Late bool
}

// Doc is a check's documentation.
type Doc struct {
	Why        string   // what an attacker gains; Markdown paragraphs
	Attack     string   // the attack told step by step, for the scenarios of the founding article
	Fix        string   // what to do instead
	Quiet      string   // what the check leaves alone on purpose
	References []string // addresses
	CIS        []string // CIS Kubernetes Benchmark, such as 5.1.2
	MITRE      []string // ATT&CK techniques, such as T1552.007
}

// Reach says how far a finding's grant goes.
type Reach string

// The reaches. A grant in kube-system counts as Cluster.
const (
	Cluster   Reach = "cluster"
	Namespace Reach = "namespace"
	Named     Reach = "named"   // only objects that resourceNames lists
	Unbound   Reach = "unbound" // a role that no binding uses
	NoReach   Reach = ""        // findings about objects, not grants
)

// Reaches lists all reaches, widest first.
var Reaches = []Reach{Cluster, Namespace, Named, Unbound, NoReach}

// Severity of a finding.
type Severity int

// The severities. None is that of nothing at all.
const (
	None Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = []string{"none", "low", "medium", "high", "critical"}

func (s Severity) String() string { return severityNames[s] }

// ParseSeverity reads a severity's name.
func ParseSeverity(name string) (Severity, error) {
	if i := slices.Index(severityNames, name); i > 0 {
		return Severity(i), nil
	}
	return None, fmt.Errorf("severity %q is not known: use %s", name, strings.Join(severityNames[1:], ", "))
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a severity's name; "none" too.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames, string(text))
	if i < 0 {
		return fmt.Errorf("severity %q is not known", text)
	}
	*s = Severity(i)
	return nil
}

// Variant is a reach and severity that findings of a check can have. Code
// scanning takes the severity from the rule, so each variant is a rule there.
type Variant struct {
	Reach    Reach
	Severity Severity
}

// Variants lists all variants of the check, in order.
func (c *Check) Variants() []Variant {
	var all []Variant
	for _, r := range Reaches {
		if s, ok := c.Severity[r]; ok {
			all = append(all, Variant{r, s})
		}
		for _, s := range c.Raised[r] {
			all = append(all, Variant{r, s})
		}
	}
	return all
}

// RuleID names a variant: HP101/cluster where the severity is the table's,
// HP302/named-critical where it is not, HP504 or HP603/high without a reach.
func (c *Check) RuleID(v Variant) string {
	var parts []string
	if v.Reach != NoReach {
		parts = append(parts, string(v.Reach))
	}
	if table, ok := c.Severity[v.Reach]; !ok || table != v.Severity {
		parts = append(parts, v.Severity.String())
	}
	if len(parts) == 0 {
		return c.ID
	}
	return c.ID + "/" + strings.Join(parts, "-")
}

// Matches tells whether the check is meant by an ID or a prefix with a star.
func (c *Check) Matches(pattern string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return len(c.ID) >= len(prefix) && strings.EqualFold(c.ID[:len(prefix)], prefix)
	}
	return strings.EqualFold(c.ID, pattern)
}

// Place is an element of an object, and what part it plays.
type Place struct {
	Object *source.Object
	Path   []any
	Role   string // such as "binding", for which the report has a phrase
	Gives  string // of a further rule: what it gives, where that differs
	// Title names the object with the namespace that it has in effect.
	Title string
}

// Position finds the place in the object's file.
func (p Place) Position() source.Position { return p.Object.At(p.Path...) }

// InFile tells whether a file holds the place; objects that Kubernetes ships
// have none.
func (p Place) InFile() bool { return p.Object != nil && p.Object.Origin.Path != "" }

// Finding is one check's answer about one subject, binding and role, or about
// one workload or other object.
type Finding struct {
	Check    *Check
	Reach    Reach
	Severity Severity

	// Who, Can and Where make the first sentence: ServiceAccount 'shop/web' can
	// list secrets in namespace 'shop'. More says what else is to know, in
	// whole sentences.
	Who, Can, Where string
	More            []string

	Subject   rbac.Subject // zero for a role that nothing binds, or an object
	Binding   *rbac.Binding
	Role      *rbac.Role
	Rule      *rbac.Rule
	Workload  *rbac.Workload
	Namespace string   // of the grant or object; "" is the whole cluster
	Names     []string // what resourceNames limit it to

	// Powers are what the finding is about: all that the subject, the pods of
	// the workload or whoever is bound to the role can do by it. Empty where
	// the finding is not about what somebody can do.
	Powers []rbac.Power

	// World is the folder of the cluster that the finding belongs to, where the
	// input holds several and the finding differs between them.
	World string

	// Primary is the element that grants. The chain leads there from the
	// workload or subject: workload, account, binding, rule.
	Primary Place
	Chain   []Place
	Also    []Place // further rules of the role that grant the same

	Fix *Fix // nil where the repair needs thought

	// Worst is the finding that says most about what the pods of a workload can
	// do; nil where the finding is about something else.
	Worst *Finding
	// Proof is what a cluster answered to the attack; nil where none was asked.
	Proof *Proof

	at source.Position // of Primary
}

// Position is the place of the finding.
func (f *Finding) Position() source.Position { return f.at }

// Variant is the finding's reach and severity.
func (f *Finding) Variant() Variant { return Variant{f.Reach, f.Severity} }

// RuleID is the SARIF rule of the finding.
func (f *Finding) RuleID() string { return f.Check.RuleID(f.Variant()) }

// Identity names the finding by its meaning, not its place: a moved or
// reformatted manifest changes nothing.
func (f *Finding) Identity() []string {
	id := []string{f.Check.ID, string(f.Reach)}
	if f.Subject != (rbac.Subject{}) {
		id = append(id, "subject="+f.Subject.Key())
	}
	if f.Binding != nil {
		id = append(id, "binding="+f.Binding.Ref())
	}
	if f.Role != nil {
		id = append(id, "role="+f.Role.Ref())
	}
	if f.Workload != nil {
		id = append(id, fmt.Sprintf("workload=%s:%s/%s", f.Workload.Object.Kind, f.Workload.Namespace, f.Workload.Object.Name))
	}
	if len(f.Names) > 0 {
		id = append(id, "names="+strings.Join(f.Names, ","))
	}
	if f.World != "" {
		id = append(id, "world="+f.World)
	}
	return id
}

// Compare orders findings: the worst first, then by check and place.
func Compare(a, b *Finding) int {
	pa, pb := a.at, b.at
	return cmp.Or(
		-cmp.Compare(a.Severity, b.Severity),
		cmp.Compare(a.Check.ID, b.Check.ID),
		cmp.Compare(pa.Path, pb.Path), cmp.Compare(pa.Line, pb.Line), cmp.Compare(pa.Column, pb.Column),
		cmp.Compare(a.Reach, b.Reach),
		slices.Compare(a.Identity(), b.Identity()),
		cmp.Compare(a.Subject.Variant, b.Subject.Variant),
		compareBindings(a, b),
	)
}

// compareBindings puts the binding that stands next to the place first.
func compareBindings(a, b *Finding) int {
	if a.Binding == nil || b.Binding == nil {
		return 0
	}
	pa, pb := a.Binding.Object.Origin, b.Binding.Object.Origin
	away := func(f *Finding, path string) int {
		if path == f.at.Path {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(away(a, pa.Path), away(b, pb.Path)), cmp.Compare(pa.Path, pb.Path), cmp.Compare(pa.Line, pb.Line))
}
