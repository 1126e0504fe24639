package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/report"
)

func newMerge(s streams) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "merge FILE.sarif…",
		Short: "Put SARIF files together for one upload",
		Long: `Merge writes SARIF files of Hotpod as one file, with one run for each category,
as GitHub wants it. What several runs of a category find in the same file is
there once. Where that is more than GitHub takes, the worst is kept, and the
file and standard error say how much is not.`,
		Example: "  hotpod merge -o all.sarif results/*.sarif",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var logs []*report.Log
			for _, name := range args {
				log, err := readRuns(name)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				logs = append(logs, log)
			}
			var out bytes.Buffer
			done, err := report.Merge(&out, logs)
			if err != nil {
				return err
			}
			if err := writeMerged(out.Bytes(), file, s); err != nil {
				return &exitError{exitIncomplete, err}
			}
			tellMerged(done, len(logs), s)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "write `FILE` (default standard output)")
	return cmd
}

func readRuns(name string) (*report.Log, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close() // nothing was written
	return report.ReadRuns(in)
}

func writeMerged(text []byte, file string, s streams) error {
	if file == "" {
		_, err := s.out.Write(text)
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// tellMerged says on stderr what was merged, and what is not in the file.
func tellMerged(m report.Merged, files int, s streams) {
	fmt.Fprintf(s.err, "hotpod: merged %d files: %d runs with %d results, %d more were there twice\n", files, m.Runs, m.Results, m.Repeated)
	if m.CutOff > 0 {
		fmt.Fprintf(s.err, "hotpod: left out %d results of the lowest severity: GitHub takes no more\n", m.CutOff)
	}
	if len(m.Left) > 0 {
		fmt.Fprintf(s.err, "hotpod: left out the categories %s: GitHub takes 20 runs in a file; merge them into another one\n", report.Clean(strings.Join(m.Left, ", ")))
	}
	if m.Incomplete > 0 {
		fmt.Fprintf(s.err, "hotpod: %d of the runs are incomplete: they did not judge all of their input\n", m.Incomplete)
	}
}
