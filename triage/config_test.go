package triage

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadConfig(t *testing.T) {
	const text = `# all there is
worlds: [clusters/*]
exclude:
- old/**
namespace: shop
kubernetes-version: "1.34"
fail-on: never
check: [HP1*, -HP102]
ignore:
- check: HP101, HP102
  reason: |
    Known.
  until: 2027-01-31
  file: deploy/**
- {check: HP1*/namespace, subject: "User:*", binding: b, role: r, workload: w, reason: x}
`
	c, err := ReadConfig("c.yaml", []byte(strings.Replace(text, "HP1*/namespace", "HP104/namespace", 1)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Worlds: []string{"clusters/*"}, Exclude: []string{"old/**"}, Namespace: "shop", KubernetesVersion: "1.34",
		FailOn: "never", Check: []string{"HP1*", "-HP102"},
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreFields(Config{}, "Ignore"), cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
	ignores, err := c.Ignores([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(ignores) != 2 {
		t.Fatalf("%d ignores", len(ignores))
	}
	first := ignores[0]
	if first.Position.String() != "c.yaml:10:1" || strings.Join(first.Rules, " ") != "HP101 HP102" || first.Reason != "Known." ||
		first.Until.Format(dateLayout) != "2027-01-31" || first.File != "deploy/**" {
		t.Errorf("got %+v", first)
	}
	if ignores[1].Position.Line != 15 || ignores[1].Workload != "w" {
		t.Errorf("got %+v", ignores[1])
	}
}

func TestReadEmptyConfig(t *testing.T) {
	for _, text := range []string{"", "\n \n", "# nothing\n", "---\n", "---\n# nothing\n...\n", "{}\n", "ignore:\n", "ignore: []\nworlds: ~\n", "\ufeff# BOM\n"} {
		c, err := ReadConfig("c.yaml", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(&Config{}, c, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Config{})); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// Each error names the file, its line where the YAML library knows it, and
// what is wrong, and none names anything of Go.
func TestReadBadConfig(t *testing.T) {
	for text, want := range map[string]string{
		"a: b\n":                               "line 1: field a is not known",
		"namespace: [a]\n":                     "line 1",
		"namespace: a\nworlds: b\n":            "line 2",
		"- a\n":                                "line 1",
		"a\n":                                  "line 1",
		"a: [\n":                               "line",
		"check: [HP999]\n":                     "HP999",
		"namespace: a\nnamespace: b\n":         "line 2",
		"exclude: ['a[']\n":                    `exclude: "a[" is not a valid pattern`,
		"ignore: {check: HP101}\n":             "line 1",
		"ignore:\n- check: HP101\n  file: a\n": "line 2",
		"ignore:\n- {check: HP101, file: a, reason: b, until: tomorrow}\n": `line 2: until: "tomorrow" is not a date`,
		"namespace: a\n---\nnamespace: b\n":                                "c.yaml",
	} {
		_, err := ReadConfig("c.yaml", []byte(text))
		if err == nil {
			t.Errorf("%q: no error", text)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, "reading c.yaml: ") || !strings.Contains(got, want) {
			t.Errorf("%q: %s; want %q in it", text, got, want)
		}
		for _, word := range []string{"triage.", "[]string", "go-yaml", "!!"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%q: %v; there is %s in it", text, err, word)
			}
		}
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add("worlds: [a]\nexclude: [b]\nnamespace: c\nkubernetes-version: '1.34'\nfail-on: low\ncheck: [HP1*]\n")
	f.Add("ignore:\n- {check: HP101, file: a, reason: b, until: 2027-01-31}\n- {check: HP2*, role: r, reason: c}\n")
	f.Add("&a a: *a\n<<: {ignore: [{check: x}]}\n")
	f.Add("ignore: &i [{check: HP101, file: a, reason: b}]\n---\n")
	f.Add("# nothing\n...\n%YAML 1.2\n---\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ReadConfig("c.yaml", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading c.yaml: ") {
				t.Errorf("error %q does not name the file", err)
			}
			return
		}
		ignores, err := c.Ignores([]byte(text))
		if err != nil {
			t.Fatalf("what was read cannot be used: %v", err)
		}
		for _, i := range ignores {
			if i.Reason == "" || len(i.Rules) == 0 {
				t.Errorf("%+v ignores without a reason or a check", i)
			}
			if i.Position.Line < 1 || i.Position.Line > strings.Count(text, "\n")+1 {
				t.Errorf("an ignore at line %d", i.Position.Line)
			}
		}
	})
}
