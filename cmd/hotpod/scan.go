package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/rbac"
	"github.com/hotpod-dev/hotpod/report"
	"github.com/hotpod-dev/hotpod/source"
	"github.com/hotpod-dev/hotpod/triage"
)

// scanOptions are the flags of scan.
type scanOptions struct {
	outputs         []string
	checks          []string
	failOn          string
	namespace       string
	kubernetes      string
	config          string
	category        string
	sarifSuppressed bool
	sarifResults    int
	fix, dryRun     bool
	base            string
	target          target
	prove           bool
}

func newScan(s streams) *cobra.Command {
	var o scanOptions
	cmd := &cobra.Command{
		Use:   "scan [PATH…]",
		Short: "Scan manifests for risky permissions",
		Long: `Scan reads the manifests at each PATH: files, folders, globs, or - for standard
input; the working directory by default. It reads files that end in .yaml, .yml
or .json and skips .git, vendor, node_modules and what the configuration
excludes.

What cannot be read is reported and does not stop the rest; if nothing fails
the scan, it then ends with exit code 3.

With --base each finding is new or was there before, and only new ones fail the
scan. New is what lets somebody do something that nobody of that identity could
do: to rename, move or rewrite a manifest adds nothing. The base is a revision
of the git repository, whose tree is read without a checkout; another folder; or
the SARIF file of an earlier scan. In GitHub Actions --base auto takes the
target of a pull request, or the branch before a push.

With --cluster context the cluster of a kubeconfig is scanned; PATHs, if any are
given, say which manifests its objects come from. With --cluster envtest or kind
the manifests are applied to a cluster of their own, read back as that defaults
and admits them, and the cluster is deleted: envtest is a control plane without
nodes, kind a node in a container. If a cluster does not answer in full, the
scan says which checks that leaves in doubt.

With --prove the attack of each finding is tried on the cluster, as the subject
that the finding is about: by dry run where the API has one, and of secrets the
metadata only. A cluster that exists already is sent nothing but dry runs, by
impersonation, and SubjectAccessReviews.`,
		Example: `  hotpod scan deploy/
  hotpod scan --fail-on critical -o text -o sarif=hotpod.sarif .
  hotpod scan --base origin/main deploy/
  helm template . | hotpod scan -
  hotpod scan --fix --dry-run deploy/
  hotpod scan --cluster context --context staging deploy/
  hotpod scan --cluster envtest --assets ./bin deploy/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return scan(cmd.Context(), args, o, cmd.Flags().Changed("config"), s)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "write `FORMAT[=FILE]`: text, json, sarif, github, markdown or html; repeatable (default text)")
	f.StringSliceVar(&o.checks, "check", nil, "run only these checks: `HP1*,-HP102`")
	f.StringVar(&o.failOn, "fail-on", "", "exit with 1 from this `severity` on: critical, high, medium, low or never (default high)")
	f.StringVar(&o.base, "base", "", "compare with `REV|DIR|FILE.sarif`, or auto in GitHub Actions: only new findings fail the scan")
	f.StringVarP(&o.namespace, "namespace", "n", "", "`namespace` of objects that name none (default \"default\")")
	f.StringVar(&o.kubernetes, "kubernetes-version", "", "`version` of the cluster, where it matters (default 1.37)")
	f.StringVar(&o.config, "config", ".hotpod.yaml", "configuration `file`; the default need not be there")
	f.StringVar(&o.category, "category", "", "`category` of the SARIF run, if several scans are uploaded")
	f.BoolVar(&o.fix, "fix", false, "edit the files where a finding's repair takes no thought, then scan them again")
	f.BoolVar(&o.dryRun, "dry-run", false, "with --fix: edit nothing, print a unified diff")
	f.StringVar(&o.target.cluster, "cluster", noCluster, "scan a cluster: none, `context`, envtest or kind")
	o.target.contextFlags(f)
	o.target.ephemeralFlags(f)
	f.BoolVar(&o.prove, "prove", false, "try each finding on the cluster and attach what it answers")
	f.IntVar(&o.sarifResults, "sarif-results", 0, "write at most this `number` of results into SARIF, the worst (default 5000, as many as GitHub shows)")
	f.BoolVar(&o.sarifSuppressed, "sarif-suppressed", false, "write ignored findings into SARIF too, as suppressed")
	return cmd
}

// settings are flags and configuration, put together and validated.
type settings struct {
	config  *triage.Config
	ignores []*triage.Ignore
	checks  []*checks.Check
	failOn  checks.Severity
	minor   int
	shared  *rbac.Shared // between the base and what is scanned
	outputs []output
}

func (o scanOptions) settings(given bool) (st settings, err error) {
	data, err := os.ReadFile(o.config)
	if err != nil && (given || !os.IsNotExist(err)) {
		return st, fmt.Errorf("reading the configuration: %w", err)
	}
	if st.config, err = triage.ReadConfig(o.config, data); err != nil {
		return st, err
	}
	if st.ignores, err = st.config.Ignores(data); err != nil {
		return st, err
	}
	if st.checks, err = checks.Select(checks.All(), first(o.checks, st.config.Check)); err != nil {
		return st, err
	}
	if st.failOn, err = parseFailOn(first(o.failOn, st.config.FailOn, "high")); err != nil {
		return st, fmt.Errorf("%s: %w", o.origin("fail-on", o.failOn), err)
	}
	if st.minor, err = parseMinor(first(o.kubernetes, st.config.KubernetesVersion, "1.37")); err != nil {
		return st, fmt.Errorf("%s: %w", o.origin("kubernetes-version", o.kubernetes), err)
	}
	if o.dryRun {
		st.outputs, err = fixOutputs(o.outputs)
	} else {
		st.outputs, err = parseOutputs(o.outputs)
	}
	return st, err
}

// origin says where a setting comes from: its flag, or else the configuration.
func (o scanOptions) origin(name, flag string) string {
	if flag != "" {
		return "--" + name
	}
	return "reading " + o.config + ": " + name
}

// first gives the first value that is not empty.
func first[T interface{ ~string | ~[]string }](values ...T) T {
	for _, v := range values {
		if len(v) > 0 {
			return v
		}
	}
	return values[len(values)-1]
}

func parseFailOn(name string) (checks.Severity, error) {
	if name == "never" {
		return checks.None, nil
	}
	s, err := checks.ParseSeverity(name)
	if err != nil {
		return s, fmt.Errorf("%w, or never", err)
	}
	return s, nil
}

// parseMinor reads 1.37, v1.37 or 1.37.2.
func parseMinor(v string) (int, error) {
	parts := strings.Split(strings.TrimPrefix(v, "v"), ".")
	if len(parts) >= 2 && parts[0] == "1" {
		if minor, err := strconv.Atoi(parts[1]); err == nil && minor > 0 {
			return minor, nil
		}
	}
	return 0, fmt.Errorf("%q is not a version such as 1.37", v)
}

func scan(ctx context.Context, args []string, o scanOptions, configGiven bool, s streams) (err error) {
	st, err := o.settings(configGiven)
	if err == nil {
		err = o.fixing(args)
	}
	if err == nil {
		err = o.target.check(noCluster, contextCluster, envtestCluster, kindCluster)
	}
	if err == nil && o.prove && o.target.cluster == noCluster {
		err = errors.New("--prove tries findings on a cluster: say which by --cluster")
	}
	if err != nil {
		return err
	}
	b, err := openBase(ctx, o.base, args, s)
	if err != nil {
		return err
	}
	reading := source.Options{Skip: skip(st.config.Exclude), Limits: source.DefaultLimits(), Memory: b.memory()}
	if b != nil && b.tree != nil && o.target.cluster == contextCluster {
		return errors.New("--base: a cluster is no change to a tree; compare it with the SARIF file of an earlier scan")
	}
	in, err := o.target.load(ctx, args, reading, s)
	if err != nil {
		return err
	}
	if err := b.load(ctx, in, reading); err != nil {
		return err
	}
	namespace := first(o.namespace, st.config.Namespace)
	at, err := o.target.consult(ctx, &in, namespace, s)
	defer func() { err = cmp.Or(err, at.close()) }()
	if err != nil {
		return err
	}
	if minor, wrong := parseMinor(at.version); wrong == nil && first(o.kubernetes, st.config.KubernetesVersion) == "" {
		st.minor = minor
	}
	in.Problems = append(in.Problems, unjudged(st.checks, at.gaps)...)
	found := judge(in.Result, b, st, namespace, s)
	if o.fix {
		fixed, err := fix(found.Outcome.Shown, o.dryRun, s)
		if err != nil {
			return &exitError{exitIncomplete, err}
		}
		if fixed > 0 && !o.dryRun {
			if in, err = load(ctx, args, reading, s); err != nil {
				return err
			}
			found = judge(in.Result, b, st, namespace, s)
		}
	}
	if o.prove {
		if err := at.prove(ctx, found.Outcome.Shown, s); err != nil {
			return &exitError{exitIncomplete, err}
		}
	}
	r := report.New(found)
	r.MaxResults = o.sarifResults
	r.Prefix, r.Category, r.ShowIgnored, r.Blob = prefix(), o.category, o.sarifSuppressed, blob(s.env)
	addLineHashes(r)
	if err := write(r, st.outputs, s); err != nil {
		return &exitError{exitIncomplete, err}
	}
	return verdict(r)
}

// judge says what is to be reported of what was read.
func judge(in source.Result, b *base, st settings, namespace string, s streams) report.Scan {
	st.shared = &rbac.Shared{}
	var wait sync.WaitGroup
	wait.Go(func() { b.judge(st, namespace) })
	now := st.judgeAll(in.Objects, namespace)
	wait.Wait()
	inline, wrong := triage.Comments(in.Objects)
	scan := report.Scan{
		Version: version, Checks: st.checks, Problems: append(in.Problems, wrong...),
		FailOn: st.failOn, Files: in.Files, Objects: len(in.Objects),
	}
	for _, j := range now {
		scan.Problems, scan.Failures = append(scan.Problems, j.problems...), append(scan.Failures, j.failures...)
	}
	findings := findingsOf(now)
	scan.Outcome = triage.Apply(findings, triage.Options{
		Checks: st.checks, FailOn: st.failOn, Ignores: append(inline, st.ignores...), Today: s.now(),
		Base: b.compare(&scan, findings, now, in),
	})
	scan.Problems = append(scan.Problems, scan.Outcome.Notices...)
	return scan
}

// verdict turns the report into the exit code.
func verdict(r *report.Report) error {
	switch {
	case r.Summary.Failing > 0:
		return &exitError{code: exitFindings}
	case r.Summary.Incomplete:
		return &exitError{code: exitIncomplete}
	}
	return nil
}
