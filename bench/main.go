// Bench times whole scans of a tree side by side with plain reading of its
// files and with other scanners, as far as they are installed.
//
//	go run ./bench [-n RUNS] TREE
//
// The commands take turns, so that a machine whose speed drifts is fair to all;
// figures are medians, with the ratio to plain reading. Other tools report
// other things: the times say what users wait for, not who does more.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

type contender struct {
	name string
	argv []string
	wall []time.Duration
	cpu  []time.Duration
	peak int64 // bytes
}

func main() {
	runs := flag.Int("n", 7, "counted runs of each command, after one that is not")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: go run ./bench [-n RUNS] TREE")
		os.Exit(2)
	}
	if err := bench(flag.Arg(0), *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(tree string, runs int) error {
	dir, err := os.MkdirTemp("", "hotpod-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"./bench/floor", "./cmd/hotpod"} {
		build := exec.Command("go", "build", "-trimpath", "-o", dir, name)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building %s: %w", name, err)
		}
	}
	all := contenders(dir, tree)
	for i := range runs + 1 {
		for _, c := range all {
			if err := c.run(i > 0); err != nil {
				return err
			}
		}
	}
	print(all)
	return nil
}

func contenders(dir, tree string) []*contender {
	hotpod := filepath.Join(dir, "hotpod")
	all := []*contender{
		{name: "plain reading", argv: []string{filepath.Join(dir, "floor"), tree}},
		{name: "hotpod scan, SARIF", argv: []string{hotpod, "scan", tree, "-o", "sarif=" + filepath.Join(dir, "out.sarif")}},
		{name: "hotpod scan, text", argv: []string{hotpod, "scan", tree}},
	}
	peers := map[string][]string{
		"kube-linter": {"lint", "--add-all-built-in", "--format", "sarif", tree},
		"trivy":       {"config", "--quiet", "--skip-check-update", "--format", "sarif", tree},
	}
	for _, name := range []string{"kube-linter", "trivy"} {
		if path, err := exec.LookPath(name); err == nil {
			all = append(all, &contender{name: name, argv: append([]string{path}, peers[name]...)})
		}
	}
	return all
}

// run takes the operating system's figures of one run. Exit codes of scanners
// say what they found, not that they failed.
func (c *contender) run(counted bool) error {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if cmd.ProcessState == nil {
		return fmt.Errorf("running %s: %w", c.name, err)
	}
	if !counted {
		return nil
	}
	c.wall = append(c.wall, wall)
	c.cpu = append(c.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = max(c.peak, usage.Maxrss*1024)
	}
	return nil
}

func print(all []*contender) {
	floor := median(all[0].wall)
	fmt.Printf("%-22s %9s %9s %9s %7s\n", "median of whole runs", "wall", "CPU", "peak MB", "ratio")
	for _, c := range all {
		fmt.Printf("%-22s %9s %9s %9d %7.1f\n", c.name,
			median(c.wall).Round(time.Millisecond), median(c.cpu).Round(time.Millisecond), c.peak>>20,
			float64(median(c.wall))/float64(floor))
	}
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
