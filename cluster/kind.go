package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/kind/pkg/log"
)

// KindOptions say how to start a cluster of containers.
type KindOptions struct {
	Image  string // of the nodes; "" is that of this version of kind
	Config []byte // a kind.x-k8s.io/v1alpha4 Cluster; nil is one node
	Engine string // docker, podman or nerdctl; "" is what is installed
	Log    *slog.Logger
}

const (
	kindReady   = 5 * time.Minute
	kindGivesUp = 20 * time.Second // when its nodes are taken away
)

// StartKind starts a cluster in containers, with a node that runs pods. Its
// access is in a file of our own: the user's kubeconfig is never touched. On
// failure, and when ctx ends, nothing is left but the engine's network "kind"
// and the node image, which kind keeps for all clusters.
func StartKind(ctx context.Context, o KindOptions) (*Ephemeral, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	provider, err := kindProvider(o)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hotpod-kind-")
	if err != nil {
		return nil, err
	}
	k := &kindCluster{
		provider: provider,
		name:     "hotpod-" + strings.ToLower(rand.Text()[:8]),
		dir:      dir,
	}
	e, err := k.start(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a kind cluster: %w", err), k.remove())
	}
	return e, nil
}

// kindProvider finds a container engine that answers.
func kindProvider(o KindOptions) (*cluster.Provider, error) {
	var engine cluster.ProviderOption
	switch o.Engine {
	case "docker":
		engine = cluster.ProviderWithDocker()
	case "podman":
		engine = cluster.ProviderWithPodman()
	case "nerdctl":
		engine = cluster.ProviderWithNerdctl("")
	case "":
		var err error
		if engine, err = cluster.DetectNodeProvider(); err != nil {
			return nil, fmt.Errorf("kind needs a container engine: install Docker (docs.docker.com/engine/install) or Podman, or use envtest, which needs none: %w", err)
		}
	default:
		return nil, fmt.Errorf("kind knows no container engine '%s': choose docker, podman or nerdctl", o.Engine)
	}
	provider := cluster.NewProvider(engine, cluster.ProviderWithLogger(kindLog{o.Log}))
	if _, err := provider.List(); err != nil {
		return nil, fmt.Errorf("the container engine does not answer; is it installed, is its service started, and may this user use it? %w", withOutput(err))
	}
	return provider, nil
}

// kindCluster is what is behind an Ephemeral that kind made.
type kindCluster struct {
	provider  *cluster.Provider
	name, dir string
}

func (k *kindCluster) start(ctx context.Context, o KindOptions) (*Ephemeral, error) {
	o.Log.Info("starting kind", "cluster", k.name)
	if err := k.create(ctx, o); err != nil {
		return nil, err
	}
	text, err := k.provider.KubeConfig(k.name, false)
	if err != nil {
		return nil, withOutput(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(text))
	if err != nil {
		return nil, err
	}
	settling, cancel := context.WithTimeoutCause(ctx, settleWithin, fmt.Errorf("not done after %s", settleWithin))
	defer cancel()
	if err := waitSettled(settling, config, []string{"default"}); err != nil {
		return nil, err
	}
	o.Log.Info("kind is ready", "server", config.Host)
	e := newEphemeral(ctx, unlimited(config), k.kubeconfig(), k.remove)
	e.nodes = true
	return e, nil
}

// create starts the nodes. Kind's Create takes no context: when ctx ends, its
// nodes are taken away from under it as they appear, whereupon it fails at its
// next step. Should it be busy with an image for longer than we wait, nothing
// of the cluster exists yet, and what it makes later goes too.
func (k *kindCluster) create(ctx context.Context, o KindOptions) error {
	options := []cluster.CreateOption{
		cluster.CreateWithNodeImage(o.Image),
		cluster.CreateWithWaitForReady(kindReady),
		cluster.CreateWithKubeconfigPath(k.kubeconfig()),
		cluster.CreateWithDisplayUsage(false),
		cluster.CreateWithDisplaySalutation(false),
	}
	if o.Config != nil {
		options = append(options, cluster.CreateWithRawConfig(o.Config))
	}
	var created error
	done := make(chan struct{})
	go func() {
		defer close(done)
		created = withOutput(k.provider.Create(k.name, options...))
		if ctx.Err() != nil {
			_ = k.delete() // nobody may be there any more to hear of it
		}
	}()
	select {
	case <-done:
		return created
	case <-ctx.Done():
	}
	for end := time.After(kindGivesUp); ; {
		_ = k.delete() // remove does it again and tells
		select {
		case <-done:
			return context.Cause(ctx)
		case <-end:
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

func (k *kindCluster) delete() error {
	return withOutput(k.provider.Delete(k.name, k.kubeconfig()))
}

func (k *kindCluster) remove() error {
	return errors.Join(k.delete(), os.RemoveAll(k.dir))
}

func (k *kindCluster) kubeconfig() string { return filepath.Join(k.dir, "kubeconfig") }

// withOutput adds what a container engine said, which kind keeps apart.
func withOutput(err error) error {
	if run := exec.RunErrorForError(err); run != nil && len(run.Output) > 0 {
		lines := strings.Split(strings.TrimSpace(string(run.Output)), "\n")
		return fmt.Errorf("%w\n%s", err, strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	return err
}

// kindLog takes kind's messages: its steps, and at higher levels its details.
type kindLog struct{ log *slog.Logger }

func (l kindLog) Warn(message string)            { l.log.Warn(strings.TrimSpace(message)) }
func (l kindLog) Warnf(format string, a ...any)  { l.Warn(fmt.Sprintf(format, a...)) }
func (l kindLog) Error(message string)           { l.log.Error(strings.TrimSpace(message)) }
func (l kindLog) Errorf(format string, a ...any) { l.Error(fmt.Sprintf(format, a...)) }

func (l kindLog) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return kindInfo{l.log, slog.LevelDebug}
	}
	return kindInfo{l.log, slog.LevelInfo}
}

type kindInfo struct {
	log   *slog.Logger
	level slog.Level
}

func (i kindInfo) Info(message string) {
	i.log.Log(context.Background(), i.level, strings.TrimSpace(message))
}
func (i kindInfo) Infof(format string, a ...any) { i.Info(fmt.Sprintf(format, a...)) }
func (i kindInfo) Enabled() bool                 { return i.log.Enabled(context.Background(), i.level) }
