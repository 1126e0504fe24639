package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/hotpod-dev/hotpod/rbac"
)

func newTokens(o *queryOptions, s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "tokens",
		Short: "List where tokens are: mounted into pods, or in Secrets",
		Long: `Tokens lists each service account token that a workload mounts and each Secret
that holds one, or a bootstrap token: whose it is, for which audience and how
long it lasts, as the manifest says it or Kubernetes does where it says nothing.
Where a manifest holds a token, its claims are decoded; the token itself is
never shown, and none is ever asked of a cluster.`,
		Example: "  hotpod query tokens\n  hotpod query tokens -n shop -o json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd, args, tokens, s) },
	}
}

// token is a line of tokens.
type token struct {
	origin
	Holder   string  `json:"holder"`
	Subject  string  `json:"subject,omitempty"`
	Mount    string  `json:"mount"` // automount, projected, secret; token or bootstrap for a Secret itself
	Audience string  `json:"audience"`
	Expires  string  `json:"expires"`
	At       string  `json:"at"`
	Claims   *claims `json:"claims,omitempty"`
}

func (t token) cells(bool) []string {
	return []string{t.Holder, t.Subject, t.Mount, t.Audience, t.Expires, t.At}
}

const (
	ownAudience = "API server"
	automounted = 3607 * time.Second // what the admission controller asks for
	projected   = time.Hour          // what a projection without a word gets
)

func tokens(_ []string, q *asked) (answer, error) {
	rows := []token{}
	for _, w := range q.worlds {
		for _, p := range w.Model.Workloads {
			if q.keepNamespace(p.Namespace) {
				rows = append(rows, w.mounts(p)...)
			}
		}
		for _, s := range w.Model.Secrets {
			if q.keepNamespace(s.Namespace) && holdsToken(s) {
				rows = append(rows, w.kept(s))
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b token) int {
		return cmp.Or(cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.Subject, b.Subject))
	})
	return answer{data: rows, tables: []table{tabulate(q, "", []string{"HOLDER", "SUBJECT", "MOUNT", "AUDIENCE", "EXPIRES", "AT"}, rows)}}, nil
}

func holdsToken(s *rbac.TokenSecret) bool {
	return s.Type == corev1.SecretTypeServiceAccountToken || s.Type == corev1.SecretTypeBootstrapToken
}

// mounts are the tokens that a workload can read: by the controller or a token
// Secret as the model says, and each projection, of which the model knows only
// those that open the API server.
func (j judged) mounts(w *rbac.Workload) []token {
	var all []token
	for _, t := range w.Tokens {
		row := token{origin: origin{World: j.dir}, Holder: nameOf(w), Subject: t.Subject.Key(), Mount: string(t.Mount), At: placeOf(w.Object, t.Path...), Audience: ownAudience}
		switch t.Mount {
		case rbac.Automount:
			row.Expires = automounted.String()
		case rbac.Secret:
			row.Expires = "never"
		case rbac.Projected:
			continue
		}
		all = append(all, row)
	}
	spec := readPodSpec(w)
	for _, i := range spec.mounted() {
		for k, s := range spec.Volumes[i].Projected.Sources {
			if s.Token == nil {
				continue
			}
			path := append(slices.Clone(w.SpecPath), "volumes", i, "projected", "sources", k, "serviceAccountToken")
			all = append(all, token{
				origin: origin{World: j.dir}, Holder: nameOf(w), Subject: rbac.Account(w.Namespace, w.Spec.AccountName()).Key(),
				Mount: string(rbac.Projected), Audience: cmp.Or(s.Token.Audience, ownAudience),
				Expires: cmp.Or(time.Duration(s.Token.Seconds)*time.Second, projected).String(), At: placeOf(w.Object, path...),
			})
		}
	}
	return all
}

// kept is a Secret that holds a token.
func (j judged) kept(s *rbac.TokenSecret) token {
	row := token{origin: origin{World: j.dir}, Holder: "Secret:" + s.Namespace + "/" + s.Object.Name, Mount: "bootstrap", Audience: ownAudience, Expires: "as it says", At: placeOf(s.Object)}
	if s.Type == corev1.SecretTypeServiceAccountToken {
		row.Mount, row.Expires = "token", "never"
		if s.Account != "" {
			row.Subject = rbac.Account(s.Namespace, s.Account).Key()
		}
	}
	if row.Claims = claimsOf(s); row.Claims != nil {
		row.Audience = cmp.Or(strings.Join(row.Claims.Audience, ","), row.Audience)
		if row.Claims.Expires != "" {
			row.Expires = row.Claims.Expires
		}
	}
	return row
}

// claims are what is told of a token.
type claims struct {
	Subject  string   `json:"subject,omitempty"`
	Issuer   string   `json:"issuer,omitempty"`
	Audience []string `json:"audience,omitempty"`
	Expires  string   `json:"expires,omitempty"`
	Bound    []string `json:"bound,omitempty"` // the objects that it ends with
}

// claimsOf decodes the claims of a token that the manifest of a Secret holds,
// if it does. The token goes no further than this function.
func claimsOf(s *rbac.TokenSecret) *claims {
	var secret struct {
		Data   map[string][]byte `json:"data"`
		String map[string]string `json:"stringData"`
	}
	if s.Object.Decode(&secret) != nil {
		return nil
	}
	parts := strings.Split(cmp.Or(secret.String["token"], string(secret.Data["token"])), ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return readClaims(payload)
}

func readClaims(payload []byte) *claims {
	var jwt struct {
		Subject  string          `json:"sub"`
		Issuer   string          `json:"iss"`
		Audience json.RawMessage `json:"aud"`
		Expires  int64           `json:"exp"`
		Bound    map[string]any  `json:"kubernetes.io"`
	}
	if json.Unmarshal(payload, &jwt) != nil {
		return nil
	}
	c := &claims{Subject: jwt.Subject, Issuer: jwt.Issuer}
	var one string
	if json.Unmarshal(jwt.Audience, &one) == nil {
		c.Audience = []string{one}
	} else if json.Unmarshal(jwt.Audience, &c.Audience) != nil {
		c.Audience = nil
	}
	if jwt.Expires > 0 {
		c.Expires = time.Unix(jwt.Expires, 0).UTC().Format(time.RFC3339)
	}
	for _, kind := range []string{"pod", "secret", "node", "serviceaccount"} {
		if object, ok := jwt.Bound[kind].(map[string]any); ok {
			c.Bound = append(c.Bound, fmt.Sprintf("%s:%v", kind, object["name"]))
		}
	}
	return c
}
