package rbac

import (
	"fmt"
	"testing"

	"github.com/hotpod-dev/hotpod/source"
)

// role is a ClusterRole in a file of its own; n makes definitions differ.
func roleIn(t *testing.T, path, name string, n int) *source.Object {
	t.Helper()
	text := fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: %s}
rules: [{apiGroups: [""], resources: [r%d], verbs: [get]}]
`, name, n)
	objects, problems := source.Parse(path, []byte(text), source.DefaultLimits())
	if len(objects) != 1 || len(problems) != 0 {
		t.Fatal(objects, problems)
	}
	return objects[0]
}

func TestForksSeparateAlternatives(t *testing.T) {
	var objects []*source.Object
	for i, path := range []string{
		// Three projects that define the same role, and one that does not.
		"many/a/config/role.yaml", "many/b/config/role.yaml", "many/c/role.yaml",
		// A base and an overlay that patches it.
		"app/base/role.yaml", "app/overlays/prod/role.yaml",
		// Three environments, with what they share beside them.
		"envs/prod/role.yaml", "envs/staging/role.yaml", "envs/dev/role.yaml",
	} {
		objects = append(objects, roleIn(t, path, "manager-role", i))
	}
	// A project whose overlay defines anew what stands in two of its folders.
	for i, o := range [][2]string{{"p/config/rbac", "x"}, {"p/config/default", "x"}, {"p/config/manager", "w"}, {"p/config/default", "w"}} {
		objects = append(objects, roleIn(t, o[0]+"/"+o[1]+".yaml", o[1], 100+i))
	}
	// The same definition twice is no conflict.
	objects = append(objects, roleIn(t, "copies/a/role.yaml", "copied", 1), roleIn(t, "copies/b/role.yaml", "copied", 1), roleIn(t, "copies/c/role.yaml", "copied", 1))
	m, _ := Build(objects, Options{})
	f := forks{}
	f.find(m)
	for _, tt := range []struct {
		a, b           string
		plain, assumed bool // separate where namespaces are written down, and where not
	}{
		{"many/a/config/x.yaml", "many/b/other/y.yaml", true, true},
		{"many/a/config/x.yaml", "many/a/other/y.yaml", false, false},
		{"many/a/x.yaml", "many/quiet/y.yaml", false, true},
		{"many/top.yaml", "many/a/x.yaml", false, false},
		{"app/base/deploy.yaml", "app/overlays/prod/binding.yaml", false, false},
		{"envs/prod/x.yaml", "envs/dev/x.yaml", true, true},
		{"envs/common/x.yaml", "envs/dev/x.yaml", false, true},
		{"copies/a/x.yaml", "copies/b/x.yaml", false, false},
		{"many/a/x.yaml", "app/base/x.yaml", true, true}, // many, app and envs define it: they differ at the root
		{"elsewhere/x.yaml", "nowhere/x.yaml", false, true},
		{"p/config/rbac/binding.yaml", "p/config/manager/deploy.yaml", false, false},
	} {
		if got := f.separate(tt.a, tt.b, false); got != tt.plain {
			t.Errorf("separate(%s, %s) = %v, want %v", tt.a, tt.b, got, tt.plain)
		}
		if got := f.separate(tt.b, tt.a, true); got != tt.assumed {
			t.Errorf("separate(%s, %s), namespace assumed = %v, want %v", tt.b, tt.a, got, tt.assumed)
		}
	}
}

func TestNoteOnAccountWithoutNamespace(t *testing.T) {
	text := `
apiVersion: v1
kind: ServiceAccount
metadata: {name: server}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: server}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: server, namespace: tools}]
`
	objects, _ := source.Parse("install.yaml", []byte(text), source.DefaultLimits())
	for namespace, want := range map[string]int{"": 1, "tools": 0} {
		_, problems := Build(objects, Options{Namespace: namespace})
		if len(problems) != want || (want == 1 && problems[0].Position.Line != 10) {
			t.Errorf("--namespace %q: got %v, want %d note on line 10", namespace, problems, want)
		}
	}
}
