package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/triage"
)

// sarifLog is as much of a SARIF file as a later scan is compared with.
type sarifLog struct {
	Runs []struct {
		Tool struct {
			Driver struct {
				Name  string
				Rules []struct {
					ID         string
					Properties map[string]any
				}
			}
		}
		Results []sarifOld
	}
}

type sarifOld struct {
	RuleID    string
	Message   struct{ Text string }
	Locations []struct {
		PhysicalLocation struct {
			ArtifactLocation struct{ URI string }
			Region           struct{ StartLine, StartColumn, EndColumn int }
		}
	}
	PartialFingerprints map[string]string
	Properties          struct{ Fingerprints []string }
}

// ReadSARIF reads the results of a SARIF file that Hotpod wrote, as far as
// they serve to compare with.
func ReadSARIF(in io.Reader) ([]Result, error) {
	var log sarifLog
	if err := json.NewDecoder(in).Decode(&log); err != nil {
		return nil, fmt.Errorf("reading SARIF: %w", err)
	}
	var all []Result
	ours := false
	for _, run := range log.Runs {
		if run.Tool.Driver.Name != "Hotpod" {
			continue
		}
		ours = true
		severities := map[string]checks.Severity{}
		for _, rule := range run.Tool.Driver.Rules {
			severities[rule.ID] = severityOf(rule.Properties["security-severity"])
		}
		for _, old := range run.Results {
			r := old.result()
			r.Severity = severities[r.Rule]
			all = append(all, r)
		}
	}
	if !ours {
		return nil, errors.New("reading SARIF: the file holds no run of Hotpod")
	}
	return all, nil
}

func (old sarifOld) result() Result {
	r := Result{Rule: old.RuleID, State: triage.Absent, Fingerprints: old.Properties.Fingerprints}
	r.Check, _, _ = strings.Cut(old.RuleID, "/")
	r.Message = Message{{Text: unlinked(old.Message.Text)}}
	if id := old.PartialFingerprints["hotpod/v1"]; len(r.Fingerprints) == 0 && id != "" {
		r.Fingerprints = []string{id}
	}
	for _, f := range r.Fingerprints {
		r.Findings = append(r.Findings, Finding{Fingerprint: f, State: triage.Absent})
	}
	if len(old.Locations) > 0 {
		at := old.Locations[0].PhysicalLocation
		file, err := url.PathUnescape(at.ArtifactLocation.URI)
		if err != nil {
			file = at.ArtifactLocation.URI
		}
		r.Location = Location{Path: file, Line: at.Region.StartLine, Column: at.Region.StartColumn, EndColumn: at.Region.EndColumn}
	}
	return r
}

// severityOf reads the number that GitHub takes a severity from.
func severityOf(number any) checks.Severity {
	text, _ := number.(string)
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return checks.Low
	case n > 9:
		return checks.Critical
	case n >= 7:
		return checks.High
	case n >= 4:
		return checks.Medium
	}
	return checks.Low
}

// unlinked takes links to places out of a message, which linked put in.
func unlinked(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		switch {
		case text[0] == '\\' && len(text) > 1:
			b.WriteByte(text[1])
			text = text[2:]
		case text[0] == '[':
			text = text[1:]
		case text[0] == ']':
			end := strings.IndexByte(text, ')')
			text = text[max(end, 0)+1:]
		default:
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}
