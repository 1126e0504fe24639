// Generate writes the pages of the checks, docs/checks.md and docs/checks, from
// the checks themselves and their fixtures. It runs in the folder docs.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/hotpod-dev/hotpod/checks"
)

var (
	//go:embed page.md.tmpl
	pageText string
	//go:embed index.md.tmpl
	indexText string
)

func main() {
	if err := write(".", os.DirFS("../fixtures")); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write brings the pages in a folder up to date, and removes those of checks
// that are no more.
func write(dir string, fixtures fs.FS) error {
	all, err := pages(fixtures)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "checks", "HP*.md"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "checks"), 0o755); err != nil {
		return err
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pages gives the text of each page by its name.
func pages(fixtures fs.FS) (map[string][]byte, error) {
	functions := template.FuncMap{
		"variants": variants, "asks": asks, "cells": cells, "technique": technique, "join": strings.Join,
		"list":    func(words []string) string { return either(quote(words)) },
		"example": func(id, name string) (string, error) { return example(fixtures, id, name) },
	}
	page := template.Must(template.New("page").Funcs(functions).Parse(pageText))
	index := template.Must(template.New("index").Funcs(functions).Parse(indexText))

	all := map[string][]byte{}
	for _, c := range checks.All() {
		text, err := render(page, c)
		if err != nil {
			return nil, err
		}
		all["checks/"+c.ID+".md"] = text
	}
	text, err := render(index, groups())
	all["checks.md"] = text
	return all, err
}

func render(t *template.Template, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// group is a part of the index: the checks whose IDs begin alike.
type group struct {
	Title  string
	Checks []*checks.Check
}

// titles are those of the groups, by the first digit of their IDs.
var titles = map[byte]string{
	'1': "Secrets and credentials",
	'2': "Running code",
	'3': "Identity and RBAC itself",
	'4': "Nodes, control plane, guard rails",
	'5': "Breadth and subjects",
	'6': "Tokens and pods",
	'9': "Paths",
}

func groups() []group {
	var all []group
	for _, c := range checks.All() {
		title := titles[c.ID[2]]
		if len(all) == 0 || all[len(all)-1].Title != title {
			all = append(all, group{Title: title})
		}
		last := &all[len(all)-1]
		last.Checks = append(last.Checks, c)
	}
	return all
}

// variant is a row of the table of severities.
type variant struct {
	Reach, Rule string
	Severity    checks.Severity
}

func variants(c *checks.Check) []variant {
	words := map[checks.Reach]string{
		checks.Cluster:   "the whole cluster, or kube-system",
		checks.Namespace: "one namespace",
		checks.Named:     "only what resourceNames name",
		checks.Unbound:   "a role that nobody is bound to",
		checks.NoReach:   "the object itself",
	}
	var all []variant
	for _, v := range c.Variants() {
		reach := words[v.Reach]
		if v.Severity != c.Severity[v.Reach] {
			reach += ", by what else is granted"
		}
		all = append(all, variant{reach, c.RuleID(v), v.Severity})
	}
	return all
}

// cells are the severities of a check in the columns of the index.
func cells(c *checks.Check) []string {
	var row []string
	for _, r := range checks.Reaches {
		var severities []string
		for s := checks.Critical; s > checks.None; s-- {
			if slices.Contains(c.Variants(), checks.Variant{Reach: r, Severity: s}) {
				severities = append(severities, s.String())
			}
		}
		row = append(row, strings.Join(severities, ", "))
	}
	return row
}

// asks writes what a check asks for: a line for each alternative.
func asks(c *checks.Check) []string {
	var lines []string
	for _, all := range c.Asks {
		var parts []string
		for _, p := range all {
			parts = append(parts, permission(p))
		}
		lines = append(lines, strings.Join(parts, ", and "))
	}
	return lines
}

func permission(p checks.Permission) string {
	s := either(quote(p.Verbs)) + " on " + either(quote(p.Resources))
	if p.Group != "" {
		s += " of `" + p.Group + "`"
	}
	if p.ClusterScoped {
		s += ", by a ClusterRoleBinding"
	}
	if p.Before != 0 {
		s += fmt.Sprintf(", before Kubernetes 1.%d", p.Before)
	}
	return s
}

func quote(words []string) []string {
	quoted := slices.Clone(words)
	for i, w := range quoted {
		quoted[i] = "`" + w + "`"
	}
	return quoted
}

// either writes words as a, b or c.
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// technique is the address of an ATT&CK technique.
func technique(id string) string {
	return "https://attack.mitre.org/techniques/" + strings.ReplaceAll(id, ".", "/") + "/"
}

var want = regexp.MustCompile(`(?m)[ \t]*# want.*$`)

// example is a fixture without its expectations.
func example(fixtures fs.FS, id, name string) (string, error) {
	text, err := fs.ReadFile(fixtures, id+"/"+name+".yaml")
	return want.ReplaceAllString(string(text), ""), err
}
