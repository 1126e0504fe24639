package rbac

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hotpod-dev/hotpod/source"
)

// ServiceAccount is one definition of a service account.
type ServiceAccount struct {
	Object    *source.Object
	Subject   Subject
	Automount *bool    // automountServiceAccountToken; nil is true
	Secrets   []string // names of token Secrets that it lists
	// BoundElsewhere says that a binding beside it names an account of its name
	// in a namespace, while it names none: they may be meant to be one.
	BoundElsewhere bool
}

// TokenSecret is a Secret that holds a service account's token or a bootstrap
// token. Its data is never read.
type TokenSecret struct {
	Object    *source.Object
	Namespace string
	Type      corev1.SecretType
	Account   string // the service account it is made for, if it is one
}

func (b *builder) addAccount(o *source.Object) {
	var raw struct {
		Automount *bool                    `json:"automountServiceAccountToken"`
		Secrets   []corev1.ObjectReference `json:"secrets"`
	}
	if err := o.Decode(&raw); err != nil {
		b.problem(o.At("automountServiceAccountToken"), true, err)
	}
	account := &ServiceAccount{Object: o, Subject: Account(b.namespaceOf(o), o.Name), Automount: raw.Automount}
	for _, s := range raw.Secrets {
		account.Secrets = append(account.Secrets, s.Name)
	}
	b.model.Accounts = append(b.model.Accounts, account)
	b.accounts[account.Subject] = append(b.accounts[account.Subject], account)
}

func (b *builder) addSecret(o *source.Object) {
	var raw struct {
		Type     corev1.SecretType `json:"type"`
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if err := o.Decode(&raw); err != nil {
		b.problem(o.At("metadata"), true, err)
		return
	}
	s := &TokenSecret{Object: o, Namespace: b.namespaceOf(o), Type: raw.Type}
	if raw.Type == corev1.SecretTypeServiceAccountToken {
		s.Account = raw.Metadata.Annotations[corev1.ServiceAccountNameKey]
	}
	b.model.Secrets = append(b.model.Secrets, s)
	key := s.Namespace + "/" + o.Name
	b.secrets[key] = append(b.secrets[key], s)
}

// nameVariants tells definitions of one account apart, where there are several.
func (b *builder) nameVariants() {
	for _, variants := range b.accounts {
		if len(variants) < 2 {
			continue
		}
		for _, a := range variants {
			a.Subject.Variant = a.Object.Origin.Path
		}
	}
}

// accountVariants gives the account, or other subject, that a reference from a
// file means: the nearest definition, each where several are equally near.
func (b *builder) accountVariants(s Subject, from string) []Subject {
	if s.Kind != rbacv1.ServiceAccountKind {
		return []Subject{s}
	}
	variants := b.accounts[s]
	switch len(variants) {
	case 0:
		s.Variant = b.namespaceVariant(s.Namespace, from)
		return []Subject{s}
	case 1:
		return []Subject{s}
	}
	var all []Subject
	for _, a := range nearest(from, variants, func(a *ServiceAccount) string { return a.Object.Origin.Path }) {
		if !slices.Contains(all, a.Subject) {
			all = append(all, a.Subject)
		}
	}
	return all
}

// namespaceVariant tells apart accounts that nobody writes down, as default
// mostly is: they come with their namespace, so where the input defines that
// more than once, the definition that is nearest says which is meant.
func (b *builder) namespaceVariant(namespace, from string) string {
	variants := b.namespaces[namespace]
	if len(variants) < 2 {
		return ""
	}
	near := nearest(from, variants, func(o *source.Object) string { return o.Origin.Path })
	if len(near) > 1 {
		return ""
	}
	return near[0].Origin.Path
}

// account gives the definition of a subject, nil where the input has none.
func (b *builder) account(s Subject) *ServiceAccount {
	plain := s
	plain.Variant = ""
	for _, a := range b.accounts[plain] {
		if a.Subject == s {
			return a
		}
	}
	return nil
}

func compareRoles(a, b *Role) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Object.Origin.Path, b.Object.Origin.Path), cmp.Compare(a.Object.Origin.Line, b.Object.Origin.Line))
}
