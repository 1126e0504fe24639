package main

import (
	"context"
	"fmt"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/prove"
	"github.com/hotpod-dev/hotpod/triage"
)

// prove tries what a scan shows on the cluster that it was found on.
func (at *site) prove(ctx context.Context, shown []triage.Decision, s streams) error {
	var findings []*checks.Finding
	for _, d := range shown {
		findings = append(findings, d.Finding)
	}
	s.note("trying %d findings on the cluster", len(findings))
	proofs, err := prove.Findings(ctx, prove.Target{Config: at.operator, Ephemeral: at.ephemeral != nil}, findings)
	if err != nil {
		return fmt.Errorf("proving: %w", err)
	}
	refuted := 0
	for f, p := range proofs {
		f.Proof = &p
		if p.Verdict == checks.Refuted {
			refuted++
		}
	}
	if refuted > 0 {
		s.note("%d findings are REFUTED by the cluster: it has a guard that manifests do not show, or Hotpod is wrong", refuted)
	}
	return nil
}
