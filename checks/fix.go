package checks

import (
	"fmt"

	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/source"
)

// Fix is a repair that takes no thought: one field of one object gets a value.
type Fix struct {
	Object       *source.Object
	Path         []any // of the map that gets the field
	Where        string
	Field, Value string
	After        []string // the fields behind which it is at home
}

// String says what the fix does.
func (f *Fix) String() string {
	return fmt.Sprintf("set %s: %s in %s", f.Field, f.Value, f.Where)
}

// Edit is the fix as a change to the object's file. It is refused where text
// alone cannot tell what else would change.
func (f *Fix) Edit() (source.Edit, error) {
	return f.Object.Set(f.Path, f.Field, f.Value, f.After...)
}

const automount = "automountServiceAccountToken"

// noToken keeps the token out of the pods of a workload.
func noToken(w *rbac.Workload) *Fix {
	return &Fix{
		Object: w.Object, Path: w.SpecPath, Where: "the pod spec of " + workloadTitle(w),
		Field: automount, Value: "false", After: []string{"serviceAccountName", "serviceAccount"},
	}
}

// noTokenOf keeps the token of an account out of pods that do not ask for it.
func noTokenOf(a *rbac.ServiceAccount) *Fix {
	return &Fix{
		Object: a.Object, Where: a.Subject.String(),
		Field: automount, Value: "false", After: []string{"metadata"},
	}
}
