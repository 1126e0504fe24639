// Package prove tries the attack of each finding on a real API server, as the
// subject that the finding is about, and keeps what the server answered.
//
// What the API can do without doing it is done by dry run; of secrets nothing
// but metadata is asked for. On a cluster that is not ours there are only dry
// runs and SubjectAccessReviews, and never a request for a token, whose dry run
// would give a working one.
package prove

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
)

// Target is the cluster that findings are proven on.
type Target struct {
	Config *rest.Config // the operator's access
	// Ephemeral clusters are there for the proofs: service accounts act with
	// tokens of their own, and objects are made to be attacked, and deleted.
	Ephemeral bool
}

const (
	parallel = 4 // requests at a time: the API server has others to serve
	// A grant that was written a moment ago may not have reached the
	// authorizer. It is asked again before anything is called refuted.
	again     = 300 * time.Millisecond
	cleanedIn = 30 * time.Second
)

// Findings tries each finding, and gives a proof for every one of them. The
// error says that the target is of no use or that ctx ended.
func Findings(ctx context.Context, t Target, findings []*checks.Finding) (map[*checks.Finding]checks.Proof, error) {
	c, err := newClient(t)
	if err != nil {
		return nil, err
	}
	p := &prover{client: c}
	p.accounts = slices.DeleteFunc(accounts(findings), func(s rbac.Subject) bool { return !c.exists(ctx, s) })
	proofs := p.all(ctx, findings)
	if refuted := inVerdict(findings, proofs, checks.Refuted); len(refuted) > 0 && wait(ctx, again) {
		for f, proof := range p.all(ctx, refuted) {
			proofs[f] = proof
		}
	}
	if err := p.clean(ctx); err != nil {
		return proofs, err
	}
	return proofs, context.Cause(ctx)
}

// prover proves the findings of one scan.
type prover struct {
	*client
	canaries canaries
	accounts []rbac.Subject // that are there, and worth attacking
}

// accounts are the service accounts that an attacker would choose from, the
// most powerful first.
func accounts(findings []*checks.Finding) []rbac.Subject {
	worst := slices.Clone(findings)
	slices.SortStableFunc(worst, func(a, b *checks.Finding) int { return int(b.Severity) - int(a.Severity) })
	var all []rbac.Subject
	for _, f := range worst {
		if f.Subject.Kind == "ServiceAccount" && f.Binding != nil {
			all = append(all, f.Subject)
		}
	}
	return all
}

func (p *prover) all(ctx context.Context, findings []*checks.Finding) map[*checks.Finding]checks.Proof {
	proofs := make([]checks.Proof, len(findings))
	next := make(chan int)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for i := range next {
				proofs[i] = p.prove(ctx, findings[i])
			}
		})
	}
	for i := range findings {
		next <- i
	}
	close(next)
	workers.Wait()
	byFinding := map[*checks.Finding]checks.Proof{}
	for i, f := range findings {
		byFinding[f] = proofs[i]
	}
	return byFinding
}

func inVerdict(findings []*checks.Finding, proofs map[*checks.Finding]checks.Proof, v checks.Verdict) []*checks.Finding {
	var some []*checks.Finding
	for _, f := range findings {
		if proofs[f].Verdict == v {
			some = append(some, f)
		}
	}
	return some
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// prove tries one finding. A hot pod is as hot as the worst that its account
// can do.
func (p *prover) prove(ctx context.Context, f *checks.Finding) checks.Proof {
	attacked := f
	if f.Worst != nil {
		attacked = f.Worst
	}
	make := recipes[attacked.Check.ID]
	switch {
	case ctx.Err() != nil:
		return notTried(context.Cause(ctx).Error())
	case make == nil:
		return notTried("there is nothing to try")
	case attacked.Binding == nil:
		return notTried("nobody is bound to the role")
	}
	who, err := p.identity(ctx, f.Subject)
	if err != nil {
		return notTried(err.Error())
	}
	a := &attack{prover: p, who: who, finding: attacked}
	return a.run(ctx, make(a))
}

func notTried(reason string) checks.Proof {
	return checks.Proof{Verdict: checks.NotTried, Reason: reason}
}

// attack is a finding that is being tried as its subject.
type attack struct {
	*prover
	who     *identity
	finding *checks.Finding
}

// run takes the steps until one fails: they are all needed.
func (a *attack) run(ctx context.Context, steps []step) checks.Proof {
	proof := checks.Proof{Verdict: checks.Proven}
	if len(steps) == 0 {
		return notTried("what the finding grants has no request of its own")
	}
	for _, s := range steps {
		verdict, tried := a.take(ctx, s)
		proof.Tried = append(proof.Tried, tried...)
		if verdict == checks.Proven {
			continue
		}
		proof.Verdict = verdict
		if verdict == checks.NotTried {
			proof.Reason = "the cluster gave no clear answer"
		}
		if verdict == checks.Refuted && a.finding.Subject.Variant != "" {
			proof.Verdict, proof.Reason = checks.NotTried, fmt.Sprintf("the input defines %s more than once, and a cluster holds one of it", a.finding.Subject)
		}
		return proof
	}
	return proof
}

// take tries a step as it is, where the cluster may be asked that, and by a
// review where the request told nothing about permissions.
func (a *attack) take(ctx context.Context, s step) (checks.Verdict, []checks.Trial) {
	var tried []checks.Trial
	if s.method != "" && a.may(s) && (s.prepare == nil || s.prepare(ctx, &s) == nil) {
		verdict, trial := a.try(ctx, s)
		tried = append(tried, trial)
		if verdict != checks.NotTried || s.noReview {
			return verdict, tried
		}
	}
	verdict := checks.NotTried
	for _, action := range s.actions {
		v, trial := a.review(ctx, action)
		tried = append(tried, trial)
		if verdict = v; v != checks.Proven {
			break
		}
	}
	return verdict, tried
}

// may tells whether a step may be taken on this cluster, by this identity.
func (a *attack) may(s step) bool {
	if !a.who.own && (s.asOther() || a.target.Config.Impersonate.UserName != "") {
		return false // who is impersonated can impersonate nobody
	}
	return a.target.Ephemeral || s.dryRun()
}
