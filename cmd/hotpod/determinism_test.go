package main

import (
	"bytes"
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/hotpod-dev/hotpod/report"
)

// The same input gives the same bytes, whatever the order of files or CPUs.
func TestSameBytes(t *testing.T) {
	files := fixtureFiles(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first map[string][]byte
	for i := range 20 {
		rand.New(rand.NewPCG(1, uint64(i))).Shuffle(len(files), func(a, b int) { files[a], files[b] = files[b], files[a] })
		runtime.GOMAXPROCS(i%8 + 1)
		got := scanAll(t, files)
		if first == nil {
			first = got
		}
		for name, text := range got {
			if !bytes.Equal(text, first[name]) {
				t.Fatalf("run %d: %s differs from that of the first run", i, name)
			}
		}
	}
}

func fixtureFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("../../fixtures", func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); ext == ".yaml" || ext == ".json" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("only %d fixtures", len(files))
	}
	return files
}

// scanAll scans files and gives what is written in each format.
func scanAll(t *testing.T, files []string) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	args := []string{"scan"}
	formats := report.Formats()
	for f := range formats {
		args = append(args, "-o", f+"="+filepath.Join(dir, f))
	}
	var stderr bytes.Buffer
	s := streams{out: &bytes.Buffer{}, err: &stderr, now: func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }, env: noEnv}
	if code := run(context.Background(), append(args, files...), s); code != exitFindings {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	all := map[string][]byte{"stderr": stderr.Bytes()}
	for f := range formats {
		text, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		all[f] = text
	}
	return all
}
