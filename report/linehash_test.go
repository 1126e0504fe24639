package report

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The hashes were computed by github/codeql-action's own code.
func TestLineHashesAreGitHubs(t *testing.T) {
	table, err := os.Open("testdata/linehash/hashes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	files := map[string][]string{}
	compared := 0
	for in := bufio.NewScanner(table); in.Scan(); compared++ {
		f := strings.Split(in.Text(), "\t")
		if files[f[0]] == nil {
			content, err := os.ReadFile(filepath.Join("testdata/linehash/files", f[0]))
			if err != nil {
				t.Fatal(err)
			}
			files[f[0]] = LineHashes(content, 1<<30)
		}
		line, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(err)
		}
		if line > len(files[f[0]]) || files[f[0]][line-1] != f[2] {
			t.Errorf("%s:%d: got %v, want %s", f[0], line, files[f[0]][min(line-1, len(files[f[0]])-1)], f[2])
		}
	}
	if compared != 279 {
		t.Errorf("compared %d lines, want 279", compared)
	}
}
