package report

import (
	"fmt"
	"strings"
)

// String says what may be done, to what and where.
func (a Access) String() string {
	verbs := strings.Join(a.Verbs, ", ")
	if a.Path != "" {
		return verbs + " " + a.Path
	}
	resource := a.Resource
	if a.Group != "" {
		resource += "." + a.Group
	}
	where := "in the whole cluster"
	if a.Namespace != "" {
		where = fmt.Sprintf("in namespace '%s'", a.Namespace)
	}
	var names string
	if len(a.Names) > 0 {
		names = "named '" + strings.Join(a.Names, "', '") + "'"
	}
	return sentence(verbs, resource, names, where)
}
