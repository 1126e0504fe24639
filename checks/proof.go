package checks

// Verdict is what a real API server makes of a finding.
type Verdict string

// The verdicts. A finding that is refuted is a mistake of ours, or the cluster
// has a guard that manifests do not show.
const (
	Proven   Verdict = "proven"
	Refuted  Verdict = "refuted"
	NotTried Verdict = "not tried"
)

// Proof is what an API server answered when the attack of a finding was tried.
// There is no data of secrets, no token and no certificate in it.
type Proof struct {
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"` // why it was not tried
	Tried   []Trial `json:"tried,omitempty"`
}

// Trial is one request of a proof and what came of it.
type Trial struct {
	As      string `json:"as"`             // who asked, and how
	Request string `json:"request"`        // method and path
	Body    string `json:"body,omitempty"` // the kind that was sent
	Status  int    `json:"status"`         // of HTTP
	Shows   string `json:"shows"`          // one line
}
