package rbac

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	kjson "sigs.k8s.io/json"

	"github.com/hotpod-dev/hotpod/source"
)

// Workload is a Pod, or an object whose controller makes pods from a template.
type Workload struct {
	Object    *source.Object
	Namespace string
	SpecPath  []any // of the pod spec within the object
	Spec      PodSpec
	Tokens    []Token // what its containers can read
}

// Token is a service account's token that a workload mounts.
type Token struct {
	Subject Subject
	Account *ServiceAccount // its definition, nil where the input has none
	Mount   Mount
	Path    []any // what in the workload mounts it
}

// Mount is the way in which a token gets into a pod.
type Mount string

// The ways that Kubernetes has.
const (
	Automount Mount = "automount" // by the ServiceAccount admission controller
	Projected Mount = "projected" // a projected serviceAccountToken volume
	Secret    Mount = "secret"    // a volume of a token Secret
)

// PodSpec is the part of a pod's spec that decides about tokens. It is not
// corev1.PodSpec, so that an oddity elsewhere in the spec hides no token.
type PodSpec struct {
	ServiceAccountName string      `json:"serviceAccountName"`
	DeprecatedAccount  string      `json:"serviceAccount"`
	Automount          *bool       `json:"automountServiceAccountToken"`
	Containers         []container `json:"containers"`
	InitContainers     []container `json:"initContainers"`
	EphemeralContainer []container `json:"ephemeralContainers"`
	Volumes            []volume    `json:"volumes"`
}

type container struct {
	Name         string        `json:"name"`
	Image        string        `json:"image"`
	VolumeMounts []volumeMount `json:"volumeMounts"`
}

type volumeMount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
}

type volume struct {
	Name   string `json:"name"`
	Secret *struct {
		SecretName string `json:"secretName"`
	} `json:"secret"`
	Projected *struct {
		Sources []projection `json:"sources"`
	} `json:"projected"`
}

type projection struct {
	Token *struct {
		Audience string `json:"audience"`
	} `json:"serviceAccountToken"`
	Secret *struct {
		Name string `json:"name"`
	} `json:"secret"`
}

// AccountName is the service account that the pod runs as.
func (s *PodSpec) AccountName() string {
	return cmp.Or(s.ServiceAccountName, s.DeprecatedAccount, "default")
}

// AccountPath is the path of the element that chooses the account: its name,
// or the pod spec where the account is default because none is named.
func (w *Workload) AccountPath() []any {
	switch {
	case w.Spec.ServiceAccountName != "":
		return w.path("serviceAccountName")
	case w.Spec.DeprecatedAccount != "":
		return w.path("serviceAccount")
	}
	return w.SpecPath
}

func (w *Workload) path(more ...any) []any {
	return append(slices.Clone(w.SpecPath), more...)
}

// specPaths are the places at which objects hold a pod spec.
var specPaths = [][]any{
	{"spec", "template", "spec"},                                          // Deployment … Job, Rollout, Knative Service
	{"spec", "jobTemplate", "spec", "template", "spec"},                   // CronJob
	{"spec", "jobTargetRef", "template", "spec"},                          // KEDA ScaledJob
	{"spec", "leaderWorkerTemplate", "workerTemplate", "spec"},            // LeaderWorkerSet
	{"spec", "leaderWorkerTemplate", "leaderTemplate", "spec"},            //
	{"spec", "workloadTemplate", "spec", "template", "spec"},              // OpenKruise
	{"spec", "template", "spec", "template", "spec"},                      // templates of workloads
	{"spec", "statefulSetTemplate", "spec", "template", "spec"},           //
	{"spec", "deploymentTemplate", "spec", "template", "spec"},            //
	{"spec", "replicatedJobs", 0, "template", "spec", "template", "spec"}, // JobSet
}

// addWorkload enters an object that makes pods, if it is one.
func (b *builder) addWorkload(o *source.Object) {
	specs, err := b.shared.podSpecs(o)
	if err != nil {
		b.problem(o.At(), true, err)
	}
	for _, s := range specs {
		if s.err != nil {
			b.problem(o.At(s.path...), true, fmt.Errorf("%s: the pod spec is not readable: %w", o, s.err))
		}
		b.model.Workloads = append(b.model.Workloads, &Workload{Object: o, Namespace: b.namespaceOf(o), SpecPath: s.path, Spec: s.spec})
	}
}

// Shared lets several models share what they read of the same objects, which
// costs most of the time of a build. The zero value is ready.
type Shared struct {
	specs sync.Map // *source.Object: func() ([]podSpec, error)
}

// podSpec is a pod spec of an object; err says what of it is not readable.
type podSpec struct {
	path []any
	spec PodSpec
	err  error
}

func (s *Shared) podSpecs(o *source.Object) ([]podSpec, error) {
	if s == nil {
		return podSpecs(o)
	}
	read, _ := s.specs.LoadOrStore(o, sync.OnceValues(func() ([]podSpec, error) { return podSpecs(o) }))
	return read.(func() ([]podSpec, error))()
}

// podSpecs reads the pod specs of an object that makes pods.
func podSpecs(o *source.Object) ([]podSpec, error) {
	paths := specPaths
	switch {
	case o.Group() == "" && o.Kind == "Pod":
		paths = [][]any{{"spec"}}
	case o.Group() == "" && o.Kind == "PodTemplate":
		return nil, nil // nothing runs it
	}
	var raw map[string]any
	if err := o.Decode(&raw); err != nil {
		return nil, err
	}
	var all []podSpec
	for _, path := range paths {
		spec, _ := dig(raw, path).(map[string]any)
		if _, hasContainers := spec["containers"].([]any); hasContainers && !fragment(o, raw, spec) {
			s := podSpec{path: path}
			s.err = s.spec.read(spec)
			all = append(all, s)
		}
	}
	return all, nil
}

// read takes what counts of a decoded spec.
func (s *PodSpec) read(spec map[string]any) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(text, s)
}

// dig walks down fields and indexes of decoded JSON.
func dig(v any, path []any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

// fragment tells a patch, of which trees with overlays are full, from a
// workload: the API server requires an image for each container and, for the
// kinds of apps/v1, a selector. A patch says nothing of the account that the
// whole has.
func fragment(o *source.Object, raw, spec map[string]any) bool {
	if o.APIVersion == "apps/v1" && dig(raw, []any{"spec", "selector"}) == nil {
		return true
	}
	containers, _ := spec["containers"].([]any)
	return len(containers) == 0 || slices.ContainsFunc(containers, func(c any) bool {
		image, _ := dig(c, []any{"image"}).(string)
		return image == ""
	})
}
