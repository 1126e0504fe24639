package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hotpod-dev/hotpod/report"
)

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "EOF",
		"null":                                 "not the output of hotpod scan -o json",
		"{}":                                   "not the output of hotpod scan -o json",
		`{"tool": {"name": "Other"}}`:          "not the output of hotpod scan -o json",
		`{"tool": {"name": "Hotpod"}, "x": 1}`: `unknown field "x"`,
		`{"tool": {"name": "Hotpod"}} {}`:      "something behind",
		`{"tool": {"name": "Hotpod"}} x`:       "something behind",
		`{"tool": {"name": "Hotpod"}, "results": [{"severity": "worst"}]}`:           `severity "worst"`,
		`{"tool": {"name": "Hotpod"}, "results": [{"location": {"line": "one"}}]}`:   "line",
		`{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "runs": [{}]}`: `unknown field "$schema"`,
	} {
		if _, err := report.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// A saved report that can be read can be written in every format, and saved
// again without loss.
func FuzzRead(f *testing.F) {
	// Small ones: Go's fuzzing makes every large input small before it goes on.
	f.Add([]byte(`{"tool": {"name": "Hotpod", "version": "1"}, "summary": {"findings": 1, "highest": "high", "failOn": "high"}, "rules": [{"id": "HP1/named", "check": "HP1", "name": "a-b", "title": "T", "reach": "named", "severity": "high", "why": "w", "links": ["http://a"], "cis": ["5.1"], "mitre": ["T1"]}], "results": [{"rule": "HP1/named", "check": "HP1", "severity": "high", "fails": true, "message": [{"text": "a [b]. "}, {"text": "c", "related": 1}], "location": {"path": "a b.yaml", "line": 1, "column": 2, "endColumn": 3, "source": "xyz"}, "related": [{"path": "c:d", "line": 2, "text": "e"}], "flows": [[{"path": "f", "line": 3, "text": "g"}]], "findings": [{"fingerprint": "h"}], "lineHash": "1:1", "fingerprints": ["h"]}], "ignored": [], "problems": [{"location": {"path": "i"}, "text": "j", "incomplete": true}], "prefix": "p", "category": "q"}`))
	f.Add([]byte(`{"tool": {"name": "Hotpod"}, "results": [{"rule": "x", "severity": "high", "location": {"path": "../../..", "line": -1, "column": 9, "endColumn": 1000000000, "source": "x", "from": 5}, "message": [{"text": "[", "related": 7}], "flows": [[], [{}]], "findings": null}]}`))
	f.Add([]byte(`{"tool": {"name": "Hotpod"}, "summary": {"bySeverity": {"low": -1}}, "rules": [{"id": "x", "name": "é-ß", "links": ["%"]}], "problems": [{"text": "\u0000\ud800##["}], "absent": [{}], "delta": [{"gains": [{"verbs": []}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := report.Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		save := func(r *report.Report) *report.Report {
			again, err := report.Read(bytes.NewReader(render(t, report.JSON, r)))
			if err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			return again
		}
		r = save(r) // an empty list that Hotpod does not write is as good as none
		again := save(r)
		for name, write := range report.Formats() {
			first := render(t, write, r)
			if !bytes.Equal(first, render(t, write, again)) {
				t.Errorf("%s is not the same after saving", name)
			}
			if name == "sarif" {
				readSARIF(t, first)
			}
			// Each line has a place of a few hundred characters at most, besides what the report holds.
			if len(first) > 100*len(text)+100_000 {
				t.Errorf("%d bytes of %s from %d", len(first), name, len(text))
			}
		}
	})
}
