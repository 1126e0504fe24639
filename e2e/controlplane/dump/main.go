// Command dump starts an empty Kubernetes control plane and writes down the
// RBAC objects it ships with, as data for the model in the rbac package.
//
// Several of these objects exist nowhere but in a running server: the API
// server writes them when it starts, and a controller fills the aggregated
// roles admin, edit and view.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	assets := flag.String("assets", "", "`folder` with the binaries; by default the one that ./build.sh prints")
	out := flag.String("out", "../../rbac/builtin", "`folder` that receives vMAJOR.MINOR.json")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, *assets, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dump:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, assets, out string) error {
	if assets == "" {
		var err error
		if assets, err = buildAssets(ctx); err != nil {
			return err
		}
	}
	cp, err := start(ctx, assets)
	if err != nil {
		return err
	}
	defer cp.stop()

	b, err := readBuiltin(cp)
	if err != nil {
		return err
	}
	file := filepath.Join(out, b.fileName())
	if err := os.WriteFile(file, b.encode(), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", file, b.summary())
	return nil
}

// buildAssets runs build.sh and returns the folder it names last. The script
// has a process group of its own, so that its compilers end with it.
func buildAssets(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "./build.sh")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build.sh: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}
