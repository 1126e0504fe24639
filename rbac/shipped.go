package rbac

import (
	_ "embed"
	"encoding/json"
	"slices"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/hotpod-dev/hotpod/source"
)

// What a new cluster's API server and controllers hold, as a real one listed
// it; e2e/controlplane/dump makes the file.
//
//go:embed builtin/v1.37.json
var builtin []byte

// shipped decodes the built-in objects anew for each model, which owns them.
func shipped() []*source.Object {
	var all []*source.Object
	for _, list := range builtinLists() {
		for _, item := range list.items {
			o, err := source.Made("", item)
			if err != nil {
				panic("rbac: the embedded built-in objects are damaged: " + err.Error()) // our own data
			}
			o.APIVersion, o.Kind = rbacv1.SchemeGroupVersion.String(), list.kind
			all = append(all, o)
		}
	}
	return all
}

type builtinList struct {
	kind  string
	items []json.RawMessage
}

// builtinLists splits the embedded file into objects, once.
var builtinLists = sync.OnceValue(func() []builtinList {
	var file struct {
		ClusterRoles        []json.RawMessage `json:"clusterRoles"`
		Roles               []json.RawMessage `json:"roles"`
		ClusterRoleBindings []json.RawMessage `json:"clusterRoleBindings"`
		RoleBindings        []json.RawMessage `json:"roleBindings"`
	}
	if err := json.Unmarshal(builtin, &file); err != nil {
		panic("rbac: the embedded built-in objects are damaged: " + err.Error())
	}
	return []builtinList{
		{"ClusterRole", file.ClusterRoles}, {"Role", file.Roles},
		{"ClusterRoleBinding", file.ClusterRoleBindings}, {"RoleBinding", file.RoleBindings},
	}
})

// assume adds what Kubernetes ships. An object of the input takes the place of
// the shipped one of its name, and is itself taken as shipped where it says
// the same: nobody needs to hear of system:node because a tree quotes it.
func (b *builder) assume(objects []*source.Object) {
	own := map[string][]*Binding{}
	for _, binding := range b.model.Bindings {
		own[binding.Ref()] = append(own[binding.Ref()], binding)
	}
	for _, variants := range own {
		for _, v := range variants {
			v.variants = variants
		}
	}
	for _, o := range objects {
		if o.Kind == "Role" || o.Kind == "ClusterRole" {
			b.assumeRole(o)
		} else {
			b.assumeBinding(o, own)
		}
	}
}

func (b *builder) assumeRole(o *source.Object) {
	r := b.readRole(o)
	r.Assumed = true
	for i := range r.Rules {
		r.Rules[i].Assumed = true
	}
	own := b.roles[r.Ref()]
	for _, mine := range own {
		mine.Assumed = sameRole(mine, r)
		for i := range mine.Rules {
			mine.Rules[i].Assumed, _ = validation.Covers(policyRules(r), []rbacv1.PolicyRule{mine.Rules[i].PolicyRule})
		}
	}
	if len(own) == 0 {
		b.addRole(r)
	}
}

// sameRole compares what two definitions state: the selectors of a role that
// aggregates, the rules of one that does not.
func sameRole(a, b *Role) bool {
	if a.aggregate != nil || b.aggregate != nil {
		return slices.EqualFunc(a.aggregate, b.aggregate, func(x, y labels.Selector) bool { return x.String() == y.String() })
	}
	return equality.Semantic.DeepEqual(policyRules(a), policyRules(b))
}

func policyRules(r *Role) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, rule := range r.Rules {
		all = append(all, rule.PolicyRule)
	}
	return all
}

func (b *builder) assumeBinding(o *source.Object, own map[string][]*Binding) {
	before := len(b.bindings)
	b.addBinding(o)
	added := b.bindings[before]
	added.binding.Assumed = true
	mine := own[added.binding.Ref()]
	for _, m := range mine {
		m.Assumed = m.RoleRef.Name == added.binding.RoleRef.Name && equality.Semantic.DeepEqual(b.subjectsOf(m), plainSubjects(added.subjects))
	}
	if len(mine) > 0 {
		b.bindings = b.bindings[:before]
		b.model.Bindings = b.model.Bindings[:len(b.model.Bindings)-1]
	}
}

func (b *builder) subjectsOf(binding *Binding) []rbacv1.Subject {
	for _, bs := range b.bindings {
		if bs.binding == binding {
			return plainSubjects(bs.subjects)
		}
	}
	return nil
}

// plainSubjects leaves out the API group, which has a default.
func plainSubjects(subjects []rbacv1.Subject) []rbacv1.Subject {
	plain := slices.Clone(subjects)
	for i := range plain {
		plain[i].APIGroup = ""
	}
	return plain
}
