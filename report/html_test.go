package report

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/hotpod-dev/hotpod/source"
)

// No name adds an element or an attribute to the page, or loads anything.
func TestHTMLHostile(t *testing.T) {
	content, err := os.ReadFile("../e2e/mermaid/hostile/names.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write := func(r *Report) string {
		var b bytes.Buffer
		if err := HTML(&b, r); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	marks := func(page string) [3]int {
		return [3]int{strings.Count(page, "<"), strings.Count(page, `="`), strings.Count(page, "'")}
	}
	want := write(namedReport("web"))
	objects, _ := source.Parse("names.yaml", content, source.DefaultLimits())
	for _, o := range objects {
		if got := write(namedReport(o.Name)); marks(got) != marks(want) {
			t.Errorf("%q changes the page: marks %v, want %v", o.Name, marks(got), marks(want))
		}
	}
	r := namedReport("web")
	r.Blob = "javascript:alert(1)"
	if page := write(r); strings.Contains(page, "javascript:") {
		t.Error("the page runs a link")
	}
	for _, loads := range []string{"<script", "<img", "<link", "src=", "url(", "@import"} {
		if strings.Contains(want, loads) {
			t.Errorf("the page has %s", loads)
		}
	}
}
