package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/triage"
)

// fixing refuses flags that do not go together with --fix.
func (o scanOptions) fixing(paths []string) error {
	switch {
	case o.dryRun && !o.fix:
		return errors.New("--dry-run belongs to --fix")
	case o.fix && slices.Contains(paths, "-"):
		return errors.New("--fix edits files, and standard input is none")
	case o.fix && o.target.cluster != noCluster:
		return errors.New("--fix edits files: scan them without --cluster")
	}
	return nil
}

// fixOutputs leaves standard output to the diff of a dry run.
func fixOutputs(given []string) ([]output, error) {
	if len(given) == 0 {
		return nil, nil
	}
	outputs, err := parseOutputs(given)
	if slices.ContainsFunc(outputs, func(o output) bool { return o.file == "" }) {
		return nil, errors.New("--dry-run writes a diff to standard output; give the format a file, as in sarif=hotpod.sarif")
	}
	return outputs, err
}

// fix edits the manifests of the findings that are shown, as far as their
// repair takes no thought, or shows the edits as a diff. It tells what it does
// and what it leaves, and gives how many findings it repaired.
func fix(shown []triage.Decision, dry bool, s streams) (fixed int, err error) {
	edits := map[string][]source.Edit{}
	byFile := map[string][]*checks.Finding{}
	for _, d := range shown {
		if d.Finding.Fix == nil {
			continue
		}
		e, err := d.Finding.Fix.Edit()
		if err != nil {
			notFixed(s, d.Finding, err)
			continue
		}
		edits[e.Path] = append(edits[e.Path], e)
		byFile[e.Path] = append(byFile[e.Path], d.Finding)
	}
	files := 0
	for _, file := range slices.Sorted(maps.Keys(edits)) {
		switch refused, err := fixFile(file, edits[file], dry, s); {
		case err != nil:
			return fixed, err
		case refused != nil:
			for _, f := range byFile[file] {
				notFixed(s, f, refused)
			}
		default:
			fixed, files = fixed+len(byFile[file]), files+1
		}
	}
	verb := "fixed"
	if dry {
		verb = "would fix"
	}
	fmt.Fprintf(s.err, "hotpod: %s %d findings in %d files\n", verb, fixed, files)
	return fixed, nil
}

func notFixed(s streams, f *checks.Finding, reason error) {
	fmt.Fprintf(s.err, "hotpod: %s: %s not fixed: cannot %s: %v\n", f.Position(), f.RuleID(), f.Fix, reason)
}

// fixFile edits one file. Its permissions stay as they are.
func fixFile(file string, edits []source.Edit, dry bool, s streams) (refused, err error) {
	name := filepath.FromSlash(file)
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("fixing: %w", err)
	}
	now, refused := source.Apply(content, edits)
	switch {
	case refused != nil:
		return refused, nil
	case dry:
		_, err = fmt.Fprint(s.out, source.Diff(content, edits))
	default:
		err = os.WriteFile(name, now, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("fixing: %w", err)
	}
	return nil, nil
}
