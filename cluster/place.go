package cluster

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hotpod-dev/hotpod/source"
)

// Place gives objects of a cluster the places of the manifests that they were
// made of, as far as they are in the tree and still say the same: what
// somebody has changed in the cluster is not blamed on a line that does not
// say it. namespace is that of objects of the tree that name none.
func Place(live, tree []*source.Object, namespace string) []*source.Object {
	namespace = cmp.Or(namespace, "default")
	manifests := map[key][]*source.Object{}
	for _, o := range tree {
		for _, ns := range slices.Compact([]string{o.Namespace, cmp.Or(o.Namespace, namespace)}) {
			k := keyOf(o, ns)
			manifests[k] = append(manifests[k], o)
		}
	}
	all := slices.Clone(live)
	for i, o := range live {
		for _, m := range manifests[keyOf(o, o.Namespace)] {
			if says(o, m) {
				all[i] = placed(o, m)
				break
			}
		}
	}
	return all
}

// says tells whether a live object says all that a manifest does, and a role
// or binding no more than that. Only what is kept of a live object counts.
func says(live, manifest *source.Object) bool {
	var have, want map[string]any
	var kept object
	if live.Decode(&have) != nil || manifest.Decode(&kept) != nil {
		return false
	}
	kept.APIVersion, kept.Metadata = live.APIVersion, metadata{Name: live.Name}
	if kept.Aggregation != nil {
		kept.Rules = nil // the controller overwrites them
	}
	raw, err := json.Marshal(kept)
	if err != nil || json.Unmarshal(raw, &want) != nil {
		return false
	}
	exact := live.Group() == rbacv1.GroupName
	if exact {
		for _, field := range []string{"rules", "subjects"} {
			if list, _ := have[field].([]any); want[field] == nil && len(list) > 0 && kept.Aggregation == nil {
				return false
			}
		}
	}
	return includes(have, want, exact)
}

// includes tells whether decoded JSON has all that another has. Lists may be
// longer, since admission appends to those of pods, unless exact.
func includes(have, want any, exact bool) bool {
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		for k, v := range w {
			if !includes(h[k], v, exact) {
				return false
			}
		}
		return h != nil
	case []any:
		h, _ := have.([]any)
		if len(h) < len(w) || exact && len(h) > len(w) {
			return false
		}
		for i, v := range w {
			if !includes(h[i], v, exact) {
				return false
			}
		}
		return true
	case float64:
		n, ok := have.(int64)
		return reflect.DeepEqual(have, want) || ok && float64(n) == w
	}
	return reflect.DeepEqual(have, want)
}
