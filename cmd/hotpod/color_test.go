package main

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestColorful(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no character device can be opened by name")
	}
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name          string
		to            *os.File
		noColor, term string
		want          bool
	}{
		{"a terminal", device, "", "xterm", true},
		{"a file", file, "", "xterm", false},
		{"NO_COLOR", device, "1", "xterm", false},
		{"any NO_COLOR that is not empty", device, "0", "xterm", false},
		{"a dumb terminal", device, "", "dumb", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			t.Setenv("TERM", c.term)
			if got := colorful(c.to); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// Colours change nothing but the looks, and only what a terminal shows.
func TestColors(t *testing.T) {
	scan := func(color bool, format string) string {
		var stdout, stderr bytes.Buffer
		s := streams{out: &stdout, err: &stderr, color: color, now: time.Now, env: noEnv}
		if code := run(context.Background(), []string{"scan", "-o", format, "../../fixtures/HP101"}, s); code != exitFindings {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
		return stdout.String()
	}
	plain, colored := scan(false, "text"), scan(true, "text")
	if strings.Contains(plain, "\x1b") {
		t.Error("colours where none are wanted")
	}
	if !strings.Contains(colored, "\x1b[31mcritical\x1b[0m") {
		t.Error("no colours where they are wanted")
	}
	for _, code := range []string{"0", "1", "2", "31", "33", "36"} {
		colored = strings.ReplaceAll(colored, "\x1b["+code+"m", "")
	}
	if colored != plain {
		t.Error("the text differs in more than colours")
	}
	for _, format := range []string{"json", "sarif", "github"} {
		if strings.Contains(scan(true, format), "\x1b") {
			t.Errorf("colours in %s", format)
		}
	}
}
