// Package hotpod holds nothing but the rules between packages.
package hotpod

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hotpod-dev/hotpod"

// rules say what packages may depend on. Data goes one way: source, rbac,
// checks, triage, report. Only cmd knows them all.
var rules = map[string]struct {
	ours   []string // packages of ours, direct or not
	direct []string // imports that are forbidden where the package makes them itself
	never  []string // packages, and all below them, that are forbidden direct or not
}{
	"source":  {never: []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go"}},
	"rbac":    {ours: []string{"source"}, direct: []string{"os", "net"}, never: []string{"k8s.io/client-go"}},
	"checks":  {ours: []string{"source", "rbac"}, direct: []string{"os", "net"}, never: []string{"k8s.io/client-go"}},
	"triage":  {ours: []string{"source", "rbac", "checks"}, direct: []string{"os", "net"}, never: []string{"k8s.io/client-go"}},
	"report":  {ours: []string{"source", "rbac", "checks", "triage"}, direct: []string{"os", "net"}, never: []string{"k8s.io/client-go"}},
	"cluster": {ours: []string{"source", "rbac"}},
	"prove":   {ours: []string{"source", "rbac", "checks"}},
}

// net/url is a way to write addresses, and reaches nothing.
var harmless = []string{"net/url"}

type goPackage struct {
	ImportPath, Name string
	Imports, Deps    []string
}

func TestImports(t *testing.T) {
	packages := list(t)
	for dir, rule := range rules {
		if !slices.ContainsFunc(packages, func(p goPackage) bool { return p.ImportPath == module+"/"+dir }) {
			t.Errorf("there is no package %s: the rule is for nothing", dir)
		}
		for _, p := range packages {
			name, ours := strings.CutPrefix(p.ImportPath, module+"/")
			if !ours || !within(name, dir) {
				continue
			}
			for _, dep := range p.Deps {
				own, ours := strings.CutPrefix(dep, module+"/")
				if ours && !within(own, dir) && !slices.ContainsFunc(rule.ours, func(may string) bool { return within(own, may) }) {
					t.Errorf("%s depends on %s", name, own)
				}
				if slices.ContainsFunc(rule.never, func(no string) bool { return within(dep, no) }) {
					t.Errorf("%s depends on %s", name, dep)
				}
			}
			for _, made := range p.Imports {
				if !slices.Contains(harmless, made) && slices.ContainsFunc(rule.direct, func(no string) bool { return within(made, no) }) {
					t.Errorf("%s imports %s", name, made)
				}
			}
		}
	}
}

// within tells whether a package is another one or below it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// A package is named for what it does.
func TestPackageNames(t *testing.T) {
	for _, p := range list(t) {
		for _, name := range []string{p.Name, path.Base(p.ImportPath)} {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}, name) {
				t.Errorf("%s is named for nothing that it does", p.ImportPath)
			}
		}
	}
}

func list(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Imports,Deps", "./...").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %s", exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// Nothing registers itself: what there is stands in a list.
func TestNoInit(t *testing.T) {
	parsed := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name()[0] == '.' || d.Name()[0] == '_' || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		parsed++
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if parsed < 50 {
		t.Errorf("only %d files were looked at", parsed)
	}
}
