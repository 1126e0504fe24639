package action

import (
	"crypto/sha256"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A release is downloaded and verified by the shell part alone, so no act here. There is no network either: curl is a
// stub that serves one archive and says what was asked of it.
func TestReleases(t *testing.T) {
	t.Parallel()
	archive := filepath.Join(t.TempDir(), "archive.tar.gz")
	stub(t, filepath.Join(filepath.Dir(archive), "hotpod"), "echo released")
	if out, err := exec.Command("tar", "-czf", archive, "-C", filepath.Dir(archive), "hotpod").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(read(t, archive))))
	wrong := strings.Repeat("0", 64)
	platform := runtime.GOOS + "_" + runtime.GOARCH

	for name, test := range map[string]struct {
		table   [][3]string
		version string
		url     string // what is downloaded, if anything
		refused string // part of the message, if any
		needsGo bool
	}{
		"the newest by default": {
			table: [][3]string{{"1.9.0", platform, wrong}, {"1.10.0", platform, sum}, {"1.10.0", "plan9_386", wrong}},
			url:   "v1.10.0/hotpod_1.10.0_" + platform,
		},
		"an older one": {
			table:   [][3]string{{"1.9.0", platform, sum}, {"1.10.0", platform, wrong}},
			version: "1.9.0", url: "v1.9.0/hotpod_1.9.0_" + platform,
		},
		"not what was released": {
			table:   [][3]string{{"1.9.0", platform, wrong}},
			version: "1.9.0", url: "v1.9.0/hotpod_1.9.0_" + platform,
			refused: "its SHA-256 is " + sum + ", not " + wrong,
		},
		"unknown": {
			table:   [][3]string{{"1.9.0", platform, sum}},
			version: "1.9", refused: "has to be X.Y.Z or source",
		},
		"with a command": {
			version: "1.9.0\n::error::forged", refused: "::error title=Hotpod::version is '1.9.0%0A::error::forged'",
		},
		"without a hash": {
			table:   [][3]string{{"1.9.0", "plan9_386", sum}},
			version: "1.9.0", refused: "holds no hash of release 1.9.0",
		},
		"source": {
			table:   [][3]string{{"1.9.0", platform, sum}},
			version: "source", needsGo: true,
		},
		"no release for this platform": {
			table:   [][3]string{{"1.9.0", "plan9_386", sum}},
			needsGo: true,
		},
		"no release at all": {needsGo: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, ".github/action/run.sh"), read(t, filepath.Join(root, ".github/action/run.sh")))
			var table strings.Builder
			for _, row := range test.table {
				fmt.Fprintln(&table, strings.Join(row[:], "\t"))
			}
			if table.Len() > 0 {
				write(t, filepath.Join(dir, ".github/releases.tsv"), table.String())
			}
			stub(t, filepath.Join(dir, "bin/curl"), `for url in "$@"; do :; done
echo "$url" >"$RUNNER_TEMP/url"
while [ "$1" != --output ]; do shift; done
cp "$ARCHIVE" "$2"`)
			stub(t, filepath.Join(dir, "bin/go"), "exit 1")
			shell := func(step string) string {
				command := exec.CommandContext(t.Context(), "bash", filepath.Join(dir, ".github/action/run.sh"), step)
				command.Env = []string{
					"PATH=" + filepath.Join(dir, "bin") + ":/usr/local/bin:/usr/bin:/bin",
					"ARCHIVE=" + archive, "RUNNER_TEMP=" + dir, "GITHUB_OUTPUT=" + filepath.Join(dir, "output"),
					"GITHUB_WORKSPACE=" + dir, "INPUT_VERSION=" + test.version, "INPUT_BINARY=",
				}
				log, _ := command.CombinedOutput()
				return string(log)
			}

			log := shell("prepare")
			if test.refused == "" || test.url != "" {
				want := fmt.Sprintf("needs-go=%t\n", test.needsGo)
				if got := read(t, filepath.Join(dir, "output")); got != want {
					t.Errorf("prepare says %q, want %q:\n%s", got, want, log)
				}
			}
			if test.needsGo {
				return
			}

			log = shell("get")
			if url := read(t, filepath.Join(dir, "url")); test.url == "" && url != "" ||
				test.url != "" && url != "https://github.com/hotpod-dev/hotpod/releases/download/"+test.url+".tar.gz\n" {
				t.Errorf("downloaded %q", url)
			}
			_, binary, got := strings.Cut(strings.TrimSpace(read(t, filepath.Join(dir, "output"))), "binary=")
			if got != (test.refused == "") || !strings.Contains(log, test.refused) {
				t.Fatalf("binary %q; want it refused for %q:\n%s", binary, test.refused, log)
			}
			if got {
				if out, err := exec.Command(binary).Output(); err != nil || string(out) != "released\n" {
					t.Errorf("%s printed %q: %v", binary, out, err)
				}
			}
		})
	}
}
