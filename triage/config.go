package triage

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v4"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/source"
)

// Config is what .hotpod.yaml says. Flags go before it.
type Config struct {
	// Worlds are patterns of folders, each of which is a cluster of its own;
	// what lies outside them belongs to all.
	Worlds            []string `yaml:"worlds"`
	Exclude           []string `yaml:"exclude"` // patterns of files and folders that are not read
	Namespace         string   `yaml:"namespace"`
	KubernetesVersion string   `yaml:"kubernetes-version"`
	FailOn            string   `yaml:"fail-on"`
	Check             []string `yaml:"check"` // as --check
	Ignore            []entry  `yaml:"ignore"`

	path string
}

// entry is an ignore in the configuration.
type entry struct {
	Check    string `yaml:"check"`
	Reason   string `yaml:"reason"`
	Until    string `yaml:"until"`
	File     string `yaml:"file"`
	Subject  string `yaml:"subject"`
	Binding  string `yaml:"binding"`
	Role     string `yaml:"role"`
	Workload string `yaml:"workload"`
}

// ReadConfig reads .hotpod.yaml. A field that is not known, a value of the
// wrong kind or an ignore without a reason is an error that names the line.
func ReadConfig(path string, data []byte) (*Config, error) {
	c := &Config{path: path}
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) == nil && doc.IsZero() {
		return c, nil // nothing, or nothing but comments
	}
	if err := yaml.Load(data, c, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("reading %s: %s", path, yamlError(err))
	}
	if _, err := c.Ignores(data); err != nil {
		return nil, err
	}
	if _, err := checks.Select(checks.All(), c.Check); err != nil {
		return nil, fmt.Errorf("reading %s: check: %w", path, err)
	}
	if err := patterns(map[string][]string{"exclude": c.Exclude, "worlds": c.Worlds}); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return c, nil
}

var (
	yamlPrefix = regexp.MustCompile(`^(yaml: construct errors: |yaml: |go-yaml load error )`)
	yamlPlace  = regexp.MustCompile(`\bat L(\d+)\.C\d+: `)
	yamlType   = regexp.MustCompile(`(?sm)cannot construct !!(\S+).*? into \S+$`)
	yamlField  = regexp.MustCompile(`(?s)field (.*) not found in type \S+`)
)

// yamlError says what the YAML library says in the words of a user.
func yamlError(err error) string {
	text := yamlPrefix.ReplaceAllString(err.Error(), "")
	text = yamlPlace.ReplaceAllString(text, "at line $1: ")
	text = yamlType.ReplaceAllString(text, "a value of the wrong type, $1")
	return yamlField.ReplaceAllString(text, "field $1 is not known")
}

// patterns finds the first pattern, by field, that could never match.
func patterns(byField map[string][]string) error {
	for _, field := range slices.Sorted(maps.Keys(byField)) {
		for _, p := range byField[field] {
			if !doublestar.ValidatePattern(p) {
				return fmt.Errorf("%s: %q is not a valid pattern", field, p)
			}
		}
	}
	return nil
}

// Ignores gives the configuration's ignores, placed at their lines.
func (c *Config) Ignores(data []byte) ([]*Ignore, error) {
	var all []*Ignore
	for n, e := range c.Ignore {
		line := ignoreLine(data, n)
		i, err := e.ignore()
		if err != nil {
			return nil, fmt.Errorf("reading %s: line %d: %w", c.path, line, err)
		}
		i.Position = source.Position{Path: c.path, Line: line, Column: 1}
		all = append(all, i)
	}
	return all, nil
}

func (e entry) ignore() (*Ignore, error) {
	i := &Ignore{Reason: strings.TrimSpace(e.Reason), File: e.File, Subject: e.Subject, Binding: e.Binding, Role: e.Role, Workload: e.Workload}
	if e.Check != "" {
		i.Rules = separator.Split(strings.TrimSpace(e.Check), -1)
	}
	if e.Until != "" {
		date, err := time.Parse(dateLayout, e.Until)
		if err != nil {
			return nil, fmt.Errorf("until: %q is not a date such as 2027-01-31", e.Until)
		}
		i.Until = date
	}
	if e.File == "" && e.Subject == "" && e.Binding == "" && e.Role == "" && e.Workload == "" {
		return nil, errors.New("an ignore needs one of file, subject, binding, role or workload; to switch a check off use check: [-HP101]")
	}
	if err := patterns(map[string][]string{"file": {e.File}, "subject": {e.Subject}, "binding": {e.Binding}, "role": {e.Role}, "workload": {e.Workload}}); err != nil {
		return nil, err
	}
	return i, i.validate()
}

// ignoreLine finds the line of the nth entry of ignore.
func ignoreLine(data []byte, n int) int {
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return 0
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if list := root.Content[i+1]; root.Content[i].Value == "ignore" && n < len(list.Content) {
			return list.Content[n].Line
		}
	}
	return 0
}
