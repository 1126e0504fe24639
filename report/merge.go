package report

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"
)

// What GitHub takes of one SARIF file. It says 10 MB; whether it counts in
// thousands is not known, so we do.
const (
	maxRuns    = 20
	maxRules   = 25_000
	maxGzipped = 10_000_000
)

// Merged counts what became of the runs that were merged.
type Merged struct {
	Runs       int      // that the file holds, one for each category
	Results    int      // that it holds
	Repeated   int      // that more than one run had
	CutOff     int      // that GitHub would not take, the least severe
	Left       []string // categories that GitHub would not take, the least severe
	Incomplete int      // runs that did not judge all of their input
}

// Log is a SARIF file whose runs are all Hotpod's.
type Log = sarif.Report

// Merge writes SARIF files of Hotpod as one, with one run for each category and
// each finding of a file once, as far as GitHub takes it. The logs are used up.
func Merge(w io.Writer, logs []*Log) (Merged, error) {
	return merge(w, logs, maxGzipped)
}

// ReadRuns reads a SARIF file to merge.
func ReadRuns(in io.Reader) (*Log, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("reading SARIF: %w", err)
	}
	log, err := sarif.FromBytes(text)
	if err != nil {
		return nil, fmt.Errorf("reading SARIF: %w", err)
	}
	if len(log.Runs) == 0 {
		return nil, errors.New("reading SARIF: the file holds no run")
	}
	for _, run := range log.Runs {
		if run.Tool.Driver == nil || run.Tool.Driver.Name != "Hotpod" {
			return nil, errors.New("reading SARIF: the file holds a run of another tool")
		}
	}
	return log, nil
}

func merge(w io.Writer, logs []*Log, limit int) (Merged, error) {
	m := merger{byCategory: map[string]*mergedRun{}}
	for _, log := range logs {
		for _, run := range log.Runs {
			m.add(run)
		}
	}
	m.limitRuns()
	for _, run := range m.runs {
		if n := len(run.Tool.Driver.Rules); n > maxRules {
			return m.done, fmt.Errorf("merging: category %q has %d rules, and GitHub refuses more than %d", run.category, n, maxRules)
		}
		m.cut(run, maxResults)
	}
	text, err := m.limitSize(limit)
	if err != nil {
		return m.done, fmt.Errorf("merging: %w", err)
	}
	m.done.Runs = len(m.runs)
	for _, run := range m.runs {
		m.done.Results += len(run.Results)
	}
	if _, err := w.Write(text); err != nil {
		return m.done, fmt.Errorf("writing SARIF: %w", err)
	}
	return m.done, nil
}

type merger struct {
	byCategory map[string]*mergedRun
	runs       []*mergedRun
	done       Merged
}

// mergedRun is a run that takes in others of its category.
type mergedRun struct {
	*sarif.Run
	category string
	rules    map[string]uint
	found    map[string]*sarif.Result // by identity and file
	cut      int
}

// add takes in a run. A finding that an earlier run has in the same file is
// left out; within one run nothing is, since a scan repeats nothing in vain.
func (m *merger) add(run *sarif.Run) {
	category := categoryOf(run)
	into := m.byCategory[category]
	if into == nil {
		into = &mergedRun{Run: run, category: category, rules: map[string]uint{}, found: map[string]*sarif.Result{}}
		m.byCategory[category] = into
		m.runs = append(m.runs, into)
	} else {
		into.Invocations = append(into.Invocations, run.Invocations...)
		into.Taxonomies = addTaxonomies(into.Taxonomies, run.Taxonomies)
	}
	results, rules := run.Results, run.Tool.Driver.Rules
	if run == into.Run {
		into.Results, into.Tool.Driver.Rules = []*sarif.Result{}, []*sarif.ReportingDescriptor{}
	}
	for _, rule := range rules {
		if _, known := into.rules[rule.ID]; !known {
			into.rules[rule.ID] = uint(len(into.Tool.Driver.Rules))
			into.Tool.Driver.Rules = append(into.Tool.Driver.Rules, rule)
		}
	}
	fresh := map[string]*sarif.Result{}
	for _, res := range results {
		key := mergeKey(res)
		if same := into.found[key]; same != nil && key != "" {
			m.done.Repeated++
			same.BaselineState = newer(same.BaselineState, res.BaselineState)
			continue
		}
		fresh[key] = res
		if res.RuleID != nil {
			res.RuleIndex = ptr(into.rules[*res.RuleID])
		}
		into.Results = append(into.Results, res)
	}
	for key, res := range fresh {
		into.found[key] = res
	}
	if slices.ContainsFunc(run.Invocations, func(i *sarif.Invocation) bool { return i.ExecutionSuccessful != nil && !*i.ExecutionSuccessful }) {
		m.done.Incomplete++
	}
}

// categoryOf is what stands before the last slash of the run's id.
func categoryOf(run *sarif.Run) string {
	if run.AutomationDetails == nil || run.AutomationDetails.ID == nil {
		return ""
	}
	id := *run.AutomationDetails.ID
	return id[:max(0, strings.LastIndexByte(id, '/'))]
}

// mergeKey is the finding's identity and its file: one finding may stand in the
// files of several projects, and then it is each project's own.
func mergeKey(res *sarif.Result) string {
	id, _ := res.PartialFingerprints["hotpod/v1"].(string)
	if id == "" || len(res.Locations) == 0 || res.Locations[0].PhysicalLocation == nil || res.Locations[0].PhysicalLocation.ArtifactLocation == nil {
		return ""
	}
	uri := res.Locations[0].PhysicalLocation.ArtifactLocation.URI
	if uri == nil {
		return ""
	}
	return id + " " + *uri
}

// newer is new where either state is.
func newer(a, b *string) *string {
	if b != nil && *b == "new" {
		return b
	}
	return a
}

// addTaxonomies adds the taxonomies and taxa that are not there yet.
func addTaxonomies(all, more []*sarif.ToolComponent) []*sarif.ToolComponent {
	for _, t := range more {
		i := slices.IndexFunc(all, func(have *sarif.ToolComponent) bool { return have.Name == t.Name })
		if i < 0 {
			all = append(all, t)
			continue
		}
		for _, taxon := range t.Taxa {
			if !slices.ContainsFunc(all[i].Taxa, func(have *sarif.ReportingDescriptor) bool { return have.ID == taxon.ID }) {
				all[i].Taxa = append(all[i].Taxa, taxon)
			}
		}
	}
	return all
}

// severity is that of the result's rule, as a number; less than that of any
// where it is suppressed.
func (r *mergedRun) severity(res *sarif.Result) float64 {
	if len(res.Suppressions) > 0 || res.RuleIndex == nil || int(*res.RuleIndex) >= len(r.Tool.Driver.Rules) {
		return -1
	}
	text, _ := r.Tool.Driver.Rules[*res.RuleIndex].Properties["security-severity"].(string)
	severity, _ := strconv.ParseFloat(text, 64)
	return severity
}

func (r *mergedRun) sort() {
	slices.SortStableFunc(r.Results, func(a, b *sarif.Result) int { return cmp.Compare(r.severity(b), r.severity(a)) })
}

// limitRuns sorts all results, the worst first, and leaves out the categories
// with the least severe.
func (m *merger) limitRuns() {
	for _, run := range m.runs {
		run.sort()
	}
	worst := slices.Clone(m.runs)
	slices.SortStableFunc(worst, func(a, b *mergedRun) int {
		return slices.CompareFunc(b.Results, a.Results, func(x, y *sarif.Result) int { return cmp.Compare(b.severity(x), a.severity(y)) })
	})
	for _, run := range worst[min(len(worst), maxRuns):] {
		m.done.Left = append(m.done.Left, run.category)
		m.done.CutOff += len(run.Results)
		m.runs = slices.DeleteFunc(m.runs, func(r *mergedRun) bool { return r == run })
	}
	slices.SortStableFunc(m.runs, func(a, b *mergedRun) int { return cmp.Compare(a.category, b.category) })
}

// cut keeps the worst results of a run.
func (m *merger) cut(run *mergedRun, keep int) {
	more := len(run.Results) - keep
	if more <= 0 {
		return
	}
	run.Results = run.Results[:keep]
	run.cut += more
	m.done.CutOff += more
}

// limitSize gives the text of the file, with as many of the worst results as
// make it small enough.
func (m *merger) limitSize(limit int) ([]byte, error) {
	for {
		text, err := m.text()
		if err != nil {
			return nil, err
		}
		size := gzipped(text)
		if size <= limit {
			return text, nil
		}
		total := 0
		for _, run := range m.runs {
			total += len(run.Results)
		}
		if total == 0 {
			return nil, fmt.Errorf("the file has %d bytes gzipped even without results, and GitHub refuses more than %d", size, limit)
		}
		m.keepWorst(min(total-1, int(float64(total)*0.95*float64(limit)/float64(size))))
	}
}

// keepWorst keeps the n worst results of all runs.
func (m *merger) keepWorst(n int) {
	var all []float64
	for _, run := range m.runs {
		for _, res := range run.Results {
			all = append(all, run.severity(res))
		}
	}
	slices.SortFunc(all, func(a, b float64) int { return cmp.Compare(b, a) })
	least := all[n] // the severity that only some results of are kept
	some := n - slices.Index(all, least)
	for _, run := range m.runs {
		keep := 0
		for _, res := range run.Results {
			if s := run.severity(res); s > least {
				keep++
			} else if s == least && some > 0 {
				keep, some = keep+1, some-1
			}
		}
		m.cut(run, keep)
	}
}

// text is the file as it is now, in which each run says what was cut off.
func (m *merger) text() ([]byte, error) {
	log, err := sarif.New(sarif.Version210, false)
	if err != nil {
		return nil, err
	}
	for i, run := range m.runs {
		now := *run.Run
		var notes []string
		if run.cut > 0 {
			notes = append(notes, fmt.Sprintf("%s of the lowest severity left out: GitHub takes no more", count(run.cut, "result")))
		}
		if i == 0 && len(m.done.Left) > 0 {
			notes = append(notes, fmt.Sprintf("%d categories left out: GitHub takes %d runs in a file", len(m.done.Left), maxRuns))
		}
		if len(notes) > 0 {
			now.Invocations = append(slices.Clone(now.Invocations), mergeNotes(notes))
		}
		log.AddRun(&now)
	}
	return sarifText(log)
}

func mergeNotes(notes []string) *sarif.Invocation {
	inv := sarif.NewInvocation().WithExecutionSuccess(true)
	for _, n := range notes {
		inv.ToolExecutionNotifications = append(inv.ToolExecutionNotifications,
			sarif.NewNotification().WithLevel("warning").WithMessage(sarif.NewTextMessage(n)))
	}
	return inv
}

func gzipped(text []byte) int {
	var n counter
	zip := gzip.NewWriter(&n)
	if _, err := zip.Write(text); err != nil {
		return 0 // a counter takes everything
	}
	if err := zip.Close(); err != nil {
		return 0
	}
	return int(n)
}

// counter counts what is written.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
