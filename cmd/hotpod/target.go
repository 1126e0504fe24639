package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/hotpod-dev/hotpod/checks"
	"github.com/hotpod-dev/hotpod/cluster"
	"github.com/hotpod-dev/hotpod/source"
)

// target is the cluster that a command reads, if any.
type target struct {
	cluster    string
	context    string
	kubeconfig string
	skip       []string
	assets     string
	kindImage  string
	kindConfig string
}

// The values of --cluster.
const (
	noCluster      = "none"
	contextCluster = "context"
	envtestCluster = "envtest"
	kindCluster    = "kind"
)

// contextFlags are about a cluster that exists already.
func (t *target) contextFlags(f *pflag.FlagSet) {
	f.StringVar(&t.context, "context", "", "`context` of the kubeconfig (default its current one)")
	f.StringVar(&t.kubeconfig, "kubeconfig", "", "`file` with access to the cluster (default as kubectl; never from what is scanned)")
	f.StringSliceVar(&t.skip, "skip", nil, "do not list these `resources` of the cluster, such as secrets; what depends on them is then not known")
}

func (t *target) ephemeralFlags(f *pflag.FlagSet) {
	f.StringVar(&t.assets, "assets", "", "`folder` with etcd, kube-apiserver and kube-controller-manager for envtest (default $KUBEBUILDER_ASSETS)")
	f.StringVar(&t.kindImage, "kind-image", "", "node `image` for kind")
	f.StringVar(&t.kindConfig, "kind-config", "", "`file` with a Cluster of kind.x-k8s.io/v1alpha4")
}

// check refuses a cluster that the command does not know, and flags of another.
func (t *target) check(known ...string) error {
	if !slices.Contains(known, t.cluster) {
		return fmt.Errorf("--cluster: %q is not known: use %s", t.cluster, strings.Join(known, ", "))
	}
	for _, flag := range []struct {
		name    string
		given   bool
		cluster string
	}{
		{"context", t.context != "", contextCluster},
		{"kubeconfig", t.kubeconfig != "", contextCluster},
		{"skip", t.skip != nil, contextCluster},
		{"assets", t.assets != "", envtestCluster},
		{"kind-image", t.kindImage != "", kindCluster},
		{"kind-config", t.kindConfig != "", kindCluster},
	} {
		if flag.given && t.cluster != flag.cluster {
			return fmt.Errorf("--%s belongs to --cluster %s", flag.name, flag.cluster)
		}
	}
	return nil
}

// load reads manifests as load does. Of a cluster that exists already nothing
// is read but where its objects come from, if anything says that.
func (t *target) load(ctx context.Context, paths []string, o source.Options, s streams) (input, error) {
	if t.cluster == contextCluster && len(paths) == 0 {
		return input{}, nil
	}
	return load(ctx, paths, o, s)
}

// site is a cluster while a command works with it.
type site struct {
	version   string // of its API server, "" if it did not tell
	gaps      []cluster.Gap
	operator  *rest.Config // nil where there is no cluster
	ephemeral *cluster.Ephemeral
}

// close deletes a cluster that was started for the command.
func (at *site) close() error {
	if at.ephemeral == nil {
		return nil
	}
	if err := at.ephemeral.Stop(); err != nil {
		return &exitError{exitIncomplete, fmt.Errorf("deleting the cluster: %w", err)}
	}
	return nil
}

// consult puts what the cluster says in place of what was read from files. The
// caller closes the site, whether or not there is an error.
func (t *target) consult(ctx context.Context, in *input, namespace string, s streams) (*site, error) {
	at := &site{}
	var said *cluster.Listing
	var err error
	switch t.cluster {
	case noCluster:
		gaps, problems := cluster.ReadSnapshot(in.Objects)
		at.gaps, in.Problems = gaps, append(in.Problems, problems...)
		return at, nil
	case contextCluster:
		said, err = t.list(ctx, at, in.trees, s)
		if err == nil {
			said.Objects = cluster.Place(said.Objects, in.Objects, namespace)
		}
	default:
		said, err = t.try(ctx, at, in.Objects, namespace, s)
	}
	if err != nil {
		return at, err
	}
	at.version, at.gaps = said.Version, said.Gaps
	in.Objects, in.Problems = said.Objects, append(in.Problems, said.Problems...)
	return at, nil
}

// list reads a cluster that exists already.
func (t *target) list(ctx context.Context, at *site, trees []source.Tree, s streams) (*cluster.Listing, error) {
	o := cluster.ContextOptions{Context: t.context, Kubeconfig: t.kubeconfig, Getenv: s.env}
	for _, tree := range trees {
		o.Trees = append(o.Trees, path.Join(tree.Dir, tree.Name))
	}
	config, err := cluster.Context(o)
	if err != nil {
		return nil, err
	}
	at.operator = config
	said, err := cluster.List(ctx, config, cluster.ListOptions{Skip: t.skip, Progress: progress(s)})
	if err != nil {
		return nil, fmt.Errorf("listing the cluster: %w", err)
	}
	for _, name := range t.skip {
		if !slices.ContainsFunc(said.Gaps, func(g cluster.Gap) bool { return name == g.Resource || strings.HasPrefix(g.Resource, name+".") }) {
			return nil, fmt.Errorf("--skip: %q is none of the resources that are listed", name)
		}
	}
	return said, nil
}

// try applies manifests to a cluster that is started for them.
func (t *target) try(ctx context.Context, at *site, objects []*source.Object, namespace string, s streams) (*cluster.Listing, error) {
	log := slog.New(notes{s: s})
	var err error
	if at.ephemeral, err = t.start(ctx, log, s); err != nil {
		return nil, err
	}
	at.operator = at.ephemeral.RESTConfig()
	said, err := at.ephemeral.Apply(ctx, objects, cluster.ApplyOptions{Namespace: namespace, Log: log, List: cluster.ListOptions{Progress: progress(s)}})
	if err != nil {
		return nil, &exitError{exitIncomplete, fmt.Errorf("applying the manifests: %w", err)}
	}
	return said, nil
}

func (t *target) start(ctx context.Context, log *slog.Logger, s streams) (*cluster.Ephemeral, error) {
	if t.cluster == envtestCluster {
		e, err := cluster.StartEnvtest(ctx, cluster.EnvtestOptions{Assets: first(t.assets, s.env("KUBEBUILDER_ASSETS")), Log: log})
		return e, failed(err)
	}
	o := cluster.KindOptions{Image: t.kindImage, Log: log}
	if t.kindConfig != "" {
		var err error
		if o.Config, err = os.ReadFile(t.kindConfig); err != nil {
			return nil, fmt.Errorf("--kind-config %s: %w", t.kindConfig, reason(err))
		}
	}
	e, err := cluster.StartKind(ctx, o)
	return e, failed(err)
}

// failed makes of a cluster that did not start a scan that did not happen.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitIncomplete, err}
}

// progress tells how far a list is, where that takes long.
func progress(s streams) func(cluster.Progress) {
	const patience = 2 * time.Second
	told := s.now()
	return func(p cluster.Progress) {
		if now := s.now(); now.Sub(told) >= patience {
			told = now
			s.note("listed %d %s so far", p.Objects, p.Resource)
		}
	}
}

// unjudged says which checks a partial list leaves in doubt.
func unjudged(all []*checks.Check, gaps []cluster.Gap) []source.Problem {
	byChecks := map[string][]cluster.Gap{}
	var order []string
	for _, g := range gaps {
		some := spoken(all, slices.DeleteFunc(slices.Clone(all), func(c *checks.Check) bool { return !needs(c, g.Kind) }))
		if byChecks[some] == nil {
			order = append(order, some)
		}
		byChecks[some] = append(byChecks[some], g)
	}
	var problems []source.Problem
	for _, some := range order {
		var names []string
		asked := false
		for _, g := range byChecks[some] {
			names = append(names, g.Resource)
			asked = asked || !errors.Is(g.Err, cluster.ErrSkipped)
		}
		if some != "" {
			problems = append(problems, source.Problem{
				Position:   source.Position{Path: "cluster"},
				Err:        fmt.Errorf("%s could not be judged in full, for want of %s", some, strings.Join(names, ", ")),
				Incomplete: asked,
			})
		}
	}
	return problems
}

// needs tells whether what a check says depends on objects of a kind.
func needs(c *checks.Check, kind string) bool {
	aboutPods := strings.HasPrefix(c.ID, "HP6")
	switch kind {
	case "Namespace", "Node":
		return false
	case "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding":
		return c.ID != "HP602" // which is about accounts and pods alone
	}
	return aboutPods
}

// spoken names some of all checks.
func spoken(all, some []*checks.Check) string {
	const few = 3
	var in, out []string
	for _, c := range all {
		if slices.Contains(some, c) {
			in = append(in, c.ID)
		} else {
			out = append(out, c.ID)
		}
	}
	switch {
	case len(in) == 0:
		return ""
	case len(out) == 0 && len(in) > few:
		return "every check"
	case len(out) <= few && len(in) > few:
		return "every check but " + strings.Join(out, ", ")
	}
	return strings.Join(in, ", ")
}

// notes writes what a logger is told as notes on stderr.
type notes struct {
	s     streams
	attrs []slog.Attr
}

func (n notes) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (n notes) WithAttrs(attrs []slog.Attr) slog.Handler {
	return notes{n.s, slices.Concat(n.attrs, attrs)}
}

func (n notes) WithGroup(string) slog.Handler { return n }

func (n notes) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	add := func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range n.attrs {
		add(a)
	}
	r.Attrs(add)
	n.s.note("%s", text)
	return nil
}
