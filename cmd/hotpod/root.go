package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/report"
)

// version is that of the next release while it is being made.
const version = "0.1.0-dev"

// Exit codes, as the README promises them.
const (
	exitClean       = 0
	exitFindings    = 1
	exitUsage       = 2
	exitIncomplete  = 3
	exitInterrupted = 130
)

// streams is the world outside of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
	color    bool // out is a terminal that may be coloured
	now      func() time.Time
	env      func(string) string
}

func systemStreams() streams {
	return streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, color: colorful(os.Stdout), now: time.Now, env: os.Getenv}
}

// note writes one line to stderr. It may name what the input holds.
func (s streams) note(format string, args ...any) {
	text := lines.ReplaceAllString(strings.TrimSpace(fmt.Sprintf(format, args...)), " ")
	fmt.Fprintf(s.err, "hotpod: %s\n", report.Clean(text))
}

var lines = regexp.MustCompile(`\s*\n\s*`)

// colorful follows no-color.org.
func colorful(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// exitError ends the command with a code of its own. Its text, if any, is
// printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// run is main without the process: it gives the exit code.
func run(ctx context.Context, args []string, s streams) int {
	cmd := newRoot(s)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	var coded *exitError
	switch {
	case err == nil:
		return exitClean
	case ctx.Err() != nil:
		s.note("interrupted")
		return exitInterrupted
	case errors.As(err, &coded):
		if coded.err != nil {
			s.note("%v", err)
		}
		return coded.code
	}
	s.note("%v", err)
	return exitUsage
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "hotpod",
		Short: "Finds risky permissions in Kubernetes manifests",
		Long: `Hotpod reads Kubernetes manifests, works out who may do what exactly as the
API server would, and shows each risk on the line that grants it.

Exit codes: 0 nothing at or above the threshold; 1 findings; 2 usage or
configuration; 3 the result is incomplete; 130 interrupted.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.AddCommand(newScan(s), newExplain(s), newChecks(s), newReport(s), newMerge(s), newSnapshot(s), newQuery(s), newBase(s), newVersion(s))
	return root
}

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.out, "hotpod", version)
			return err
		},
	}
}
