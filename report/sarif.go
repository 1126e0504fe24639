package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"github.com/hotpod-dev/hotpod/checks"
)

// GitHub's limits: more than maxResults are not shown, more than maxSteps of a
// result's code flows are cut off.
const (
	maxResults = 5_000
	maxSteps   = 1_000
	maxTags    = 10
)

const home = "https://github.com/hotpod-dev/hotpod"

// SARIF writes the report for GitHub code scanning: SARIF 2.1.0 in which every
// current finding has a place, since the upload takes the place of the last one.
func SARIF(w io.Writer, r *Report) error {
	log, err := sarif.New(sarif.Version210, false)
	if err != nil {
		return fmt.Errorf("making SARIF: %w", err)
	}
	log.AddRun(sarifRun(r))
	text, err := sarifText(log)
	if err != nil {
		return fmt.Errorf("making SARIF: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("writing SARIF: %w", err)
	}
	return nil
}

func sarifText(log *sarif.Report) ([]byte, error) {
	log.Schema = "https://json.schemastore.org/sarif-2.1.0.json"
	text, err := encode(log)
	if err != nil {
		return nil, err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(withoutNulls(text)), "", " "); err != nil {
		return nil, err
	}
	pretty.WriteByte('\n')
	return pretty.Bytes(), nil
}

// withoutNulls strips the null members that the library writes for some fields
// which are not set and which the schema refuses. In the encoder's output only
// the end of a key is a quote, not escaped, before ":null".
func withoutNulls(text []byte) []byte {
	end := []byte(`":null`)
	out := make([]byte, 0, len(text))
	for {
		i := bytes.Index(text, end)
		if i < 0 {
			return append(out, text...)
		}
		rest := text[i+len(end):]
		if text[i-1] == '\\' {
			out, text = append(out, text[:i+len(end)]...), rest
			continue
		}
		out = append(out, text[:bytes.LastIndexByte(text[:i], '"')]...)
		if last := len(out) - 1; out[last] == ',' {
			out = out[:last]
		} else {
			rest = bytes.TrimPrefix(rest, []byte(","))
		}
		text = rest
	}
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return withoutCommands(out.Bytes()), err
}

func sarifRun(r *Report) *sarif.Run {
	run := sarif.NewRunWithInformationURI(r.Tool.Name, home)
	run.Tool.Driver.WithVersion(r.Tool.Version).WithSemanticVersion(r.Tool.Version).WithOrganization("Hotpod")
	run.ColumnKind = "unicodeCodePoints"
	run.Results = []*sarif.Result{}
	index := map[string]uint{}
	for i, rule := range r.Rules {
		index[rule.ID] = uint(i)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule(rule))
	}
	most := cmp.Or(r.MaxResults, maxResults)
	shown := r.Results[:min(len(r.Results), most)]
	for i := range shown {
		run.Results = append(run.Results, sarifResult(r, &shown[i], index))
	}
	cutOff := len(r.Results) - len(shown)
	if r.ShowIgnored {
		ignored := r.Ignored[:min(len(r.Ignored), most-len(shown))]
		for i := range ignored {
			run.Results = append(run.Results, sarifResult(r, &ignored[i], index))
		}
		cutOff += len(r.Ignored) - len(ignored)
	}
	if r.Category != "" {
		run.AutomationDetails = &sarif.RunAutomationDetails{ID: ptr(strings.TrimSuffix(r.Category, "/") + "/")}
	}
	run.Taxonomies = taxonomies(r.Rules)
	run.Invocations = []*sarif.Invocation{invocation(r, cutOff)}
	return run
}

// sarifRule describes a rule. Its text is the same for all results, since
// GitHub keeps one text for a rule of all repositories.
func sarifRule(rule Rule) *sarif.ReportingDescriptor {
	d := sarif.NewRule(rule.ID)
	d.Name = ptr(camel(rule.Name) + camel(string(rule.Reach)))
	title := rule.Title
	if phrase := reachPhrase(rule.Reach); phrase != "" {
		title += " " + phrase
	}
	d.ShortDescription = sarif.NewMultiformatMessageString(title + ".")
	d.FullDescription = sarif.NewMultiformatMessageString(cut(plain(rule.Why), 1000))
	d.HelpURI = ptr(docPage(rule.Check))
	d.Help = sarif.NewMultiformatMessageString(fmt.Sprintf("%s\n\nFix: %s\n\nDocumentation: %s", plain(rule.Why), plain(rule.Fix), docPage(rule.Check)))
	d.Help.Markdown = ptr(helpMarkdown(rule))
	d.DefaultConfiguration = &sarif.ReportingConfiguration{Level: level(rule.Severity)}
	d.Properties = sarif.Properties{
		"precision":         "high",
		"problem.severity":  problemSeverity(rule.Severity),
		"security-severity": securitySeverity(rule.Severity),
		"tags":              tags(rule),
	}
	return d
}

func helpMarkdown(rule Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n### What to do\n\n%s\n", rule.Title, rule.Why, rule.Fix)
	if rule.Quiet != "" {
		fmt.Fprintf(&b, "\n### What is not reported\n\n%s\n", rule.Quiet)
	}
	fmt.Fprintf(&b, "\n[%s in full](%s)", rule.Check, docPage(rule.Check))
	for _, l := range rule.Links {
		fmt.Fprintf(&b, " · [%s](%s)", linkName(l), l)
	}
	b.WriteString("\n")
	return b.String()
}

func linkName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

func docPage(check string) string { return home + "/blob/main/docs/checks/" + check + ".md" }

func tags(rule Rule) []string {
	all := []string{"security", "kubernetes", "rbac"}
	for _, c := range rule.CIS {
		all = append(all, "external/cis-kubernetes/"+c)
	}
	for _, t := range rule.MITRE {
		all = append(all, "external/mitre-attack/"+strings.ToLower(t))
	}
	return all[:min(len(all), maxTags)]
}

func sarifResult(r *Report, res *Result, index map[string]uint) *sarif.Result {
	s := sarif.NewRuleResult(res.Rule).WithRuleIndex(int(index[res.Rule])).WithLevel(level(res.Severity))
	s.Message = *sarif.NewTextMessage(linked(res.Message) + words(res.tried()))
	s.Locations = []*sarif.Location{r.location(res.Location)}
	for i, l := range res.Related {
		at := r.location(l)
		at.Id = ptr(uint(i + 1))
		at.Message = sarif.NewTextMessage(words(l.Text))
		s.RelatedLocations = append(s.RelatedLocations, at)
	}
	s.CodeFlows = r.codeFlows(res)
	s.PartialFingerprints = map[string]any{"hotpod/v1": identity(res.Fingerprints)}
	s.Properties = sarif.Properties{"fingerprints": res.Fingerprints}
	if res.Proof != "" {
		s.Properties["proof"] = sarifProof(res)
	}
	if res.State != "" {
		s.BaselineState = ptr(string(res.State))
	}
	if res.LineHash != "" {
		s.PartialFingerprints["primaryLocationLineHash"] = res.LineHash
	}
	if res.Justified != "" {
		s.Suppressions = []*sarif.Suppression{{Kind: "inSource", Justification: ptr(res.Justified)}}
	}
	s.Fixes = r.fixes(res.Fix)
	s.Taxa = taxa(r, res)
	return s
}

// sarifProof is the verdict and the evidence for each finding, which come in
// the order of the fingerprints.
func sarifProof(res *Result) sarif.Properties {
	var all []*checks.Proof
	for _, f := range res.Findings {
		all = append(all, f.Proof)
	}
	return sarif.Properties{"verdict": res.Proof, "findings": all}
}

func (r *Report) fixes(f *Fix) []*sarif.Fix {
	if f == nil {
		return nil
	}
	l := f.Location
	region := sarif.NewRegion().WithStartLine(l.Line).WithStartColumn(l.Column).WithEndLine(l.Line).WithEndColumn(l.EndColumn)
	change := sarif.NewArtifactChange(sarif.NewArtifactLocation().WithUri(r.uri(l.Path)))
	change.Replacements = []*sarif.Replacement{sarif.NewReplacement(region).WithInsertedContent(sarif.NewArtifactContent().WithText(f.Insert))}
	return []*sarif.Fix{sarif.NewFix().WithDescription(sarif.NewTextMessage(f.Text)).WithArtifactChanges([]*sarif.ArtifactChange{change})}
}

// identity is that of the only finding of a result, or one made of all.
func identity(fingerprints []string) string {
	if len(fingerprints) == 1 {
		return fingerprints[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(fingerprints)), " ")))
	return hex.EncodeToString(sum[:16])
}

// linked is a message with links to related locations.
func linked(m Message) string {
	var b strings.Builder
	for _, span := range m {
		if span.Related > 0 {
			fmt.Fprintf(&b, "[%s](%d)", words(span.Text), span.Related)
		} else {
			b.WriteString(words(span.Text))
		}
	}
	return b.String()
}

// words is text for a message of SARIF, in which what looks like a link is
// none.
func words(text string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`).Replace(Clean(text))
}

func (r *Report) location(l Location) *sarif.Location {
	where := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewArtifactLocation().WithUri(r.uri(l.Path)))
	region := sarif.NewRegion().WithStartLine(max(l.Line, 1))
	if l.Column > 0 {
		region.WithStartColumn(l.Column).WithEndLine(l.Line).WithEndColumn(l.EndColumn)
	}
	if l.Source != "" {
		region.WithSnippet(sarif.NewArtifactContent().WithText(l.Source))
	}
	return sarif.NewLocation().WithPhysicalLocation(where.WithRegion(region))
}

// uri is the path from the root of the repository, percent-encoded.
func (r *Report) uri(file string) string {
	u := url.URL{Path: r.inRepository(file)}
	return strings.ReplaceAll(u.EscapedPath(), ":", "%3A") // else what is before it is a scheme
}

func (r *Report) codeFlows(res *Result) []*sarif.CodeFlow {
	var flows []*sarif.CodeFlow
	steps := 0
	for _, f := range res.Flows {
		if steps += len(f); steps > maxSteps {
			break
		}
		flow := sarif.NewThreadFlow()
		for _, l := range f {
			at := r.location(l)
			at.Message = sarif.NewTextMessage(words(l.Text))
			flow.Locations = append(flow.Locations, &sarif.ThreadFlowLocation{Location: at})
		}
		flows = append(flows, &sarif.CodeFlow{ThreadFlows: []*sarif.ThreadFlow{flow}})
	}
	return flows
}

// invocation says how the scan went: what was not read and what was cut off.
func invocation(r *Report, cutOff int) *sarif.Invocation {
	inv := sarif.NewInvocation().WithExecutionSuccess(!r.Summary.Incomplete)
	for _, p := range r.Problems {
		n := sarif.NewNotification().WithMessage(sarif.NewTextMessage(words(p.Text))).WithLevel("note")
		if p.Incomplete {
			n.WithLevel("error")
		}
		if p.Location.Path != "" {
			n.Locations = []*sarif.Location{r.location(p.Location)}
		}
		inv.ToolExecutionNotifications = append(inv.ToolExecutionNotifications, n)
	}
	if cutOff > 0 {
		inv.ToolExecutionNotifications = append(inv.ToolExecutionNotifications, sarif.NewNotification().WithLevel("warning").
			WithMessage(sarif.NewTextMessage(fmt.Sprintf("%d results of the lowest severity were left out: at most %d are written", cutOff, cmp.Or(r.MaxResults, maxResults)))))
	}
	return inv
}

// Taxonomies: the CIS benchmark and ATT&CK, as far as rules refer to them.
const (
	cisName   = "CIS Kubernetes Benchmark"
	mitreName = "MITRE ATT&CK"
)

func taxonomies(rules []Rule) []*sarif.ToolComponent {
	cis, mitre := &sarif.ToolComponent{Name: cisName}, &sarif.ToolComponent{Name: mitreName}
	cis.WithOrganization("CIS").WithInformationURI("https://www.cisecurity.org/benchmark/kubernetes")
	mitre.WithOrganization("MITRE").WithInformationURI("https://attack.mitre.org/")
	cis.Rules, mitre.Rules = []*sarif.ReportingDescriptor{}, []*sarif.ReportingDescriptor{}
	cis.Taxa, mitre.Taxa = taxaOf(rules, func(r Rule) []string { return r.CIS }), taxaOf(rules, func(r Rule) []string { return r.MITRE })
	return []*sarif.ToolComponent{cis, mitre}
}

func taxaOf(rules []Rule, of func(Rule) []string) []*sarif.ReportingDescriptor {
	var ids []string
	for _, r := range rules {
		ids = append(ids, of(r)...)
	}
	slices.Sort(ids)
	taxa := []*sarif.ReportingDescriptor{}
	for _, id := range slices.Compact(ids) {
		taxa = append(taxa, sarif.NewRule(id).WithShortDescription(sarif.NewMultiformatMessageString(id)))
	}
	return taxa
}

func taxa(r *Report, res *Result) []*sarif.ReportingDescriptorReference {
	i := slices.IndexFunc(r.Rules, func(rule Rule) bool { return rule.ID == res.Rule })
	if i < 0 {
		return nil
	}
	var all []*sarif.ReportingDescriptorReference
	refer := func(name string, ids []string) {
		for _, id := range ids {
			all = append(all, &sarif.ReportingDescriptorReference{Id: ptr(id), ToolComponent: &sarif.ToolComponentReference{Name: ptr(name)}})
		}
	}
	refer(cisName, r.Rules[i].CIS)
	refer(mitreName, r.Rules[i].MITRE)
	return all
}

func level(s checks.Severity) string {
	switch {
	case s >= checks.High:
		return "error"
	case s == checks.Medium:
		return "warning"
	}
	return "note"
}

func problemSeverity(s checks.Severity) string {
	if s == checks.Low {
		return "recommendation"
	}
	return level(s)
}

// securitySeverity is a string, since GitHub refuses a file with a number.
func securitySeverity(s checks.Severity) string {
	return map[checks.Severity]string{checks.Critical: "9.5", checks.High: "8.0", checks.Medium: "5.5", checks.Low: "3.0"}[s]
}

func reachPhrase(r checks.Reach) string {
	switch r {
	case checks.Cluster:
		return "in the whole cluster"
	case checks.Namespace:
		return "in a namespace"
	case checks.Named:
		return "limited by resourceNames"
	case checks.Unbound:
		return "in a role that nothing binds"
	}
	return ""
}

// camel writes list-secrets as ListSecrets.
func camel(words string) string {
	var b strings.Builder
	for _, w := range strings.Split(words, "-") {
		if w != "" {
			b.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
	}
	return b.String()
}

// plain takes the marks of Markdown code out of a text.
func plain(markdown string) string { return strings.ReplaceAll(markdown, "`", "'") }

// cut shortens a text to at most n characters at a word's end.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	text = text[:n]
	if i := strings.LastIndexByte(text, ' '); i > 0 {
		text = text[:i]
	}
	return text + " …"
}

func ptr[T any](v T) *T { return &v }
