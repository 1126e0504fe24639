package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/report"
)

// The SARIF of each folder of fixtures, and of all of them as one world.
func TestSARIFOfFixtures(t *testing.T) {
	schema := sarifSchema(t)
	fsys := os.DirFS(fixtures)
	for _, folder := range append(fixtureFolders(t), ".") {
		t.Run(folder, func(t *testing.T) {
			r := scan(t, fsys, folder)
			text := render(t, report.SARIF, r)
			validate(t, schema, text)
			log := readSARIF(t, text)
			log.check(t)
			log.checkPlaces(t, fsys)
			if got := len(log.Runs[0].Results); got != len(r.Results) {
				t.Errorf("%d results, the report has %d", got, len(r.Results))
			}
		})
	}
}

func TestSARIFOfOddInput(t *testing.T) {
	fsys := os.DirFS("testdata/input")
	r := scan(t, fsys, ".")
	r.ShowIgnored, r.Category = true, "rbac"
	text := render(t, report.SARIF, r)
	validate(t, sarifSchema(t), text)
	log := readSARIF(t, text)
	log.check(t)
	log.checkPlaces(t, fsys)
	run := log.Runs[0]
	if run.AutomationDetails.ID != "rbac/" {
		t.Errorf("category is %q", run.AutomationDetails.ID)
	}
	suppressed := 0
	for _, res := range run.Results {
		suppressed += len(res.Suppressions)
	}
	if suppressed != len(r.Ignored) || suppressed == 0 {
		t.Errorf("%d suppressed results, %d are ignored", suppressed, len(r.Ignored))
	}
	notes := run.Invocations[0].Notifications
	if len(notes) != len(r.Problems) || run.Invocations[0].Successful {
		t.Errorf("%d notifications of %d problems, successful %v", len(notes), len(r.Problems), run.Invocations[0].Successful)
	}

	r.ShowIgnored, r.Category = false, ""
	log = readSARIF(t, render(t, report.SARIF, r))
	if log.Runs[0].AutomationDetails != nil {
		t.Error("a category that nobody gave")
	}
	for _, res := range log.Runs[0].Results {
		if len(res.Suppressions) > 0 {
			t.Error("GitHub opens alerts for suppressed results")
		}
	}
}

// With a base all results are there, since an upload takes the place of the
// last one; but none that are gone.
func TestSARIFOfBase(t *testing.T) {
	r := compared(scan(t, os.DirFS(fixtures), "demo"))
	text := render(t, report.SARIF, r)
	validate(t, sarifSchema(t), text)
	log := readSARIF(t, text)
	log.check(t)
	states := map[string]int{}
	for _, res := range log.Runs[0].Results {
		states[res.BaselineState]++
	}
	if diff := cmp.Diff(map[string]int{"new": len(r.Results) - 1, "unchanged": 1}, states); diff != "" {
		t.Error(diff)
	}
}

func TestSARIFOfNothing(t *testing.T) {
	for name, r := range map[string]*report.Report{
		"a quiet file": scan(t, os.DirFS(fixtures), "HP101/good.yaml"),
		"no check":     report.New(report.Scan{Version: "0.0.0-test"}),
	} {
		t.Run(name, func(t *testing.T) {
			text := render(t, report.SARIF, r)
			validate(t, sarifSchema(t), text)
			readSARIF(t, text).check(t)
			if !bytes.Contains(text, []byte(`"results": []`)) {
				t.Error("GitHub refuses a run without results")
			}
		})
	}
}

// GitHub shows 5,000 results: the worst are kept, and the cut is said.
func TestSARIFLimitOfResults(t *testing.T) {
	r := scan(t, os.DirFS(fixtures), "HP101/bad.yaml")
	worst, least := r.Results[0], r.Results[0]
	for _, rule := range r.Rules {
		if rule.Severity == checks.Low {
			least.Rule, least.Severity = rule.ID, checks.Low
		}
	}
	place := func(res report.Result, n int) report.Result {
		res.Location.Line = n + 1
		return res
	}
	r.Results = nil
	for i := range 4_000 {
		r.Results = append(r.Results, place(worst, i))
	}
	for i := range 2_000 {
		r.Results = append(r.Results, place(least, i))
	}
	r.Ignored = slices.Repeat([]report.Result{worst}, 10)
	for _, show := range []bool{false, true} {
		r.ShowIgnored = show
		log := readSARIF(t, render(t, report.SARIF, r))
		log.check(t)
		errors := 0
		for _, res := range log.Runs[0].Results {
			if res.Level == "error" {
				errors++
			}
		}
		if errors != 4_000 || len(log.Runs[0].Results) != 5_000 {
			t.Errorf("%d errors of %d results", errors, len(log.Runs[0].Results))
		}
		cut := 1_000
		if show {
			cut += 10
		}
		notes := log.Runs[0].Invocations[0].Notifications
		want := fmt.Sprintf("%d results of the lowest severity were left out: at most 5000 are written", cut)
		if len(notes) != 1 || notes[0].Message.Text != want || notes[0].Level != "warning" {
			t.Errorf("notifications %+v, want %q", notes, want)
		}
	}
}

// A role that many bind is one result, within GitHub's limits of a result.
func TestSARIFLimitsOfResult(t *testing.T) {
	var b strings.Builder
	b.WriteString(role)
	const bindings = 1_500
	for i := range bindings {
		fmt.Fprintf(&b, binding, i, i)
	}
	fsys := fstest.MapFS{"many.yaml": {Data: []byte(b.String())}}
	r := scan(t, fsys, "many.yaml")
	if len(r.Results) != 1 || len(r.Results[0].Findings) != bindings {
		t.Fatalf("%d results, the first with %d findings", len(r.Results), len(r.Results[0].Findings))
	}
	text := render(t, report.SARIF, r)
	validate(t, sarifSchema(t), text)
	log := readSARIF(t, text)
	log.check(t)
	log.checkPlaces(t, fsys)
	res := log.Runs[0].Results[0]
	steps := 0
	for _, flow := range res.CodeFlows {
		for _, thread := range flow.ThreadFlows {
			steps += len(thread.Locations)
		}
	}
	if steps < 900 {
		t.Errorf("only %d steps, of GitHub's 1,000", steps)
	}
	if !strings.Contains(res.Message.Text, fmt.Sprintf("and %d more", bindings-1)) {
		t.Errorf("the message does not say how many there are: %s", res.Message.Text)
	}
}

const role = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [list]}
`

const binding = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader-%d}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: user-%d}]
`

// Whatever stands in names, no message has a link that Hotpod did not make.
func TestSARIFLinksOfNames(t *testing.T) {
	evil := []string{`[x](1)`, `[x](99)`, `\[x](1)`, `\\[x](1)`, `[x\](1)`, `](1)`, `[`, `[a](http://evil)`, "a\nb", "\x1b[31m", `![i](1)`}
	r := scan(t, os.DirFS(fixtures), "HP311/bad-through-group.yaml")
	for _, name := range evil {
		for i := range r.Results {
			res := &r.Results[i]
			for j := range res.Message {
				res.Message[j].Text += name
			}
			for j := range res.Related {
				res.Related[j].Text += name
			}
			for _, flow := range res.Flows {
				for j := range flow {
					flow[j].Text += name
				}
			}
		}
		r.Problems = append(r.Problems, report.Problem{Text: name})
	}
	text := render(t, report.SARIF, r)
	validate(t, sarifSchema(t), text)
	log := readSARIF(t, text)
	log.check(t)
	linked := 0
	for i, res := range log.Runs[0].Results {
		want := 0
		for _, span := range r.Results[i].Message {
			if span.Related > 0 {
				want++
			}
		}
		if got := len(links(res.Message.Text)); got != want {
			t.Errorf("%d links, want %d: %s", got, want, res.Message.Text)
		}
		linked += want
	}
	if linked == 0 {
		t.Error("no message of the fixture has a link: take another one")
	}
}

func TestSARIFPaths(t *testing.T) {
	for _, c := range []struct{ prefix, path, uri, annotation string }{
		{"", "a.yaml", "a.yaml", "a.yaml"},
		{"deploy", "a.yaml", "deploy/a.yaml", "deploy/a.yaml"},
		{"deploy/prod", "../a.yaml", "deploy/a.yaml", "deploy/a.yaml"},
		{"deploy", "../../out/a.yaml", "out/a.yaml", "out/a.yaml"},
		{"", "/abs/a.yaml", "abs/a.yaml", "abs/a.yaml"},
		{"", "./a/../b.yaml", "b.yaml", "b.yaml"},
		{"", "a b[1]%#?.yaml", "a%20b%5B1%5D%25%23%3F.yaml", "a b[1]%25#?.yaml"},
		{"", "cluster:x/a,b.yaml", "cluster%3Ax/a,b.yaml", "cluster%3Ax/a%2Cb.yaml"},
		{"", "ü/😀.yaml", "%C3%BC/%F0%9F%98%80.yaml", "ü/😀.yaml"},
	} {
		r := scan(t, os.DirFS(fixtures), "HP101/bad.yaml")
		r.Prefix = c.prefix
		r.Results[0].Location.Path = c.path
		log := readSARIF(t, render(t, report.SARIF, r))
		log.check(t)
		if got := log.Runs[0].Results[0].Locations[0].Physical.Artifact.URI; got != c.uri {
			t.Errorf("%s in %q: uri is %s, want %s", c.path, c.prefix, got, c.uri)
		}
		if got := string(render(t, report.GitHub, r)); !strings.HasPrefix(got, "::error file="+c.annotation+",line=") {
			t.Errorf("%s in %q: annotation is %s, want %s", c.path, c.prefix, got, c.annotation)
		}
	}
}

// The identity of a result is that of its findings, whatever their order.
func TestSARIFIdentity(t *testing.T) {
	identity := func(prints ...string) string {
		r := scan(t, os.DirFS(fixtures), "HP101/bad.yaml")
		r.Results[0].Fingerprints = prints
		return readSARIF(t, render(t, report.SARIF, r)).Runs[0].Results[0].PartialFingerprints["hotpod/v1"]
	}
	if got := identity("one"); got != "one" {
		t.Errorf("of one finding: %s", got)
	}
	if a, b := identity("one", "two"), identity("two", "one"); a != b || a == "one" {
		t.Errorf("of two findings: %s and %s", a, b)
	}
}

func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("schema: %v", err)
	}
	noNulls(t, doc, "")
}

func noNulls(t *testing.T, v any, at string) {
	switch v := v.(type) {
	case nil:
		t.Errorf("%s is null", at)
	case map[string]any:
		for name, member := range v {
			noNulls(t, member, at+"/"+name)
		}
	case []any:
		for i, item := range v {
			noNulls(t, item, at+"/"+strconv.Itoa(i))
		}
	}
}

// The part of SARIF that GitHub reads.
type sarifLog struct {
	Schema  string `json:"$schema"`
	Version string
	Runs    []sarifRun
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name            string
			SemanticVersion string
			Rules           []sarifRule
		}
	}
	Results           []sarifResult
	ColumnKind        string
	AutomationDetails *struct{ ID string }
	Invocations       []struct {
		Successful    bool `json:"executionSuccessful"`
		Notifications []struct {
			Level     string
			Message   sarifMessage
			Locations []sarifLocation
		} `json:"toolExecutionNotifications"`
	}
}

type sarifRule struct {
	ID, Name                          string
	ShortDescription, FullDescription struct{ Text string }
	DefaultConfiguration              struct{ Level string }
	Help                              struct{ Text, Markdown string }
	Properties                        struct {
		Tags             []string
		Precision        string
		ProblemSeverity  string `json:"problem.severity"`
		SecuritySeverity any    `json:"security-severity"`
	}
}

type sarifMessage struct{ Text string }

type sarifResult struct {
	RuleID           string
	RuleIndex        *int
	Level            string
	Kind             string
	BaselineState    string
	Message          sarifMessage
	Locations        []sarifLocation
	RelatedLocations []sarifLocation
	CodeFlows        []struct {
		ThreadFlows []struct {
			Locations []struct{ Location sarifLocation }
		}
	}
	PartialFingerprints map[string]string
	Suppressions        []struct{ Kind, Justification string }
}

type sarifLocation struct {
	ID       *int
	Message  sarifMessage
	Physical struct {
		Artifact struct{ URI string } `json:"artifactLocation"`
		Region   struct {
			StartLine, StartColumn, EndLine, EndColumn int
			Snippet                                    struct{ Text string }
		}
	} `json:"physicalLocation"`
}

func readSARIF(t *testing.T, text []byte) sarifLog {
	t.Helper()
	var log sarifLog
	if err := json.Unmarshal(text, &log); err != nil {
		t.Fatal(err)
	}
	return log
}

// check tests what GitHub asks for and no validator knows.
func (log sarifLog) check(t *testing.T) {
	t.Helper()
	if log.Version != "2.1.0" || log.Schema != "https://json.schemastore.org/sarif-2.1.0.json" || len(log.Runs) != 1 {
		t.Fatalf("version %q, schema %q, %d runs", log.Version, log.Schema, len(log.Runs))
	}
	run := log.Runs[0]
	if run.Tool.Driver.Name != "Hotpod" || run.Tool.Driver.SemanticVersion == "" || run.ColumnKind != "unicodeCodePoints" {
		t.Errorf("name %q, version %q, columns %q", run.Tool.Driver.Name, run.Tool.Driver.SemanticVersion, run.ColumnKind)
	}
	ids := map[string]bool{}
	for _, rule := range run.Tool.Driver.Rules {
		if ids[rule.ID] {
			t.Errorf("rule %s is there twice", rule.ID)
		}
		ids[rule.ID] = true
		rule.check(t)
	}
	if run.Results == nil {
		t.Error("GitHub refuses a run without results")
	}
	if len(run.Results) > 5_000 {
		t.Errorf("%d results", len(run.Results))
	}
	for i, res := range run.Results {
		if res.RuleIndex == nil || *res.RuleIndex >= len(run.Tool.Driver.Rules) {
			t.Fatalf("result %d: rule index of %s is missing or beyond the rules", i, res.RuleID)
		}
		res.check(t, run.Tool.Driver.Rules[*res.RuleIndex])
	}
	for _, inv := range run.Invocations {
		for _, n := range inv.Notifications {
			if found := links(n.Message.Text); len(found) > 0 {
				t.Errorf("a notification has links %q", found)
			}
			for _, l := range n.Locations {
				l.check(t)
			}
		}
	}
}

func (rule sarifRule) check(t *testing.T) {
	t.Helper()
	text, ok := rule.Properties.SecuritySeverity.(string)
	severity, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || severity <= 0 || severity > 10 {
		t.Errorf("%s: security-severity is %#v, GitHub wants a string of a number above 0, at most 10", rule.ID, rule.Properties.SecuritySeverity)
	}
	if tags := rule.Properties.Tags; len(tags) == 0 || len(tags) > 10 || tags[0] != "security" {
		t.Errorf("%s: tags are %q, GitHub keeps 10 and wants security first", rule.ID, tags)
	}
	if !slices.Contains([]string{"note", "warning", "error"}, rule.DefaultConfiguration.Level) {
		t.Errorf("%s: level %q", rule.ID, rule.DefaultConfiguration.Level)
	}
	if !slices.Contains([]string{"recommendation", "warning", "error"}, rule.Properties.ProblemSeverity) {
		t.Errorf("%s: problem.severity %q", rule.ID, rule.Properties.ProblemSeverity)
	}
	if !slices.Contains([]string{"very-high", "high", "medium", "low"}, rule.Properties.Precision) {
		t.Errorf("%s: precision %q", rule.ID, rule.Properties.Precision)
	}
	for what, text := range map[string]string{"name": rule.Name, "short description": rule.ShortDescription.Text, "full description": rule.FullDescription.Text, "help": rule.Help.Text, "Markdown": rule.Help.Markdown} {
		limit := map[string]int{"name": 255, "short description": 1024, "full description": 1024}[what]
		if n := utf8.RuneCountInString(text); n == 0 || limit > 0 && n > limit || !utf8.ValidString(text) {
			t.Errorf("%s: its %s has %d characters", rule.ID, what, n)
		}
	}
	if !strings.Contains(rule.Help.Markdown, "](https://github.com/hotpod-dev/hotpod/blob/main/docs/checks/") {
		t.Errorf("%s: its help does not link its page, and GitHub does not show helpUri", rule.ID)
	}
}

func (res sarifResult) check(t *testing.T, rule sarifRule) {
	t.Helper()
	at := res.RuleID
	if rule.ID != res.RuleID {
		t.Errorf("%s: its index is that of %s", at, rule.ID)
	}
	if res.Level != rule.DefaultConfiguration.Level {
		t.Errorf("%s: level %s, that of its rule is %s", at, res.Level, rule.DefaultConfiguration.Level)
	}
	if res.Kind != "" && res.Kind != "fail" {
		t.Errorf("%s: GitHub takes kind %s for a failure", at, res.Kind)
	}
	if res.BaselineState == "absent" {
		t.Errorf("%s: GitHub opens an alert for what is gone", at)
	}
	if len(res.Locations) != 1 {
		t.Fatalf("%s: %d locations, GitHub wants one and refuses the file without", at, len(res.Locations))
	}
	res.Locations[0].check(t)
	if r := res.Locations[0].Physical.Region; r.StartColumn == 0 || r.StartLine != r.EndLine {
		t.Errorf("%s: region %+v is not on one line", at, r)
	}
	if !lineHash.MatchString(res.PartialFingerprints["primaryLocationLineHash"]) || res.PartialFingerprints["hotpod/v1"] == "" {
		t.Errorf("%s: fingerprints %v", at, res.PartialFingerprints)
	}

	title, _, _ := strings.Cut(res.Message.Text, ". ")
	if title == "" || strings.ContainsAny(title, "\n\r") {
		t.Errorf("%s: title %q", at, title)
	}
	ids := map[int]bool{}
	for _, l := range res.RelatedLocations {
		if l.ID == nil || ids[*l.ID] {
			t.Fatalf("%s: a related location has no id of its own", at)
		}
		ids[*l.ID] = true
		l.check(t)
	}
	if len(ids) > 100 {
		t.Errorf("%s: %d related locations, GitHub keeps 100", at, len(ids))
	}
	for _, target := range links(res.Message.Text) {
		if id, err := strconv.Atoi(target); err != nil || !ids[id] {
			t.Errorf("%s: the message links %q, which is no related location: %s", at, target, res.Message.Text)
		}
	}
	steps := 0
	for _, flow := range res.CodeFlows {
		for _, thread := range flow.ThreadFlows {
			for _, step := range thread.Locations {
				steps++
				step.Location.check(t)
				if step.Location.Message.Text == "" {
					t.Errorf("%s: a step has no label", at)
				}
			}
		}
	}
	if steps > 1_000 {
		t.Errorf("%s: %d steps, GitHub keeps 1,000", at, steps)
	}
	for _, s := range res.Suppressions {
		if s.Justification == "" {
			t.Errorf("%s: suppressed without a reason", at)
		}
	}
}

var lineHash = regexp.MustCompile(`^[1-9a-f][0-9a-f]*:[1-9][0-9]*$`)

func (l sarifLocation) check(t *testing.T) {
	t.Helper()
	uri := l.Physical.Artifact.URI
	u, err := url.Parse(uri)
	if err != nil || u.IsAbs() || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || uri == "" {
		t.Errorf("uri %q is not a relative path (%v)", uri, err)
	}
	if !plainURI.MatchString(uri) {
		t.Errorf("uri %q is not percent-encoded", uri)
	}
	for _, part := range strings.Split(uri, "/") {
		if part == "" || part == "." || part == ".." {
			t.Errorf("uri %q is not clean", uri)
		}
	}
	r := l.Physical.Region
	if r.StartLine < 1 {
		t.Errorf("%s: region %+v has no line", uri, r)
	}
	if r.StartColumn != 0 && (r.StartColumn < 1 || r.EndLine != r.StartLine || r.EndColumn <= r.StartColumn) {
		t.Errorf("%s: region %+v is empty", uri, r)
	}
	if found := links(l.Message.Text); len(found) > 0 {
		t.Errorf("%s: the label %q has links", uri, l.Message.Text)
	}
}

var plainURI = regexp.MustCompile(`^(?:[A-Za-z0-9/._~!$&'()*+,;=@-]|%[0-9A-F]{2})*$`)

// links gives the targets of a message's links, as section 3.11.6 of SARIF
// reads them.
func links(message string) []string {
	var targets []string
	for i := 0; i < len(message); i++ {
		switch message[i] {
		case '\\':
			i++
		case '[':
			if match := link.FindStringSubmatch(message[i:]); match != nil {
				targets = append(targets, match[1])
				i += len(match[0]) - 1
			}
		}
	}
	return targets
}

var link = regexp.MustCompile(`^\[(?:[^\\\[\]]|\\.)*\]\(([^)]*)\)`)

// checkPlaces tests that every place is in its file, and that what is marked
// is an element: no blanks at its ends.
func (log sarifLog) checkPlaces(t *testing.T, fsys fs.FS) {
	t.Helper()
	files := map[string][]string{}
	place := func(l sarifLocation, exact bool) {
		name, err := url.PathUnescape(l.Physical.Artifact.URI)
		if err != nil {
			t.Fatal(err)
		}
		if files[name] == nil {
			content, err := fs.ReadFile(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = strings.Split(string(content), "\n")
		}
		r := l.Physical.Region
		if r.StartLine > len(files[name]) {
			t.Errorf("%s:%d is beyond the file", name, r.StartLine)
			return
		}
		line := []rune(strings.TrimSuffix(files[name][r.StartLine-1], "\r"))
		if r.EndColumn > len(line)+1 {
			t.Errorf("%s:%d: columns %d to %d of a line of %d", name, r.StartLine, r.StartColumn, r.EndColumn, len(line))
			return
		}
		if element := string(line[r.StartColumn-1 : r.EndColumn-1]); exact && element != strings.TrimSpace(element) {
			t.Errorf("%s:%d: marked is %q", name, r.StartLine, element)
		}
		if text := r.Snippet.Text; text != "" && !strings.Contains(string(line), text) {
			t.Errorf("%s:%d: the snippet %q is not of the line", name, r.StartLine, text)
		}
	}
	for _, res := range log.Runs[0].Results {
		place(res.Locations[0], true)
		for _, l := range res.RelatedLocations {
			place(l, true)
		}
		for _, flow := range res.CodeFlows {
			for _, thread := range flow.ThreadFlows {
				for _, step := range thread.Locations {
					place(step.Location, true)
				}
			}
		}
	}
	for _, n := range log.Runs[0].Invocations[0].Notifications {
		for _, l := range n.Locations {
			if l.Physical.Region.StartColumn > 0 {
				place(l, false)
			}
		}
	}
}
