package rbac

import (
	"path"
	"strings"
)

// nearest keeps those candidates that are closest to a file in the tree: in
// the file itself, else in its folder, else with the longest common path. On a
// tie all are kept. An object that no file holds is equally far from all.
func nearest[T any](from string, candidates []T, file func(T) string) []T {
	if len(candidates) < 2 {
		return candidates
	}
	var best []T
	top := -1
	for _, c := range candidates {
		switch n := closeness(from, file(c)); {
		case n > top:
			top, best = n, []T{c}
		case n == top:
			best = append(best, c)
		}
	}
	return best
}

const (
	sameFolder = 1 << 20
	sameFile   = 1 << 21
)

func closeness(a, b string) int {
	if a == "" || b == "" {
		return 0
	}
	if a == b {
		return sameFile
	}
	dirA, dirB := path.Dir(a), path.Dir(b)
	if dirA == dirB {
		return sameFolder
	}
	common := 0
	partsA, partsB := strings.Split(dirA, "/"), strings.Split(dirB, "/")
	for common < len(partsA) && common < len(partsB) && partsA[common] == partsB[common] {
		common++
	}
	return common
}
