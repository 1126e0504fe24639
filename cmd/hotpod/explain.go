package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
)

func newExplain(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "explain CHECK",
		Short:   "Tell what a check looks for, why, and what to do",
		Example: "  hotpod explain HP101",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, _, _ := strings.Cut(args[0], "/") // a rule's ID names its check first
			c, err := checks.Find(id)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(s.out, explain(c))
			return err
		},
	}
}

// explain is a check's documentation for a terminal.
func explain(c *checks.Check) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n\n", c.ID, c.Name, c.Title)
	for _, v := range c.Variants() {
		fmt.Fprintf(&b, "  %-22s %s\n", c.RuleID(v), v.Severity)
	}
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n%s\n%s\n", title, wrap(text, 80))
		}
	}
	section("Why it matters", c.Doc.Why)
	section("The attack", c.Doc.Attack)
	section("What to do", c.Doc.Fix)
	section("What is not reported", c.Doc.Quiet)
	var more []string
	if len(c.Doc.CIS) > 0 {
		more = append(more, "CIS Kubernetes Benchmark "+strings.Join(c.Doc.CIS, ", "))
	}
	if len(c.Doc.MITRE) > 0 {
		more = append(more, "MITRE ATT&CK "+strings.Join(c.Doc.MITRE, ", "))
	}
	fmt.Fprintf(&b, "\nMore\n")
	for _, m := range append(more, c.Doc.References...) {
		fmt.Fprintf(&b, "  %s\n", m)
	}
	return b.String()
}

// wrap breaks each line of a text at blanks, indented by two.
func wrap(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		length := 0
		for _, word := range strings.Fields(line) {
			if length > 0 && length+1+len(word) > width-2 {
				b.WriteString("\n")
				length = 0
			}
			if length == 0 {
				b.WriteString("  ")
			} else {
				b.WriteString(" ")
				length++
			}
			b.WriteString(word)
			length += len(word)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func newChecks(s streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "checks",
		Short: "List all checks",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch format {
			case "text":
				return listChecks(s)
			case "json":
				enc := json.NewEncoder(s.out)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(checkList())
			}
			return fmt.Errorf("--output: format %q is not known: use text or json", format)
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "text", "`format`: text or json")
	return cmd
}

func listChecks(s streams) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSEVERITY\tTITLE")
	for _, c := range checks.All() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.ID, c.Name, severities(c), c.Title)
	}
	return w.Flush()
}

// severities gives the range of a check's severities.
func severities(c *checks.Check) string {
	low, high := checks.Critical, checks.None
	for _, v := range c.Variants() {
		low, high = min(low, v.Severity), max(high, v.Severity)
	}
	if low == high {
		return high.String()
	}
	return low.String() + "-" + high.String()
}

type listedCheck struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	Title      string       `json:"title"`
	Rules      []listedRule `json:"rules"`
	Doc        listedDoc    `json:"doc"`
	References []string     `json:"references"`
	CIS        []string     `json:"cis"`
	MITRE      []string     `json:"mitre"`
}

type listedRule struct {
	ID       string          `json:"id"`
	Reach    checks.Reach    `json:"reach,omitempty"`
	Severity checks.Severity `json:"severity"`
}

type listedDoc struct {
	Why    string `json:"why"`
	Attack string `json:"attack,omitempty"`
	Fix    string `json:"fix"`
	Quiet  string `json:"quiet,omitempty"`
}

func checkList() []listedCheck {
	var all []listedCheck
	for _, c := range checks.All() {
		l := listedCheck{
			ID: c.ID, Name: c.Name, Title: c.Title,
			Doc:        listedDoc{c.Doc.Why, c.Doc.Attack, c.Doc.Fix, c.Doc.Quiet},
			References: c.Doc.References, CIS: c.Doc.CIS, MITRE: c.Doc.MITRE,
		}
		for _, v := range c.Variants() {
			l.Rules = append(l.Rules, listedRule{c.RuleID(v), v.Reach, v.Severity})
		}
		all = append(all, l)
	}
	return all
}
