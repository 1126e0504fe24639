// Package cluster is the live side of Hotpod: it starts throw-away clusters,
// finds the cluster that a kubeconfig names, applies manifests, and lists
// what the model of the rbac package needs.
//
// A cluster is one more producer of source objects. What it cannot tell is a
// source.Problem that is Incomplete, so that a partial answer never passes
// for a clean one.
package cluster

import (
	"context"
	"sync"

	"k8s.io/client-go/rest"
)

// Ephemeral is a throw-away cluster that runs. StartEnvtest and StartKind
// make one; both delete it when their context ends.
type Ephemeral struct {
	config     *rest.Config
	kubeconfig string
	nodes      bool // there are some, so that pods run
	stop       func() error
}

// newEphemeral makes sure that remove runs once, at Stop or when ctx ends.
func newEphemeral(ctx context.Context, config *rest.Config, kubeconfig string, remove func() error) *Ephemeral {
	once := sync.OnceValue(remove)
	unregister := context.AfterFunc(ctx, func() { _ = once() }) // Stop, which waits for it, tells of the error
	return &Ephemeral{config: config, kubeconfig: kubeconfig, stop: func() error {
		unregister()
		return once()
	}}
}

// RESTConfig gives access as a member of system:masters, without a client-side
// limit on requests: the API server has its own. The caller may change it.
func (e *Ephemeral) RESTConfig() *rest.Config { return rest.CopyConfig(e.config) }

// Kubeconfig is a file with the same access, for kubectl. It goes with Stop.
func (e *Ephemeral) Kubeconfig() string { return e.kubeconfig }

// Stop deletes the cluster and all that was made for it, and returns when
// nothing is left. It may be called again, and after the context ended.
func (e *Ephemeral) Stop() error { return e.stop() }

// unlimited is for a cluster of our own: the default of client-go is five
// requests a second.
func unlimited(c *rest.Config) *rest.Config {
	c.QPS = -1
	c.UserAgent = userAgent
	return c
}

const userAgent = "hotpod"
