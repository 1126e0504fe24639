package cluster

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// object is what is kept of an object of a cluster: reading an answer into it
// and writing it out again is how a page is trimmed. One type serves all
// kinds; lists keep all their items, so that an index means the same here and
// in a manifest.
type object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`

	Rules       json.RawMessage `json:"rules,omitempty"`
	Aggregation json.RawMessage `json:"aggregationRule,omitempty"`
	RoleRef     json.RawMessage `json:"roleRef,omitempty"`
	Subjects    json.RawMessage `json:"subjects,omitempty"`

	Automount *bool             `json:"automountServiceAccountToken,omitempty"`
	Secrets   json.RawMessage   `json:"secrets,omitempty"`
	Type      corev1.SecretType `json:"type,omitempty"`

	Spec *spec `json:"spec,omitempty"`
}

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	UID    string  `json:"uid,omitempty"`
	Owners []owner `json:"ownerReferences,omitempty"`
}

type owner struct {
	UID        string `json:"uid"`
	Controller bool   `json:"controller"`
}

// spec is that of a Pod, or of what makes pods.
type spec struct {
	podSpec
	Selector    json.RawMessage `json:"selector,omitempty"`
	Template    *template       `json:"template,omitempty"`
	JobTemplate *struct {
		Spec struct {
			Template *template `json:"template,omitempty"`
		} `json:"spec"`
	} `json:"jobTemplate,omitempty"`
}

type template struct {
	Spec podSpec `json:"spec"`
}

// podSpec is what decides about tokens and about ways out of the container.
// Commands, arguments and the values of environment variables, which hold more
// passwords than anybody wishes, are not read.
type podSpec struct {
	ServiceAccountName  string          `json:"serviceAccountName,omitempty"`
	DeprecatedAccount   string          `json:"serviceAccount,omitempty"`
	Automount           *bool           `json:"automountServiceAccountToken,omitempty"`
	HostNetwork         bool            `json:"hostNetwork,omitempty"`
	HostPID             bool            `json:"hostPID,omitempty"`
	HostIPC             bool            `json:"hostIPC,omitempty"`
	SecurityContext     json.RawMessage `json:"securityContext,omitempty"`
	Containers          []container     `json:"containers,omitempty"`
	InitContainers      []container     `json:"initContainers,omitempty"`
	EphemeralContainers []container     `json:"ephemeralContainers,omitempty"`
	Volumes             []volume        `json:"volumes,omitempty"`
}

type container struct {
	Name            string          `json:"name"`
	Image           string          `json:"image,omitempty"`
	SecurityContext json.RawMessage `json:"securityContext,omitempty"`
	Env             []struct {
		Name      string `json:"name"`
		ValueFrom *struct {
			SecretKeyRef json.RawMessage `json:"secretKeyRef,omitempty"`
		} `json:"valueFrom,omitempty"`
	} `json:"env,omitempty"`
	EnvFrom []struct {
		SecretRef json.RawMessage `json:"secretRef,omitempty"`
	} `json:"envFrom,omitempty"`
	VolumeMounts []volumeMount `json:"volumeMounts,omitempty"`
}

type volumeMount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
}

type volume struct {
	Name     string          `json:"name"`
	HostPath json.RawMessage `json:"hostPath,omitempty"`
	Secret   *struct {
		SecretName string `json:"secretName,omitempty"`
	} `json:"secret,omitempty"`
	Projected *struct {
		Sources []struct {
			Token  json.RawMessage `json:"serviceAccountToken,omitempty"`
			Secret *struct {
				Name string `json:"name,omitempty"`
			} `json:"secret,omitempty"`
		} `json:"sources,omitempty"`
	} `json:"projected,omitempty"`
}

// trim leaves in o only what is used, and says what it is, which items of a
// list do not.
func (o *object) trim(r resource) {
	o.APIVersion, o.Kind = r.apiVersion(), r.kind
	if !r.labels {
		o.Metadata.Labels = nil
	}
	account := o.Metadata.Annotations[corev1.ServiceAccountNameKey]
	o.Metadata.Annotations = nil
	o.Metadata.UID, o.Metadata.Owners = "", nil
	switch {
	case r.kind == "Secret" && account != "":
		o.Metadata.Annotations = map[string]string{corev1.ServiceAccountNameKey: account}
	case strings.HasSuffix(r.kind, "Role") && (o.Rules == nil || bytes.Equal(o.Rules, []byte("null"))):
		o.Rules = json.RawMessage("[]") // no rules is nothing odd in a cluster
	case r.kind == "Pod" && o.Spec != nil:
		o.Spec.admitted()
	}
}

// controller gives the UID of the owner that manages the object.
func (m *metadata) controller() string {
	for _, o := range m.Owners {
		if o.Controller {
			return o.UID
		}
	}
	return ""
}

const (
	tokenDir       = "/var/run/secrets/kubernetes.io/serviceaccount"
	apiAccessStart = "kube-api-access-"
)

// admitted undoes what the ServiceAccount admission controller (kubernetes/
// plugin/pkg/admission/serviceaccount) has done to a Pod, and states the
// outcome instead: it has a token, or it has none, whatever its account says
// by now. A manifest of the same pod then looks the same.
func (s *podSpec) admitted() {
	mounted, made := false, ""
	s.eachContainer(func(c *container) {
		for _, m := range c.VolumeMounts {
			if strings.TrimSuffix(m.MountPath, "/") == tokenDir {
				mounted = true
				if strings.HasPrefix(m.Name, apiAccessStart) {
					made = m.Name
				}
			}
		}
	})
	switch {
	case made != "":
		s.Automount = new(true)
		s.Volumes = slices.DeleteFunc(s.Volumes, func(v volume) bool { return v.Name == made })
		s.eachContainer(func(c *container) {
			c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m volumeMount) bool { return m.Name == made })
		})
	case !mounted:
		s.Automount = new(false)
	}
}

func (s *podSpec) eachContainer(do func(*container)) {
	for _, list := range [][]container{s.Containers, s.InitContainers, s.EphemeralContainers} {
		for i := range list {
			do(&list[i])
		}
	}
}
