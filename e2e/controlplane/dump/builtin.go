package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const apiVersion = "rbac.authorization.k8s.io/v1"

// kinds are the lists of the file, in its order.
var kinds = []string{"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}

// object is a role or a binding, without what differs from server to server.
// What is inside rules, subjects and so on is kept as the server wrote it.
type object struct {
	APIVersion      string            `json:"apiVersion"`
	Kind            string            `json:"kind"`
	Metadata        metadata          `json:"metadata"`
	AggregationRule json.RawMessage   `json:"aggregationRule,omitempty"`
	Rules           []json.RawMessage `json:"rules,omitempty"`
	RoleRef         json.RawMessage   `json:"roleRef,omitempty"`
	Subjects        []json.RawMessage `json:"subjects,omitempty"`
}

type metadata struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// builtin is the content of the file.
type builtin struct {
	version version
	lists   [][]object // in the order of kinds
}

type version struct{ Major, Minor, GitVersion string }

// readBuiltin lists what the server ships with, once that is complete.
func readBuiltin(cp *controlPlane) (*builtin, error) {
	b := new(builtin)
	if err := getJSON(cp, "/version", &b.version); err != nil {
		return nil, err
	}
	err := cp.eventually("aggregated roles are filled", func() error {
		roles, err := list(cp, "ClusterRole")
		if err != nil {
			return err
		}
		return aggregated(roles)
	})
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		objects, err := list(cp, kind)
		if err != nil {
			return nil, err
		}
		b.lists = append(b.lists, objects)
	}
	return b, nil
}

// list returns all objects of a kind by namespace and name. The items of a list
// do not say what they are; here they do, so that each line of the file stands
// for itself.
func list(cp *controlPlane, kind string) ([]object, error) {
	var l struct{ Items []object }
	if err := getJSON(cp, "/apis/"+apiVersion+"/"+strings.ToLower(kind)+"s", &l); err != nil {
		return nil, err
	}
	for i := range l.Items {
		l.Items[i].APIVersion, l.Items[i].Kind = apiVersion, kind
	}
	slices.SortFunc(l.Items, func(a, b object) int {
		return cmp.Or(
			cmp.Compare(a.Metadata.Namespace, b.Metadata.Namespace),
			cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	return l.Items, nil
}

func getJSON(cp *controlPlane, path string, into any) error {
	body, err := cp.get(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// aggregated says what is still missing: nil once each aggregated role has
// every rule of every role it selects. As the selected roles are complete from
// the start, and may be aggregated themselves, this is the final state; there
// is no need to wait and see whether something changes.
func aggregated(roles []object) error {
	for _, to := range roles {
		for _, from := range roles {
			selected, err := to.selects(from)
			if err != nil {
				return err
			}
			if selected && !to.includes(from) {
				return fmt.Errorf("ClusterRole %s lacks rules of %s", to.Metadata.Name, from.Metadata.Name)
			}
		}
	}
	return nil
}

func (o object) selects(other object) (bool, error) {
	if o.AggregationRule == nil {
		return false, nil
	}
	var rule struct {
		ClusterRoleSelectors []struct {
			MatchLabels      map[string]string
			MatchExpressions []json.RawMessage
		}
	}
	if err := json.Unmarshal(o.AggregationRule, &rule); err != nil {
		return false, err
	}
	for _, s := range rule.ClusterRoleSelectors {
		if len(s.MatchExpressions) > 0 {
			return false, fmt.Errorf("ClusterRole %s selects by expressions: teach this program to", o.Metadata.Name)
		}
		if other.hasLabels(s.MatchLabels) {
			return true, nil
		}
	}
	return false, nil
}

func (o object) hasLabels(want map[string]string) bool {
	for k, v := range want {
		if got, ok := o.Metadata.Labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func (o object) includes(other object) bool {
	for _, rule := range other.Rules {
		if !slices.ContainsFunc(o.Rules, func(r json.RawMessage) bool { return bytes.Equal(r, rule) }) {
			return false
		}
	}
	return true
}

func (b *builtin) fileName() string {
	return "v" + b.version.Major + "." + b.version.Minor + ".json"
}

func (b *builtin) summary() string {
	counts := []string{b.version.GitVersion}
	for i, objects := range b.lists {
		counts = append(counts, fmt.Sprintf("%d %ss", len(objects), kinds[i]))
	}
	return strings.Join(counts, ", ")
}

// encode gives each object a line of its own, so that a diff between two
// versions of Kubernetes can be read.
func (b *builtin) encode() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\"kubernetesVersion\":%s", compact(b.version.GitVersion))
	for i, objects := range b.lists {
		fmt.Fprintf(&out, ",\n%s:[", compact(field(kinds[i])))
		for j, o := range objects {
			if j > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(&out, "\n%s", compact(o))
		}
		out.WriteString("\n]")
	}
	out.WriteString("}\n")
	return out.Bytes()
}

// field is the name of a kind's list: clusterRoles.
func field(kind string) string { return strings.ToLower(kind[:1]) + kind[1:] + "s" }

// compact cannot fail: all it is given was decoded from JSON.
func compact(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
