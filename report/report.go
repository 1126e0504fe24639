// Package report writes what was found. A Report is plain data, which the JSON
// format holds in full, and each format is a pure function of it; so a saved
// report can be turned into any other format later.
package report

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/triage"
)

// Report is all that a scan has to say.
type Report struct {
	Tool     Tool      `json:"tool"`
	Summary  Summary   `json:"summary"`
	Rules    []Rule    `json:"rules"`   // each variant of each check that ran
	Results  []Result  `json:"results"` // the worst first
	Ignored  []Result  `json:"ignored"`
	Problems []Problem `json:"problems"`
	// Base says what the scan was compared with; "" where with nothing, and
	// then the rest is empty too.
	Base   string   `json:"base,omitempty"`
	Absent []Result `json:"absent,omitempty"` // found in the base, with places there, and gone now
	Delta  []Change `json:"delta,omitempty"`  // what subjects can do now and could not before, and the other way round
	// Prefix is the path from the root of the repository to the folder that
	// paths are relative to; "" where they are the same.
	Prefix   string `json:"prefix,omitempty"`
	Category string `json:"category,omitempty"`
	// Blob is the address below which a browser shows the files of the
	// repository as they were scanned, if there is one.
	Blob string `json:"blob,omitempty"`
	// MaxResults is how many results SARIF holds at the most; 0 is what GitHub shows.
	MaxResults int `json:"maxResults,omitempty"`
	// ShowIgnored writes ignored findings into SARIF, as suppressed.
	ShowIgnored bool `json:"showIgnored,omitempty"`
}

// Tool is who made the report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Summary counts. Findings are counted one by one; results may hold several.
type Summary struct {
	Findings   int                     `json:"findings"`
	New        int                     `json:"new"`     // without a base all are new
	Failing    int                     `json:"failing"` // new, and at or above the threshold
	Absent     int                     `json:"absent"`  // of the base, and gone now
	Highest    checks.Severity         `json:"highest"`
	Ignored    int                     `json:"ignored"`
	Problems   int                     `json:"problems"`
	Incomplete bool                    `json:"incomplete"` // something was not judged
	FailOn     string                  `json:"failOn"`
	BySeverity map[checks.Severity]int `json:"bySeverity"`
	Proofs     map[checks.Verdict]int  `json:"proofs,omitempty"` // of findings that were tried on a cluster
	Files      int                     `json:"files"`
	Objects    int                     `json:"objects"`
}

// Rule is one variant of a check: code scanning takes severity from the rule.
type Rule struct {
	ID       string          `json:"id"`
	Check    string          `json:"check"`
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	Reach    checks.Reach    `json:"reach,omitempty"`
	Severity checks.Severity `json:"severity"`
	Why      string          `json:"why"`
	Fix      string          `json:"fix"`
	Quiet    string          `json:"quiet,omitempty"`
	Links    []string        `json:"links,omitempty"`
	CIS      []string        `json:"cis,omitempty"`
	MITRE    []string        `json:"mitre,omitempty"`
}

// Result is what is to be said about one place by one rule: one finding, or
// several that differ only in who has the grant and through which binding.
type Result struct {
	Rule         string          `json:"rule"`
	Check        string          `json:"check"`
	Severity     checks.Severity `json:"severity"`
	State        triage.State    `json:"state,omitempty"` // new if any of its findings is; none without a base
	Fails        bool            `json:"fails"`
	Message      Message         `json:"message"`
	Location     Location        `json:"location"`
	Related      []Location      `json:"related,omitempty"`
	Flows        [][]Location    `json:"flows,omitempty"`
	Findings     []Finding       `json:"findings"`
	LineHash     string          `json:"lineHash,omitempty"`     // as GitHub computes it
	Justified    string          `json:"justified,omitempty"`    // why it is ignored
	Fingerprints []string        `json:"fingerprints,omitempty"` // hotpod/v1 of each finding
	Fix          *Fix            `json:"fix,omitempty"`          // nil where the repair needs thought
	Proof        checks.Verdict  `json:"proof,omitempty"`        // refuted if any of its findings is; none without a cluster
}

// Fix is a repair: Insert takes the place of what Location covers, which is
// nothing where it ends at the column where it starts.
type Fix struct {
	Text     string   `json:"text"`
	Location Location `json:"location"`
	Insert   string   `json:"insert"`
}

// Finding names the parties of one finding.
type Finding struct {
	Fingerprint string `json:"fingerprint"`
	// State is new or unchanged; none without a base.
	State     triage.State `json:"state,omitempty"`
	Subject   string       `json:"subject,omitempty"`
	Binding   string       `json:"binding,omitempty"`
	Role      string       `json:"role,omitempty"`
	Workload  string       `json:"workload,omitempty"`
	Namespace string       `json:"namespace,omitempty"`
	Names     []string     `json:"names,omitempty"`
	// Path names the objects that lead to what the finding is about: workload,
	// subject, binding and role, as far as it has them. Gives is where it leads.
	Path  []string `json:"path,omitempty"`
	Gives string   `json:"gives,omitempty"`
	// Proof is what a cluster answered when the finding was tried on it.
	Proof *checks.Proof `json:"proof,omitempty"`
}

// Change is what one subject can do now and could not before, and what it
// cannot do any more, whether or not a check looks for it.
type Change struct {
	Subject string   `json:"subject"`         // Kind:[namespace/]name
	World   string   `json:"world,omitempty"` // the folder of the cluster, where the input holds several
	Gains   []Access `json:"gains,omitempty"`
	Losses  []Access `json:"losses,omitempty"`
}

// Access is some verbs on one resource, or on one non-resource path.
type Access struct {
	Verbs     []string `json:"verbs"`
	Group     string   `json:"group,omitempty"`
	Resource  string   `json:"resource,omitempty"` // with the subresource
	Path      string   `json:"path,omitempty"`
	Names     []string `json:"names,omitempty"`
	Namespace string   `json:"namespace,omitempty"` // none is the whole cluster
}

// Location is a place on one line. Text says what it has to do with the result.
type Location struct {
	Path      string `json:"path"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndColumn int    `json:"endColumn,omitempty"`
	Source    string `json:"source,omitempty"` // the line itself, or the element alone where the line is long
	From      int    `json:"from,omitempty"`   // the column that Source begins with, where it is not the whole line
	Text      string `json:"text,omitempty"`
}

// String is the place as it is printed.
func (l Location) String() string {
	if l.Line == 0 {
		return l.Path
	}
	return fmt.Sprintf("%s:%d", l.Path, l.Line)
}

// Message is text in which some words stand for related locations.
type Message []Span

// Span is a piece of a message; Related is the number of the related location
// that it stands for, counted from 1, or 0.
type Span struct {
	Text    string `json:"text"`
	Related int    `json:"related,omitempty"`
}

// String is the message as plain text.
func (m Message) String() string {
	var s string
	for _, span := range m {
		s += span.Text
	}
	return s
}

// inRepository is the path of a file from the root of the repository. What lies
// outside of it keeps its path without the way out.
func (r *Report) inRepository(file string) string {
	full := path.Join(r.Prefix, file)
	for strings.HasPrefix(full, "../") {
		full = full[3:]
	}
	return strings.TrimPrefix(full, "/")
}

// Problem is something that was not read or not understood, or is wrong with
// an ignore.
type Problem struct {
	Location   Location `json:"location"`
	Text       string   `json:"text"`
	Incomplete bool     `json:"incomplete"`
}

// Format writes a report. Options of a format are in the report.
type Format func(io.Writer, *Report) error

// Formats are the formats that a report can be written in by name.
func Formats() map[string]Format {
	return map[string]Format{
		"text":     func(w io.Writer, r *Report) error { return Text(w, r, false) },
		"json":     JSON,
		"sarif":    SARIF,
		"github":   GitHub,
		"markdown": Markdown,
		"html":     HTML,
	}
}

// Find gives the format of a name.
func Find(name string) (Format, error) {
	if f, ok := Formats()[name]; ok {
		return f, nil
	}
	var names []string
	for n := range Formats() {
		names = append(names, n)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("output format %q is not known: use one of %q", name, names)
}
