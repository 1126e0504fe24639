package rbac

import (
	"encoding/json"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	kjson "sigs.k8s.io/json"

	"github.com/hotpod-dev/hotpod/source"
)

func decodeRule(text json.RawMessage, into *rbacv1.PolicyRule) error {
	return kjson.UnmarshalCaseSensitivePreserveInts(text, into)
}

// locateRuleError finds the element of a rule that is no string or list.
func locateRuleError(o *source.Object, rule int, text json.RawMessage, err error) (source.Position, error) {
	var fields map[string]any
	if kjson.UnmarshalCaseSensitivePreserveInts(text, &fields) != nil {
		return o.At("rules", rule), err
	}
	for _, name := range []string{"verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"} {
		list, isList := fields[name].([]any)
		if !isList && fields[name] != nil {
			return o.At("rules", rule, name), fmt.Errorf("%s must be a list of strings", name)
		}
		for i, v := range list {
			if _, ok := v.(string); !ok {
				return o.At("rules", rule, name, i), fmt.Errorf("%s[%d] is %v, and must be a string: put it in quotes", name, i, v)
			}
		}
	}
	return o.At("rules", rule), err
}
