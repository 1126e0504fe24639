package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/report"
)

// output is a format and where to write it; file "" is stdout.
type output struct {
	name, file string
	format     report.Format
}

func parseOutputs(specs []string) ([]output, error) {
	if len(specs) == 0 {
		specs = []string{"text"}
	}
	var all []output
	onStdout := 0
	for _, spec := range specs {
		name, file, hasFile := strings.Cut(spec, "=")
		if hasFile && file == "" {
			return nil, fmt.Errorf("--output %s: the file has no name", spec)
		}
		format, err := report.Find(name)
		if err != nil {
			return nil, fmt.Errorf("--output: %w", err)
		}
		if !hasFile {
			onStdout++
		}
		all = append(all, output{name, file, format})
	}
	if onStdout > 1 {
		return nil, fmt.Errorf("--output: only one format can go to standard output; give the others a file, as in sarif=hotpod.sarif")
	}
	return all, nil
}

// write writes the report in each format. Files are written whole or not at
// all. If no format for people goes to stdout, stderr says how it went.
func write(r *report.Report, outputs []output, s streams) error {
	told := false
	for _, o := range outputs {
		format := o.format
		if o.name == "text" && o.file == "" && s.color {
			format = func(w io.Writer, r *report.Report) error { return report.Text(w, r, true) }
		}
		if o.file == "" {
			told = told || o.name == "text" || o.name == "github"
			if err := format(s.out, r); err != nil {
				return err
			}
			continue
		}
		var b bytes.Buffer
		if err := format(&b, r); err != nil {
			return err
		}
		if err := os.WriteFile(o.file, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("writing the %s output: %w", o.name, err)
		}
	}
	if !told {
		tell(r, s)
	}
	return nil
}

// blob is the address of the files of the commit in a job of GitHub Actions, ""
// elsewhere.
func blob(env func(string) string) string {
	server, repository, commit := env("GITHUB_SERVER_URL"), env("GITHUB_REPOSITORY"), env("GITHUB_SHA")
	if server == "" || repository == "" || commit == "" {
		return ""
	}
	return server + "/" + repository + "/blob/" + commit
}

// tell says on stderr what a reader of the data could miss.
func tell(r *report.Report, s streams) {
	for _, p := range r.Problems {
		if p.Incomplete {
			s.note("%s: not judged: %s", p.Location, p.Text)
		}
	}
	s.note("%d findings, %d at or above %s", r.Summary.Findings, r.Summary.Failing, r.Summary.FailOn)
}

func newReport(s streams) *cobra.Command {
	var outputs []string
	cmd := &cobra.Command{
		Use:   "report SAVED.json",
		Short: "Write a saved report in another format",
		Long: `Report reads what hotpod scan -o json wrote, and writes it in any other format.
It ends with the exit code that the scan had.`,
		Example: "  hotpod scan -o json=hotpod.json .\n  hotpod report -o sarif=hotpod.sarif hotpod.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			to, err := parseOutputs(outputs)
			if err != nil {
				return err
			}
			in, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("reading a saved report: %w", err)
			}
			defer in.Close() // nothing was written
			r, err := report.Read(in)
			if err != nil {
				return err
			}
			r.Blob = first(blob(s.env), r.Blob)
			if err := write(r, to, s); err != nil {
				return &exitError{exitIncomplete, err}
			}
			return verdict(r)
		},
	}
	cmd.Flags().StringArrayVarP(&outputs, "output", "o", nil, "write `FORMAT[=FILE]`: text, json, sarif, github, markdown or html; repeatable (default text)")
	return cmd
}
