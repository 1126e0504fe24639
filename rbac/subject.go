package rbac

import (
	"cmp"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Subject is a User, Group or ServiceAccount that bindings name.
//
// Variant is empty except where the input defines a ServiceAccount of this
// name more than once; then it is the file of the definition that is meant, so
// that two projects with an account of one name do not lend each other rights.
type Subject struct {
	Kind      string
	Namespace string
	Name      string
	Variant   string
}

const (
	accountPrefix = "system:serviceaccount:"
	groupPrefix   = "system:serviceaccounts"
)

// Group and user names that the API server itself gives to requests.
const (
	Masters         = "system:masters"
	Authenticated   = "system:authenticated"
	Unauthenticated = "system:unauthenticated"
	Anonymous       = "system:anonymous"
	AllAccounts     = groupPrefix
)

// AccountsOf is the group of all service accounts of a namespace.
func AccountsOf(namespace string) string { return groupPrefix + ":" + namespace }

// Account is the subject of a service account.
func Account(namespace, name string) Subject {
	return Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
}

// String names the subject as messages do.
func (s Subject) String() string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return fmt.Sprintf("%s '%s/%s'", s.Kind, s.Namespace, s.Name)
	}
	return fmt.Sprintf("%s '%s'", s.Kind, s.Name)
}

// Key identifies the subject without regard to variants: Kind:[namespace/]name.
func (s Subject) Key() string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return s.Kind + ":" + s.Namespace + "/" + s.Name
	}
	return s.Kind + ":" + s.Name
}

// Groups are the groups that the API server puts a request of the subject in.
// The groups that an identity provider adds for a user are not known here.
func (s Subject) Groups() []string {
	switch s = s.canonical(); {
	case s.Kind == rbacv1.ServiceAccountKind:
		return []string{AllAccounts, AccountsOf(s.Namespace), Authenticated}
	case s.Kind == rbacv1.UserKind && s.Name == Anonymous:
		return []string{Unauthenticated}
	case s.Kind == rbacv1.UserKind:
		return []string{Authenticated}
	}
	return nil
}

func compareSubjects(a, b Subject) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Name, b.Name), cmp.Compare(a.Variant, b.Variant))
}

// canonical gives the service account where a user's name is that of one: the
// authorizer compares names only.
func (s Subject) canonical() Subject {
	if full, ok := strings.CutPrefix(s.Name, accountPrefix); ok && s.Kind == rbacv1.UserKind {
		if ns, name, ok := strings.Cut(full, ":"); ok && ns != "" && name != "" && !strings.Contains(name, ":") {
			return Account(ns, name)
		}
	}
	return s
}

// readSubject reads a binding's subject.
func readSubject(s rbacv1.Subject, bindingNamespace string) (Subject, error) {
	switch {
	case s.Name == "":
		return Subject{}, fmt.Errorf("subject has no name; the API server refuses it")
	case s.Kind == rbacv1.UserKind, s.Kind == rbacv1.GroupKind:
		return Subject{Kind: s.Kind, Name: s.Name}.canonical(), nil
	case s.Kind == rbacv1.ServiceAccountKind:
		return Account(cmp.Or(s.Namespace, bindingNamespace), s.Name), nil
	}
	return Subject{}, fmt.Errorf("subject is of kind %q; the API server knows User, Group and ServiceAccount", s.Kind)
}
