package checks_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/checks"
)

// catalogue is the severity of each check's findings by reach: cluster,
// namespace, named, unbound, and without a reach; C H M L, and - for none.
// Several letters are what a finding may take, the table's first.
var catalogue = map[string]string{
	"HP101": "C H L L -",
	"HP102": "H M L L -",
	"HP103": "H H - L -",
	"HP104": "C H M L -",
	"HP201": "C H - M -",
	"HP202": "C H - M -",
	"HP203": "H H M L -",
	"HP204": "C H M M -",
	"HP205": "H H M L -",
	"HP301": "C - M M -",
	"HP302": "C - MC M -",
	"HP303": "C H M M -",
	"HP311": "C H MCHL M -",
	"HP312": "C H M M -",
	"HP313": "L L - - -",
	"HP314": "- - - - CHML",
	"HP401": "C - H M -",
	"HP403": "C - H M -",
	"HP501": "C H - H -",
	"HP502": "C H - M -",
	"HP503": "C H - M -",
	"HP504": "- - - - H",
	"HP505": "C H - - -",
	"HP506": "HC MC - - -",
	"HP507": "MH MH - - -",
	"HP510": "- - - - M",
	"HP601": "- - - - L",
	"HP602": "- - - - L",
	"HP603": "- - - - CHML",
}

// founding are the scenarios of the founding article, whose pages tell the attack.
var founding = []string{"HP101", "HP102", "HP201", "HP301", "HP302", "HP303", "HP311", "HP601", "HP602", "HP603"}

func TestSeverities(t *testing.T) {
	got := map[string]string{}
	for _, c := range checks.All() {
		var row []string
		for _, r := range checks.Reaches {
			cell := ""
			for _, v := range c.Variants() {
				if v.Reach == r {
					cell += strings.ToUpper(v.Severity.String()[:1])
				}
			}
			if cell == "" {
				cell = "-"
			}
			row = append(row, cell)
		}
		got[c.ID] = strings.Join(row, " ")
	}
	if diff := cmp.Diff(catalogue, got); diff != "" {
		t.Errorf("severities differ from the catalogue (-catalogue +got):\n%s", diff)
	}
}

func TestRegistry(t *testing.T) {
	all := checks.All()
	if !slices.IsSortedFunc(all, func(a, b *checks.Check) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("checks are not sorted by ID")
	}
	ids, names, rules := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range all {
		if ids[c.ID] || names[c.Name] {
			t.Errorf("%s %s: ID or name is taken", c.ID, c.Name)
		}
		ids[c.ID], names[c.Name] = true, true
		for _, v := range c.Variants() {
			if rules[c.RuleID(v)] {
				t.Errorf("%s: two variants of one rule ID", c.RuleID(v))
			}
			rules[c.RuleID(v)] = true
		}
		t.Run(c.ID, func(t *testing.T) { wellFormed(t, c) })
	}
}

func wellFormed(t *testing.T, c *checks.Check) {
	if !regexp.MustCompile(`^HP[1-9]\d\d$`).MatchString(c.ID) {
		t.Errorf("ID %q is not of the form HPnnn", c.ID)
	}
	if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(c.Name) {
		t.Errorf("name %q is not in lower-case-with-hyphens", c.Name)
	}
	if c.Title == "" || strings.HasSuffix(c.Title, ".") || strings.ContainsAny(c.Title, "`\n") {
		t.Errorf("title %q must be one plain line without a full stop", c.Title)
	}
	if len(c.Variants()) == 0 {
		t.Error("no severity")
	}
	if len(c.Asks) > 0 == (c.Run != nil) {
		t.Error("a check has either Asks or Run")
	}
	if len(c.Asks) > 0 && !strings.HasPrefix(c.Can, "can ") {
		t.Errorf("Can is %q, and must say what the subject can do", c.Can)
	}
	for _, pattern := range c.Subsumes {
		if !slices.ContainsFunc(checks.All(), func(o *checks.Check) bool { return o.Matches(pattern) }) {
			t.Errorf("subsumes %s, which matches no check", pattern)
		}
		if c.Matches(pattern) {
			t.Errorf("subsumes itself by %s", pattern)
		}
	}
	wellDocumented(t, c)
}

func wellDocumented(t *testing.T, c *checks.Check) {
	d := c.Doc
	for part, text := range map[string]string{"Why": d.Why, "Fix": d.Fix, "Quiet": d.Quiet} {
		if !strings.HasSuffix(strings.TrimSpace(text), ".") {
			t.Errorf("%s must be there, in whole sentences: %q", part, text)
		}
	}
	for _, text := range []string{d.Why, d.Attack, d.Fix, d.Quiet} {
		if strings.Count(text, "`")%2 != 0 {
			t.Errorf("odd number of backticks in %q", text)
		}
	}
	if slices.Contains(founding, c.ID) && !regexp.MustCompile(`(?s)^1\. .*\n2\. .*\n3\. `).MatchString(d.Attack) {
		t.Errorf("a scenario of the founding article tells the attack step by step, not %q", d.Attack)
	}
	if len(d.References) == 0 || len(d.MITRE) == 0 {
		t.Error("no references, or no ATT&CK technique")
	}
	for _, ref := range d.References {
		if !strings.HasPrefix(ref, "https://") {
			t.Errorf("reference %q is no https address", ref)
		}
	}
	for _, id := range d.CIS {
		if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(id) {
			t.Errorf("CIS %q", id)
		}
	}
	for _, id := range d.MITRE {
		if !regexp.MustCompile(`^T\d{4}(\.\d{3})?$`).MatchString(id) {
			t.Errorf("ATT&CK %q", id)
		}
	}
	// GitHub takes at most ten tags a rule; two are ours.
	if n := 2 + len(d.CIS) + len(d.MITRE); n > 10 {
		t.Errorf("%d tags", n)
	}
}

// TestEveryFileIsListed makes forgetting a check in All impossible.
func TestEveryFileIsListed(t *testing.T) {
	files, err := filepath.Glob("hp[0-9][0-9][0-9]_*.go")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, c := range checks.All() {
		want[fmt.Sprintf("%s_%s.go", strings.ToLower(c.ID), strings.ReplaceAll(c.Name, "-", "_"))] = true
	}
	got := map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			got[f] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files of checks (-All +folder):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	for _, id := range []string{"HP101", "hp101"} {
		if c, err := checks.Find(id); err != nil || c.ID != "HP101" {
			t.Errorf("Find(%q) = %v, %v", id, c, err)
		}
	}
	if _, err := checks.Find("HP999"); err == nil {
		t.Error("Find(HP999) found something")
	}
}

func TestSelect(t *testing.T) {
	all := []string{}
	for _, c := range checks.All() {
		all = append(all, c.ID)
	}
	without := func(prefix string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(id string) bool { return strings.HasPrefix(id, prefix) })
	}
	for _, tt := range []struct {
		patterns string
		want     []string
		err      bool
	}{
		{patterns: "", want: all},
		{patterns: "HP101", want: []string{"HP101"}},
		{patterns: "hp10*,-HP102", want: []string{"HP101", "HP103", "HP104"}},
		{patterns: "-HP1*", want: without("HP1")},
		{patterns: "-HP*,HP603", want: []string{"HP603"}},
		{patterns: "HP603,HP101", want: []string{"HP101", "HP603"}},
		{patterns: "HP999", err: true},
		{patterns: "HP101,HP10", err: true},
		{patterns: "-nothing*", err: true},
	} {
		var patterns []string
		if tt.patterns != "" {
			patterns = strings.Split(tt.patterns, ",")
		}
		got, err := checks.Select(checks.All(), patterns)
		if (err != nil) != tt.err {
			t.Errorf("%q: error %v", tt.patterns, err)
			continue
		}
		var ids []string
		for _, c := range got {
			ids = append(ids, c.ID)
		}
		if diff := cmp.Diff(tt.want, ids); diff != "" && !tt.err {
			t.Errorf("%q (-want +got):\n%s", tt.patterns, diff)
		}
	}
}

func TestSeverityText(t *testing.T) {
	for _, s := range []checks.Severity{checks.Low, checks.Medium, checks.High, checks.Critical} {
		text, _ := s.MarshalText()
		var back checks.Severity
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%s comes back as %v, %v", text, back, err)
		}
		if parsed, err := checks.ParseSeverity(string(text)); err != nil || parsed != s {
			t.Errorf("ParseSeverity(%s) = %v, %v", text, parsed, err)
		}
	}
	for _, bad := range []string{"", "none", "High", "never"} {
		if _, err := checks.ParseSeverity(bad); err == nil {
			t.Errorf("ParseSeverity(%q) took it", bad)
		}
	}
}
