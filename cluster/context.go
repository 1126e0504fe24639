package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ContextOptions say which cluster is meant.
type ContextOptions struct {
	Context    string              // name of a context; "" is the current one
	Kubeconfig string              // file; "" is what $KUBECONFIG names, else ~/.kube/config, else the pod that we run in
	Getenv     func(string) string // the environment; os.Getenv in a command
	// Trees are the files and folders that are scanned. A kubeconfig in one of
	// them is refused: it may name a program to run, and whoever opens a pull
	// request would choose that program.
	Trees []string
}

// Context finds the access to a cluster that exists already. Nothing is sent
// to it yet.
func Context(o ContextOptions) (*rest.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: o.Kubeconfig}
	if o.Kubeconfig == "" {
		rules.Precedence = o.files()
	}
	if err := o.check(rules.Precedence); err != nil {
		return nil, err
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if err := o.checkContext(&raw, rules); err != nil {
		return nil, err
	}
	config, err := loader.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, fmt.Errorf("no cluster is configured: %s not there, and this is no pod of a cluster; name a file with --kubeconfig", o.where(rules))
	case err != nil:
		return nil, fmt.Errorf("context '%s' of %s: %w", o.contextName(&raw), o.where(rules), err)
	}
	config.WarningHandler = rest.NoWarnings{}
	config.UserAgent = userAgent
	return config, nil
}

// files are those that kubectl would read.
func (o ContextOptions) files() []string {
	if list := o.Getenv("KUBECONFIG"); list != "" {
		return slices.DeleteFunc(filepath.SplitList(list), func(f string) bool { return f == "" })
	}
	if home := o.Getenv("HOME"); home != "" {
		return []string{filepath.Join(home, ".kube", "config")}
	}
	return nil
}

// check refuses a file that was named and is not there, and one that is part
// of what is scanned.
func (o ContextOptions) check(files []string) error {
	if o.Kubeconfig != "" {
		files = []string{o.Kubeconfig}
		if _, err := os.Stat(o.Kubeconfig); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("kubeconfig '%s' does not exist", o.Kubeconfig)
		}
	}
	for _, file := range files {
		real, err := realPath(file)
		if err != nil {
			continue // not there, which is no fault of one of several
		}
		for _, tree := range o.Trees {
			root, err := realPath(tree)
			if err != nil {
				continue
			}
			if rel, err := filepath.Rel(root, real); err == nil && filepath.IsLocal(rel) {
				return fmt.Errorf("kubeconfig '%s' is part of '%s', which is scanned: it could run programs of whoever wrote it; move it elsewhere", file, tree)
			}
		}
	}
	return nil
}

func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// checkContext names the contexts that there are, where the one asked for is not.
func (o ContextOptions) checkContext(raw *clientcmdapi.Config, rules *clientcmd.ClientConfigLoadingRules) error {
	name := o.contextName(raw)
	if name == "" {
		if len(raw.Contexts) > 0 {
			return fmt.Errorf("%s names no current context; choose one with --context: %s", o.where(rules), contexts(raw))
		}
		return nil
	}
	if raw.Contexts[name] == nil {
		return fmt.Errorf("context '%s' is not in %s; there is %s", name, o.where(rules), contexts(raw))
	}
	return nil
}

func (o ContextOptions) contextName(raw *clientcmdapi.Config) string {
	if o.Context != "" {
		return o.Context
	}
	return raw.CurrentContext
}

func (o ContextOptions) where(rules *clientcmd.ClientConfigLoadingRules) string {
	if o.Kubeconfig != "" {
		return "kubeconfig '" + o.Kubeconfig + "'"
	}
	return "kubeconfig '" + strings.Join(rules.Precedence, "', '") + "'"
}

func contexts(raw *clientcmdapi.Config) string {
	var names []string
	for name := range raw.Contexts {
		names = append(names, "'"+name+"'")
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
