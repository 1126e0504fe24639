package rbac

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// TestUncovered compares with the API server's guard against escalation.
func TestUncovered(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(most int, words ...string) []string {
		var list []string
		for range random.IntN(most + 1) {
			list = append(list, words[random.IntN(len(words))])
		}
		return list
	}
	rule := func() rbacv1.PolicyRule {
		if random.IntN(4) == 0 {
			return rbacv1.PolicyRule{Verbs: some(2, "get", "post", "*"), NonResourceURLs: some(2, "/a", "/a/b", "/a/*", "/*", "*")}
		}
		return rbacv1.PolicyRule{
			Verbs: some(3, "get", "list", "watch", "*"), APIGroups: some(2, "", "apps", "*"),
			Resources: some(3, "pods", "pods/log", "nodes/log", "*/log", "pods/*", "*"), ResourceNames: some(1, "a", "b"),
		}
	}
	allowed := 0
	for range 20_000 {
		by, r := []rbacv1.PolicyRule{rule(), rule()}, rule()
		all, want := validation.Covers(by, []rbacv1.PolicyRule{r})
		got := uncovered(by, r)
		if diff := cmp.Diff(want, append([]rbacv1.PolicyRule{}, got...)); diff != "" {
			t.Fatalf("of %v the rules %v leave (-want +got):\n%s", r, by, diff)
		}
		if all {
			allowed++
		}
	}
	if allowed < 1000 || allowed > 19_000 {
		t.Errorf("%d of 20000 random rules are covered: they show nothing", allowed)
	}
}
