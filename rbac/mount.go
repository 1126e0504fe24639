package rbac

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const (
	tokenDir    = "/var/run/secrets/kubernetes.io/serviceaccount" // where the admission controller mounts the token
	tokenVolume = "kube-api-access-"                              // how its volume's name starts
)

// mount works out which tokens the containers of a workload can read.
func (b *builder) mount(w *Workload) {
	from := w.Object.Origin.Path
	own := b.accountVariants(Account(w.Namespace, w.Spec.AccountName()), from)
	for _, s := range own {
		account := b.account(s)
		if w.automounts(account) {
			w.Tokens = append(w.Tokens, Token{Subject: s, Account: account, Mount: Automount, Path: w.AccountPath()})
		}
	}
	for i, v := range w.Spec.Volumes {
		if !w.mounts(v.Name) {
			continue
		}
		at := w.path("volumes", i)
		if v.Secret != nil {
			b.mountSecret(w, v.Secret.SecretName, append(slices.Clone(at), "secret", "secretName"))
		}
		if v.Projected == nil {
			continue
		}
		for j, s := range v.Projected.Sources {
			in := append(slices.Clone(at), "projected", "sources", j)
			if s.Token != nil && forAPIServer(s.Token.Audience) {
				for _, subject := range own {
					w.Tokens = append(w.Tokens, Token{Subject: subject, Account: b.account(subject), Mount: Projected, Path: append(in, "serviceAccountToken")})
				}
			}
			if s.Secret != nil {
				b.mountSecret(w, s.Secret.Name, append(in, "secret", "name"))
			}
		}
	}
	w.Tokens = onePerAccount(w.Tokens)
}

// automounts follows kubernetes/plugin/pkg/admission/serviceaccount: the pod's
// own word counts before its account's, and the default is true. A container
// that mounts something else at the very path of the token gets none there.
// A volume that is called as the controller's is mounted in its stead,
// whatever it holds.
func (w *Workload) automounts(account *ServiceAccount) bool {
	says := w.Spec.Automount
	if says == nil && account != nil {
		says = account.Automount
	}
	if says != nil && !*says {
		return false
	}
	own := func(v volume) bool { return strings.HasPrefix(v.Name, tokenVolume) }
	if i := slices.IndexFunc(w.Spec.Volumes, own); i >= 0 && !w.Spec.Volumes[i].hasToken() {
		return false
	}
	return slices.ContainsFunc(w.containers(), func(c container) bool {
		return !slices.ContainsFunc(c.VolumeMounts, func(m volumeMount) bool { return m.MountPath == tokenDir })
	})
}

func (v volume) hasToken() bool {
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s projection) bool {
		return s.Token != nil && forAPIServer(s.Token.Audience)
	})
}

func (w *Workload) containers() []container {
	return slices.Concat(w.Spec.Containers, w.Spec.InitContainers, w.Spec.EphemeralContainer)
}

// mounts tells whether any container mounts the volume.
func (w *Workload) mounts(volume string) bool {
	for _, c := range w.containers() {
		for _, m := range c.VolumeMounts {
			if m.Name == volume {
				return true
			}
		}
	}
	return false
}

// forAPIServer tells whether a token for this audience opens the API server:
// "" is its default, the others are what its issuer is usually called. A token
// for another audience is refused by the API server.
func forAPIServer(audience string) bool {
	return audience == "" || audience == "api" ||
		strings.HasPrefix(strings.TrimPrefix(audience, "https://"), "kubernetes.default")
}

// mountSecret enters the token that a Secret of the input holds.
func (b *builder) mountSecret(w *Workload, name string, path []any) {
	from := w.Object.Origin.Path
	for _, s := range nearest(from, b.secrets[w.Namespace+"/"+name], func(s *TokenSecret) string { return s.Object.Origin.Path }) {
		if s.Type != corev1.SecretTypeServiceAccountToken || s.Account == "" {
			continue
		}
		for _, subject := range b.accountVariants(Account(w.Namespace, s.Account), from) {
			w.Tokens = append(w.Tokens, Token{Subject: subject, Account: b.account(subject), Mount: Secret, Path: path})
		}
	}
}

// onePerAccount keeps the first way in which each account's token is mounted.
func onePerAccount(tokens []Token) []Token {
	var kept []Token
	for _, t := range tokens {
		if !slices.ContainsFunc(kept, func(k Token) bool { return k.Subject == t.Subject }) {
			kept = append(kept, t)
		}
	}
	return kept
}
