package main

import (
	"encoding/json"
	"slices"

	"github.com/hotpod-dev/hotpod/rbac"
)

// podSpec is what queries tell of a pod beside its account: what it reads, and
// what it may do to its node.
type podSpec struct {
	HostNetwork bool            `json:"hostNetwork"`
	HostPID     bool            `json:"hostPID"`
	HostIPC     bool            `json:"hostIPC"`
	Security    securityContext `json:"securityContext"`
	Volumes     []podVolume     `json:"volumes"`
	Containers  []podContainer  `json:"containers"`
	Init        []podContainer  `json:"initContainers"`
	Ephemeral   []podContainer  `json:"ephemeralContainers"`
}

type securityContext struct {
	Privileged bool   `json:"privileged"`
	Escalation bool   `json:"allowPrivilegeEscalation"`
	User       *int64 `json:"runAsUser"`
	Caps       struct {
		Add []string `json:"add"`
	} `json:"capabilities"`
}

type podContainer struct {
	Security securityContext `json:"securityContext"`
	Mounts   []podMount      `json:"volumeMounts"`
	Env      []struct {
		From struct {
			Secret struct {
				Name string `json:"name"`
			} `json:"secretKeyRef"`
		} `json:"valueFrom"`
	} `json:"env"`
	EnvFrom []struct {
		Secret struct {
			Name string `json:"name"`
		} `json:"secretRef"`
	} `json:"envFrom"`
}

type podMount struct {
	Name string `json:"name"`
}

type podVolume struct {
	Name     string `json:"name"`
	HostPath *struct {
		Path string `json:"path"`
	} `json:"hostPath"`
	Secret struct {
		Name string `json:"secretName"`
	} `json:"secret"`
	Projected struct {
		Sources []projection `json:"sources"`
	} `json:"projected"`
}

type projection struct {
	Token *struct {
		Audience string `json:"audience"`
		Seconds  int64  `json:"expirationSeconds"`
	} `json:"serviceAccountToken"`
	Secret struct {
		Name string `json:"name"`
	} `json:"secret"`
}

// readPodSpec reads what it can: a spec that is odd was reported before.
func readPodSpec(w *rbac.Workload) podSpec {
	var spec podSpec
	var raw any
	if w.Object.Decode(&raw) != nil {
		return spec
	}
	text, err := json.Marshal(at(raw, w.SpecPath))
	if err == nil {
		_ = json.Unmarshal(text, &spec)
	}
	return spec
}

// at walks down fields and indexes of decoded JSON.
func at(v any, path []any) any {
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

func (p podSpec) all() []podContainer { return slices.Concat(p.Containers, p.Init, p.Ephemeral) }

// mounted are the volumes that a container mounts.
func (p podSpec) mounted() []int {
	var all []int
	for i, v := range p.Volumes {
		mounts := func(m podMount) bool { return m.Name == v.Name }
		if slices.ContainsFunc(p.all(), func(c podContainer) bool { return slices.ContainsFunc(c.Mounts, mounts) }) {
			all = append(all, i)
		}
	}
	return all
}

// secrets are those that the containers read: volume:NAME and env:NAME.
func (p podSpec) secrets() []string {
	var all []string
	add := func(how, name string) {
		if name != "" {
			all = append(all, how+":"+name)
		}
	}
	for _, i := range p.mounted() {
		add("volume", p.Volumes[i].Secret.Name)
		for _, s := range p.Volumes[i].Projected.Sources {
			add("volume", s.Secret.Name)
		}
	}
	for _, c := range p.all() {
		for _, e := range c.Env {
			add("env", e.From.Secret.Name)
		}
		for _, e := range c.EnvFrom {
			add("env", e.Secret.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// privileges are what lets the containers out, or makes it easier.
func (p podSpec) privileges() []string {
	var all []string
	add := func(name string, is bool) {
		if is {
			all = append(all, name)
		}
	}
	add("hostNetwork", p.HostNetwork)
	add("hostPID", p.HostPID)
	add("hostIPC", p.HostIPC)
	for _, c := range p.all() {
		user := c.Security.User
		if user == nil {
			user = p.Security.User
		}
		add("privileged", c.Security.Privileged)
		add("allowPrivilegeEscalation", c.Security.Escalation)
		add("root", user != nil && *user == 0)
		for _, name := range c.Security.Caps.Add {
			add("cap:"+name, true)
		}
	}
	for _, i := range p.mounted() {
		if v := p.Volumes[i]; v.HostPath != nil {
			add("hostPath:"+v.HostPath.Path, true)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
