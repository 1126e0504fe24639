package cluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/hotpod-dev/hotpod/source"
)

// A snapshot is a stream of JSON objects, one a line, which source reads like
// any manifest, and kubectl too. Unlike the items of one List each of them is
// placed without parsing the others. Its first object says what it is and
// what it lacks.
const (
	snapshotVersion = "hotpod.dev/v1"
	snapshotKind    = "Snapshot"
)

type snapshotHead struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Kubernetes string            `json:"kubernetesVersion,omitempty"`
	Gaps       []snapshotGap     `json:"gaps,omitempty"`
	Problems   []snapshotProblem `json:"problems,omitempty"`
}

type snapshotGap struct {
	Kind     string `json:"kind"`
	Resource string `json:"resource"`
	Listed   int    `json:"listed"`
	Reason   string `json:"reason"`
}

type snapshotProblem struct {
	Message    string `json:"message"`
	Incomplete bool   `json:"incomplete,omitempty"`
}

// WriteSnapshot writes what was listed, with what was not, as a file that
// source.Load reads anywhere. There is no data of Secrets in a Listing.
func WriteSnapshot(w io.Writer, l *Listing) error {
	head := snapshotHead{APIVersion: snapshotVersion, Kind: snapshotKind, Kubernetes: l.Version}
	for _, p := range l.Problems {
		head.Problems = append(head.Problems, snapshotProblem{p.Err.Error(), p.Incomplete})
	}
	for _, g := range l.Gaps {
		head.Gaps = append(head.Gaps, snapshotGap{g.Kind, g.Resource, g.Listed, g.Err.Error()})
	}
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	if err := lines.Encode(head); err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	for _, o := range l.Objects {
		var content json.RawMessage
		if err := o.Decode(&content); err != nil {
			return fmt.Errorf("writing a snapshot: %w", err)
		}
		if err := lines.Encode(content); err != nil {
			return fmt.Errorf("writing a snapshot: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	return nil
}

// ReadSnapshot repeats what the listing of a snapshot could not read, for
// snapshots among objects that were loaded, so that a partial one never passes
// for a clean cluster. Other objects are passed over.
func ReadSnapshot(objects []*source.Object) (gaps []Gap, problems []source.Problem) {
	for _, o := range objects {
		if o.Kind != snapshotKind || o.APIVersion != snapshotVersion {
			continue
		}
		var head snapshotHead
		if err := o.Decode(&head); err != nil {
			problems = append(problems, source.Problem{Position: o.At(), Err: fmt.Errorf("reading a snapshot: %w", err), Incomplete: true})
		}
		for _, g := range head.Gaps {
			gaps = append(gaps, Gap{Kind: g.Kind, Resource: g.Resource, Listed: g.Listed, Err: errors.New(g.Reason)})
		}
		for _, p := range head.Problems {
			problems = append(problems, source.Problem{Position: o.At("problems"), Err: errors.New(p.Message), Incomplete: p.Incomplete})
		}
	}
	return gaps, problems
}
