package checks

import (
	"fmt"
	"slices"
	"strings"
)

// All lists every check, sorted by ID. A test holds that no file hpNNN_*.go
// is forgotten here.
func All() []*Check {
	return []*Check{
		&hp101, &hp102, &hp103, &hp104,
		&hp201, &hp202, &hp203, &hp204, &hp205,
		&hp301, &hp302, &hp303, &hp311, &hp312, &hp313, &hp314,
		&hp401, &hp403,
		&hp501, &hp502, &hp503, &hp504, &hp505, &hp506, &hp507, &hp510,
		&hp601, &hp602, &hp603,
	}
}

// Find gives the check of an ID.
func Find(id string) (*Check, error) {
	for _, c := range All() {
		if strings.EqualFold(c.ID, id) {
			return c, nil
		}
	}
	return nil, fmt.Errorf("there is no check %q; hotpod checks lists them", id)
}

// Select applies a selection such as HP1*, -HP102: patterns add checks, with a
// minus they take them away, in order. One that starts with a minus starts
// from all checks. The error names a pattern that no check matches.
func Select(all []*Check, patterns []string) ([]*Check, error) {
	chosen := map[*Check]bool{}
	if len(patterns) == 0 || strings.HasPrefix(patterns[0], "-") {
		for _, c := range all {
			chosen[c] = true
		}
	}
	for _, p := range patterns {
		pattern, without := strings.CutPrefix(p, "-")
		matched := false
		for _, c := range all {
			if c.Matches(pattern) {
				chosen[c], matched = !without, true
			}
		}
		if !matched {
			return nil, fmt.Errorf("no check matches %q; hotpod checks lists them", p)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c *Check) bool { return !chosen[c] }), nil
}
