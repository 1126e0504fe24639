package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKubiScanPage runs the commands of docs/kubiscan.md: what follows each is
// what it prints. HOTPOD_UPDATE writes the page anew.
func TestKubiScanPage(t *testing.T) {
	const page = "../../docs/kubiscan.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const start, end = "```console\n", "```\n"
	var b strings.Builder
	rest := string(text)
	for {
		before, block, ok := strings.Cut(rest, start)
		b.WriteString(before)
		if !ok {
			break
		}
		command, _, _ := strings.Cut(block, "\n")
		_, rest, ok = strings.Cut(block, end)
		if !ok {
			t.Fatalf("%q does not end", command)
		}
		b.WriteString(start + command + "\n" + printed(t, strings.TrimPrefix(command, "$ ")) + end)
	}
	if os.Getenv("HOTPOD_UPDATE") != "" {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), b.String()); diff != "" {
		t.Errorf("%s is not what the commands print (-page +printed); HOTPOD_UPDATE=1 writes it anew:\n%s", page, diff)
	}
}

// printed runs a command in the root of the repository. Blanks at the ends of
// lines are left to no page.
func printed(t *testing.T, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimRight(string(out), "\n") + "\n"
}
