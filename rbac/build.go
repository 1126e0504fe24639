package rbac

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hotpod-dev/hotpod/source"
)

// Options of Build. The zero value is of use: namespace default.
type Options struct {
	// Namespace is that of namespaced objects that name none; "" is default.
	Namespace string
	Shared    *Shared // with other models of partly the same objects; it may be nil
}

// Build makes the model of one cluster from its objects and from what
// Kubernetes ships, in any order of objects. Objects of other kinds are passed
// over. What the API server would refuse, or what cannot be decoded, is a
// problem; the rest of such an object still counts, so that a risk is not lost.
func Build(objects []*source.Object, o Options) (*Model, []source.Problem) {
	b := builder{
		namespace:  cmp.Or(o.Namespace, "default"),
		shared:     o.Shared,
		model:      &Model{grants: map[Subject][]Grant{}},
		roles:      map[string][]*Role{},
		accounts:   map[Subject][]*ServiceAccount{},
		secrets:    map[string][]*TokenSecret{},
		forks:      forks{},
		namespaces: map[string][]*source.Object{},
	}
	for _, obj := range sorted(objects) {
		b.add(obj)
	}
	b.forks.find(b.model)
	b.nameVariants()
	b.assume(shipped())
	b.aggregateAll()
	for _, binding := range b.model.Bindings {
		b.resolve(binding)
	}
	for _, w := range b.model.Workloads {
		b.mount(w)
	}
	b.finish()
	return b.model, b.problems
}

// sorted puts objects into an order that does not depend on how they came.
func sorted(objects []*source.Object) []*source.Object {
	return slices.SortedStableFunc(slices.Values(objects), func(a, b *source.Object) int {
		return cmp.Or(cmp.Compare(a.Origin.Path, b.Origin.Path), cmp.Compare(a.Origin.Line, b.Origin.Line))
	})
}

type builder struct {
	namespace string
	shared    *Shared
	model     *Model
	problems  []source.Problem

	roles      map[string][]*Role // by ref, each definition
	accounts   map[Subject][]*ServiceAccount
	secrets    map[string][]*TokenSecret // by namespace/name
	namespaces map[string][]*source.Object
	bindings   []*bindingSubjects
	forks      forks
}

// bindingSubjects keeps a binding's subjects until all accounts are known.
type bindingSubjects struct {
	binding  *Binding
	subjects []rbacv1.Subject
}

func (b *builder) problem(at source.Position, incomplete bool, err error) {
	b.problems = append(b.problems, source.Problem{Position: at, Err: err, Incomplete: incomplete})
}

func (b *builder) namespaceOf(o *source.Object) string {
	return cmp.Or(o.Namespace, b.namespace)
}

func (b *builder) add(o *source.Object) {
	switch {
	case o.Group() == rbacv1.GroupName && (o.Kind == "Role" || o.Kind == "ClusterRole"):
		if r := b.readRole(o); r != nil {
			b.addRole(r)
		}
	case o.Group() == rbacv1.GroupName && (o.Kind == "RoleBinding" || o.Kind == "ClusterRoleBinding"):
		b.addBinding(o)
	case o.Group() == "" && o.Kind == "ServiceAccount":
		b.addAccount(o)
	case o.Group() == "" && o.Kind == "Secret":
		b.addSecret(o)
	case o.Group() == "" && o.Kind == "Namespace":
		b.namespaces[o.Name] = append(b.namespaces[o.Name], o)
	default:
		b.addWorkload(o)
	}
}

func (b *builder) addRole(r *Role) {
	b.model.Roles = append(b.model.Roles, r)
	b.roles[r.Ref()] = append(b.roles[r.Ref()], r)
}

// readRole decodes rule by rule, so that one bad rule does not hide the others.
func (b *builder) readRole(o *source.Object) *Role {
	var raw struct {
		Metadata    metav1.ObjectMeta       `json:"metadata"`
		Rules       *[]json.RawMessage      `json:"rules"`
		Aggregation *rbacv1.AggregationRule `json:"aggregationRule"`
	}
	if err := o.Decode(&raw); err != nil {
		b.problem(o.At("rules"), true, err)
		return nil
	}
	r := &Role{Object: o, Name: o.Name, labels: raw.Metadata.Labels}
	if o.Kind == "Role" {
		r.Namespace = b.namespaceOf(o)
	} else if raw.Aggregation != nil {
		r.aggregate = b.selectors(o, raw.Aggregation)
	}
	switch {
	case o.Name == "":
		b.problem(o.At("metadata"), true, fmt.Errorf("%s has no name; the API server refuses it", o.Kind))
	case raw.Rules == nil && r.aggregate == nil:
		b.problem(o.At("kind"), false, fmt.Errorf("%s has no rules: it grants nothing", o))
	}
	if raw.Rules == nil || r.aggregate != nil {
		return r // the controller overwrites the rules of an aggregated role
	}
	for i, text := range *raw.Rules {
		rule := Rule{Object: o, Index: i}
		if err := decodeRule(text, &rule.PolicyRule); err != nil {
			at, cause := locateRuleError(o, i, text, err)
			b.problem(at, true, fmt.Errorf("%s: rule %d is not readable, the API server refuses the role: %w", o, i, cause))
			continue
		}
		r.Rules = append(r.Rules, rule)
	}
	return r
}

func (b *builder) addBinding(o *source.Object) {
	var raw struct {
		RoleRef  rbacv1.RoleRef   `json:"roleRef"`
		Subjects []rbacv1.Subject `json:"subjects"`
	}
	if err := o.Decode(&raw); err != nil {
		b.problem(o.At("subjects"), true, err)
		return
	}
	binding := &Binding{Object: o, Name: o.Name, RoleRef: raw.RoleRef, forks: b.forks}
	if o.Kind == "RoleBinding" {
		binding.Namespace = b.namespaceOf(o)
	}
	binding.assumed = o.Namespace == "" && slices.ContainsFunc(raw.Subjects, func(s rbacv1.Subject) bool {
		return s.Kind == rbacv1.ServiceAccountKind && s.Namespace == ""
	})
	if err := checkRoleRef(binding); err != nil {
		b.problem(o.At("roleRef"), false, fmt.Errorf("%s: %w: it grants nothing", o, err))
		return
	}
	b.model.Bindings = append(b.model.Bindings, binding)
	b.bindings = append(b.bindings, &bindingSubjects{binding, raw.Subjects})
}

// checkRoleRef mirrors ValidateRoleBinding and ValidateClusterRoleBinding of
// kubernetes/pkg/apis/rbac/validation.
func checkRoleRef(b *Binding) error {
	switch r := b.RoleRef; {
	case r.APIGroup != "" && r.APIGroup != rbacv1.GroupName:
		return fmt.Errorf("roleRef.apiGroup is %q, the API server wants %s", r.APIGroup, rbacv1.GroupName)
	case r.Name == "":
		return errors.New("roleRef has no name")
	case r.Kind == "ClusterRole", r.Kind == "Role" && b.Namespace != "":
		return nil
	case r.Kind == "Role":
		return errors.New("a ClusterRoleBinding cannot refer to a Role, the API server refuses it")
	default:
		return fmt.Errorf("roleRef.kind is %q, the API server knows Role and ClusterRole", r.Kind)
	}
}

// resolve finds the roles and subjects that a binding means.
func (b *builder) resolve(binding *Binding) {
	r := ref(binding.RoleRef.Kind, "", binding.RoleRef.Name)
	if binding.RoleRef.Kind == "Role" {
		r = ref("Role", binding.Namespace, binding.RoleRef.Name)
	}
	for _, role := range nearest(binding.Object.Origin.Path, b.roles[r], rolePath) {
		role.Bound = true
		binding.Roles = append(binding.Roles, b.inEffect(role, binding.Object.Origin.Path))
	}
}

func rolePath(r *Role) string { return r.Object.Origin.Path }

// grant enters what each binding gives to each of its subjects.
func (b *builder) grant() {
	for _, bs := range b.bindings {
		o := bs.binding.Object
		for i, s := range bs.subjects {
			subject, err := readSubject(s, bs.binding.Namespace)
			if err != nil {
				b.problem(o.At("subjects", i), false, fmt.Errorf("%s: %w", o, err))
				continue
			}
			if subject.Kind == rbacv1.ServiceAccountKind && subject.Namespace == "" {
				subject.Namespace = b.namespace
				b.problem(o.At("subjects", i), false, fmt.Errorf(
					"%s: ServiceAccount '%s' has no namespace, which the API server refuses; taken as %s", o, s.Name, b.namespace))
			}
			b.noteMissed(subject, o, i)
			for _, one := range b.accountVariants(subject, o.Origin.Path) {
				b.grantTo(one, i, bs.binding)
			}
		}
	}
}

// noteMissed tells of manifests that are meant for a namespace which they do
// not name: a binding gives it, but the account beside it does not, so the
// account that is bound and the one that is used are two.
func (b *builder) noteMissed(s Subject, binding *source.Object, index int) {
	if s.Kind != rbacv1.ServiceAccountKind || s.Namespace == b.namespace || len(b.accounts[s]) > 0 {
		return
	}
	for _, a := range b.accounts[Account(b.namespace, s.Name)] {
		if a.Object.Namespace == "" && closeness(a.Object.Origin.Path, binding.Origin.Path) >= sameFolder {
			a.BoundElsewhere = true
			b.problem(binding.At("subjects", index), false, fmt.Errorf(
				"%s binds ServiceAccount '%s/%s', but the one beside it names no namespace and is taken as '%s/%s': if these manifests go to %s, scan with --namespace %s",
				binding, s.Namespace, s.Name, b.namespace, s.Name, s.Namespace, s.Namespace))
			return
		}
	}
}

func (b *builder) grantTo(s Subject, index int, binding *Binding) {
	g := Grant{Subject: s, SubjectIndex: index, Binding: binding}
	if len(binding.Roles) == 0 {
		b.model.grants[s] = append(b.model.grants[s], g)
		return
	}
	for _, g.Role = range binding.Roles {
		b.model.grants[s] = append(b.model.grants[s], g)
	}
}

func (b *builder) finish() {
	b.grant()
	for _, variants := range b.roles {
		bound := slices.ContainsFunc(variants, func(r *Role) bool { return r.Bound })
		for _, r := range variants {
			r.Elsewhere = bound && !r.Bound
		}
	}
	for s := range b.model.grants {
		b.model.subjects = append(b.model.subjects, s)
	}
	slices.SortFunc(b.model.subjects, compareSubjects)
}
