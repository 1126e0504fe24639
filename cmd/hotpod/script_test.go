package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hotpod": main})
}

// TestScript runs what users type. Beside testscript's own commands there are
//
//	exits CODE PROGRAM [ARG…]   run a program that must end with this exit code
//	event JSON, fetch FILE, rev FILE REV [REPO]	see base_test.go
//	write FILE STRING [N]       write a Go string, N times; @ in it is the number, from 0
//	apiserver KUBECONFIG FILE [REFUSED…]
//	                            serve the objects of a file as a cluster, but for some resources
//	isroot                      a condition: no file is unreadable
//	controlplane                a condition: KUBEBUILDER_ASSETS names a control plane
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("KUBEBUILDER_ASSETS", os.Getenv("KUBEBUILDER_ASSETS"))
			return nil
		},
		RequireUniqueNames: true,
		UpdateScripts:      os.Getenv("HOTPOD_UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"apiserver": apiserver,
			"exits":     exits,
			"write":     writeFile,
			"event":     writeEvent,
			"fetch":     fetchCommit,
			"rev":       isRevision,
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "isroot":
				return os.Geteuid() == 0, nil
			case "controlplane":
				return os.Getenv("KUBEBUILDER_ASSETS") != "", nil
			}
			return false, fmt.Errorf("condition %q is not known", name)
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func writeFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: write FILE STRING [N]")
	}
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	times := 1
	if len(args) == 3 {
		times, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	var b bytes.Buffer
	for i := range times {
		b.WriteString(strings.ReplaceAll(text, "@", strconv.Itoa(i)))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o644))
}
