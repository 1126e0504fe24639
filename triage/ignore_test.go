package triage

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// today is a day on which nothing is special.
var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const listsSecrets = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [list]}COMMENT
`

func parse(t *testing.T, text string) []*source.Object {
	t.Helper()
	objects, problems := source.Parse("x.yaml", []byte(text), source.DefaultLimits())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return objects
}

// decide scans a manifest and applies the ignores in it, and more.
func decide(t *testing.T, text string, day time.Time, more ...*Ignore) Outcome {
	t.Helper()
	objects := parse(t, text)
	model, _ := rbac.Build(objects, rbac.Options{})
	findings, failures := checks.Run(model, checks.All(), checks.Options{Minor: 37})
	if len(failures) > 0 {
		t.Fatal(failures)
	}
	ignores, problems := Comments(objects)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return Apply(findings, Options{Checks: checks.All(), FailOn: checks.High, Ignores: append(ignores, more...), Today: day})
}

func rulesOf(decisions []Decision) []string {
	var ids []string
	for _, d := range decisions {
		ids = append(ids, d.Finding.RuleID())
	}
	return ids
}

// An ignore holds to the end of its last day.
func TestExpiry(t *testing.T) {
	text := strings.Replace(listsSecrets, "COMMENT", " # hotpod:ignore HP101 -- soon gone [until=2027-01-31]", 1)
	for _, c := range []struct {
		day  string
		hold bool
	}{
		{"2026-11-22T00:00:00Z", true},
		{"2027-01-31T00:00:00Z", true},
		{"2027-01-31T23:59:59Z", true},
		{"2027-02-01T00:00:00Z", false},
		{"2030-01-01T00:00:00Z", false},
	} {
		day, err := time.Parse(time.RFC3339, c.day)
		if err != nil {
			t.Fatal(err)
		}
		out := decide(t, text, day)
		if held := len(out.Ignored) == 1 && len(out.Shown) == 0 && len(out.Notices) == 0; held != c.hold {
			t.Errorf("%s: shown %v, ignored %v, notices %v", c.day, rulesOf(out.Shown), rulesOf(out.Ignored), out.Notices)
		}
	}
}

// What a comment speaks of: the lines from and to, counted from 1; 0 where it
// is no ignore.
func TestScope(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		from, to int
	}{
		"behind an element":       {"kind: Role\nrules: [] # hotpod:ignore HP101 -- x\na: b\n", 2, 2},
		"above":                   {"kind: Role\n# hotpod:ignore HP101 -- x\nrules: []\n", 3, 3},
		"above, with more":        {"kind: Role\n# hotpod:ignore HP101 -- x\n\n# more\n  # words\nrules: []\n", 6, 6},
		"at the head":             {"# hotpod:ignore HP101 -- x\nkind: Role\nrules: []\n", 1, 3},
		"at the head, not first":  {"\n# words\n# hotpod:ignore HP101 -- x\nkind: Role\n", 1, 4},
		"at the head, no newline": {"# hotpod:ignore HP101 -- x\nkind: Role", 1, 2},
		"at the end":              {"kind: Role\nrules: []\n# hotpod:ignore HP101 -- x\n", 3, 3},
		"CRLF":                    {"kind: Role\r\n# hotpod:ignore HP101 -- x\r\nrules: []\r\n", 3, 3},
		"tight":                   {"kind: Role\nrules: [] #hotpod:ignore HP101 -- x\n", 2, 2},
		"wide":                    {"kind: Role\nrules: []\t#   hotpod:ignore   HP101   --   x   \n", 2, 2},
		"no comment":              {"kind: Role\nrules: []# hotpod:ignore HP101 -- x\n", 0, 0},
		"another word":            {"kind: Role # hotpod:ignored HP101 -- x\nrules: []\n", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			all, problems := commentsOf(strings.Split(strings.TrimSuffix(c.text, "\n"), "\n"), source.Position{Path: "x.yaml", Line: 1})
			if len(problems) > 0 || len(all) > 1 || (len(all) == 1) != (c.from > 0) {
				t.Fatalf("ignores %v, problems %v", all, problems)
			}
			if len(all) == 1 && (all[0].from != c.from || all[0].to != c.to) {
				t.Errorf("lines %d to %d, want %d to %d", all[0].from, all[0].to, c.from, c.to)
			}
		})
	}
}

// A comment at the head speaks of its document and not of the next.
func TestHeadEndsWithDocument(t *testing.T) {
	const next = `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: next}, rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]}`
	out := decide(t, "# hotpod:ignore HP101 -- fine\n"+strings.Replace(listsSecrets, "COMMENT", "", 1)+"---\n"+next+"\n", today)
	if len(out.Ignored) != 1 || len(out.Shown) != 1 || out.Shown[0].Finding.Role.Name != "next" {
		t.Errorf("shown %v, ignored %v", rulesOf(out.Shown), rulesOf(out.Ignored))
	}
}

func TestParseIgnore(t *testing.T) {
	for _, c := range []struct {
		text, rules, reason, until, err string
	}{
		{text: " HP101 -- a reason", rules: "HP101", reason: "a reason"},
		{text: " HP101,HP102 HP2*, hp3* -- a reason", rules: "HP101 HP102 HP2* hp3*", reason: "a reason"},
		{text: " HP101/namespace -- a -- reason", rules: "HP101/namespace", reason: "a -- reason"},
		{text: " HP101 -- a reason [until=2027-01-31]", rules: "HP101", reason: "a reason", until: "2027-01-31"},
		{text: " HP101 -- a reason until=2027-01-31 ", rules: "HP101", reason: "a reason", until: "2027-01-31"},
		{text: " HP101 -- until=2027-01-31", err: "gives no reason"},
		{text: " HP101 -- a reason until=2027-02-30", err: "not a date"},
		{text: " HP101 -- a reason [until=]", err: "not a date"},
		{text: " HP101 --", err: "gives no reason"},
		{text: " HP101", err: "gives no reason"},
		{text: "", err: "names no check"},
		{text: " -- a reason", err: "names no check"},
		{text: " HP999 -- a reason", err: `no check "HP999"`},
		{text: " -HP101 -- a reason", err: `no check "-HP101"`},
		{text: " everything -- a reason", err: `no check "everything"`},
	} {
		i, err := parseIgnore(c.text)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want one with %q", c.text, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		until := ""
		if !i.Until.IsZero() {
			until = i.Until.Format(time.DateOnly)
		}
		if strings.Join(i.Rules, " ") != c.rules || i.Reason != c.reason || until != c.until {
			t.Errorf("%q: rules %q, reason %q, until %q", c.text, i.Rules, i.Reason, until)
		}
	}
}

// Of two ignores that cover a finding both are of use.
func TestBothOfUse(t *testing.T) {
	text := strings.Replace(listsSecrets, "COMMENT", " # hotpod:ignore HP101 -- one", 1)
	out := decide(t, text, today, &Ignore{Rules: []string{"HP1*"}, Reason: "two", Role: "Role:shop/reader"})
	if len(out.Ignored) != 1 || len(out.Notices) > 0 {
		t.Errorf("ignored %v, notices %v", rulesOf(out.Ignored), out.Notices)
	}
}

func TestThreshold(t *testing.T) {
	objects := parse(t, strings.Replace(listsSecrets, "COMMENT", "", 1)+`---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: eve}]
`)
	model, _ := rbac.Build(objects, rbac.Options{})
	findings, _ := checks.Run(model, checks.All(), checks.Options{Minor: 37})
	fails := map[string]bool{}
	for _, failOn := range []checks.Severity{checks.None, checks.Low, checks.Medium, checks.High, checks.Critical} {
		out := Apply(slices.Clone(findings), Options{Checks: checks.All(), FailOn: failOn, Today: today})
		if len(out.Shown) != 1 || out.Shown[0].Finding.Severity != checks.High {
			t.Fatalf("shown %v", rulesOf(out.Shown))
		}
		fails[failOn.String()] = out.Shown[0].Fails
	}
	if diff := cmp.Diff(map[string]bool{"none": false, "low": true, "medium": true, "high": true, "critical": false}, fails); diff != "" {
		t.Error(diff)
	}
	if out := Apply(findings, Options{Checks: checks.All()[1:], FailOn: checks.Low, Today: today}); len(out.Shown) > 0 {
		t.Errorf("a check that was not chosen shows %v", rulesOf(out.Shown))
	}
}

func FuzzComments(f *testing.F) {
	f.Add(strings.Replace(listsSecrets, "COMMENT", " # hotpod:ignore HP101 -- x [until=2027-01-31]", 1))
	f.Add("# hotpod:ignore HP1*, HP203/cluster -- x\n" + listsSecrets)
	f.Add("kind: Role\napiVersion: v1\n# hotpod:ignore HP101 --\n\n\n#hotpod:ignore\n")
	f.Add("{\"kind\": \"Role\", \"apiVersion\": \"v1\"} # hotpod:ignore HP999 -- \x00\xff until=2027-99-99\r\n---\r\n# hotpod:ignore\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		objects, _ := source.Parse("x.yaml", []byte(text), source.Limits{FileBytes: 1 << 20, Documents: 100})
		ignores, problems := Comments(objects)
		last := strings.Count(text, "\n") + 1
		for _, i := range ignores {
			if i.Reason == "" || len(i.Rules) == 0 {
				t.Errorf("%+v ignores without a reason or a check", i)
			}
			if at := i.Position.Line; at < 1 || at > last || i.from < 1 || i.to < i.from || i.to > last {
				t.Errorf("at line %d for lines %d to %d of %d", at, i.from, i.to, last)
			}
		}
		for _, p := range problems {
			if p.Position.Line < 1 || p.Position.Line > last {
				t.Errorf("a problem at line %d of %d", p.Position.Line, last)
			}
		}
	})
}
