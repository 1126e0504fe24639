package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/cluster"
)

// snapshotOptions are the flags of snapshot.
type snapshotOptions struct {
	file   string
	target target
}

func newSnapshot(s streams) *cobra.Command {
	o := snapshotOptions{target: target{cluster: contextCluster}}
	cmd := &cobra.Command{
		Use:   "snapshot -o FILE",
		Short: "Save what a cluster says about permissions, to scan it later",
		Long: `Snapshot writes the roles, bindings, service accounts and workloads of a cluster
to one file, which scan and query read anywhere. It holds no data of secrets, no
commands, arguments or values of environment variables. What could not be read
is kept in the file, so that a scan of it knows; the exit code is then 3.`,
		Example: `  hotpod snapshot --context staging -o staging.json
  hotpod scan staging.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return snapshot(cmd, o, s) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "output", "o", "", "`file` to write, - for standard output")
	o.target.contextFlags(f)
	return cmd
}

func snapshot(cmd *cobra.Command, o snapshotOptions, s streams) error {
	if o.file == "" {
		return errors.New("--output: name the file to write, or - for standard output")
	}
	said, err := o.target.list(cmd.Context(), &site{}, nil, s)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := cluster.WriteSnapshot(&b, said); err != nil {
		return err
	}
	if o.file == "-" {
		_, err = s.out.Write(b.Bytes())
	} else {
		// Who may do what is nobody's business but the owner's.
		err = os.WriteFile(o.file, b.Bytes(), 0o600)
	}
	if err != nil {
		return &exitError{exitIncomplete, fmt.Errorf("writing the snapshot: %w", err)}
	}
	incomplete := false
	for _, p := range append(said.Problems, unjudged(checks.All(), said.Gaps)...) {
		incomplete = incomplete || p.Incomplete
		s.note("%v", p.Err)
	}
	s.note("%d objects saved; %d pods and others that their controller stands for left out", len(said.Objects), said.Folded)
	if incomplete {
		return &exitError{code: exitIncomplete}
	}
	return nil
}
