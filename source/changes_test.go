package source

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInserted(t *testing.T) {
	for _, test := range []struct {
		name, before, after string
		want                []int
	}{
		{"same", "a b c", "a b c", nil},
		{"all new", "", "a b", []int{0, 1}},
		{"all gone", "a b", "", nil},
		{"edited", "a b c", "a x c", []int{1}},
		{"in the middle", "a b c", "a b x c", []int{2}},
		{"two places", "a b c d", "x a b y c d", []int{0, 3}},
		{"moved", "a b c d e f", "a c d e b f", []int{4}},
		{"the later of equal blocks", "a r v z", "a r v r v z", []int{3, 4}},
		{"removed and added", "a b c d", "b c x", []int{2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := inserted(strings.Fields(test.before), strings.Fields(test.after))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("inserted lines differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInsertedShortest holds that what is not inserted is a longest common
// subsequence, found here the slow way.
func TestInsertedShortest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() []string {
		lines := make([]string, random.IntN(14))
		for i := range lines {
			lines[i] = string(rune('a' + random.IntN(4)))
		}
		return lines
	}
	for range 3000 {
		a, b := text(), text()
		new := map[int]bool{}
		for _, i := range inserted(a, b) {
			new[i] = true
		}
		var kept []string
		for i, line := range b {
			if !new[i] {
				kept = append(kept, line)
			}
		}
		if !subsequence(kept, a) || len(kept) != longest(a, b) {
			t.Fatalf("of %q in %q are kept %q", b, a, kept)
		}
	}
}

func subsequence(part, of []string) bool {
	for _, line := range of {
		if len(part) > 0 && part[0] == line {
			part = part[1:]
		}
	}
	return len(part) == 0
}

func longest(a, b []string) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	row := make([]int, len(b)+1)
	for i := range a {
		last := 0
		for j := range b {
			was := row[j+1]
			if a[i] == b[j] {
				row[j+1] = last + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			last = was
		}
	}
	return row[len(b)]
}

func TestInsertedFarApart(t *testing.T) {
	many := func(prefix string) (lines []string) {
		for range 2 * maxEdits {
			prefix += "."
			lines = append(lines, prefix)
		}
		return lines
	}
	a, b := append(many("a"), "end"), append(many("b"), "end")
	if got := len(inserted(a, b)); got != 2*maxEdits {
		t.Errorf("%d lines are new, want all %d that differ", got, 2*maxEdits)
	}
}
