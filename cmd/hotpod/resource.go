package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hotpod-dev/hotpod/rbac"
)

// resourcesOf are the resources of API groups that people name without the
// group, as kubectl lets them.
var resourcesOf = map[string][]string{
	"": {
		"bindings", "configmaps", "endpoints", "events", "groups", "limitranges", "namespaces", "nodes",
		"persistentvolumeclaims", "persistentvolumes", "pods", "podtemplates", "replicationcontrollers",
		"resourcequotas", "secrets", "serviceaccounts", "services", "users",
	},
	"admissionregistration.k8s.io": {
		"mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations",
		"validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations",
	},
	"apiextensions.k8s.io":      {"customresourcedefinitions"},
	"apiregistration.k8s.io":    {"apiservices"},
	"apps":                      {"controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"},
	"authentication.k8s.io":     {"selfsubjectreviews", "tokenreviews", "uids", "userextras"},
	"authorization.k8s.io":      {"localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"},
	"autoscaling":               {"horizontalpodautoscalers"},
	"batch":                     {"cronjobs", "jobs"},
	"certificates.k8s.io":       {"certificatesigningrequests", "clustertrustbundles", "podcertificaterequests", "signers"},
	"coordination.k8s.io":       {"leases"},
	"discovery.k8s.io":          {"endpointslices"},
	"networking.k8s.io":         {"ingressclasses", "ingresses", "networkpolicies"},
	"node.k8s.io":               {"runtimeclasses"},
	"policy":                    {"poddisruptionbudgets"},
	"rbac.authorization.k8s.io": {"clusterrolebindings", "clusterroles", "rolebindings", "roles"},
	"scheduling.k8s.io":         {"priorityclasses"},
	"storage.k8s.io":            {"csidrivers", "csinodes", "csistoragecapacities", "storageclasses", "volumeattachments"},
}

// clusterScoped are those of them that a RoleBinding gives no access to.
var clusterScoped = []string{
	"apiservices", "certificatesigningrequests", "clusterrolebindings", "clusterroles", "clustertrustbundles",
	"csidrivers", "csinodes", "customresourcedefinitions", "groups", "ingressclasses",
	"mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations", "namespaces", "nodes",
	"persistentvolumes", "priorityclasses", "runtimeclasses", "selfsubjectaccessreviews", "selfsubjectreviews",
	"selfsubjectrulesreviews", "signers", "storageclasses", "subjectaccessreviews", "tokenreviews", "uids", "userextras", "users",
	"validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations", "volumeattachments",
}

// shortNames are what kubectl calls some resources.
var shortNames = map[string]string{
	"cm": "configmaps", "crd": "customresourcedefinitions", "csr": "certificatesigningrequests", "cj": "cronjobs",
	"deploy": "deployments", "ds": "daemonsets", "ep": "endpoints", "ing": "ingresses", "netpol": "networkpolicies",
	"no": "nodes", "ns": "namespaces", "po": "pods", "pv": "persistentvolumes", "pvc": "persistentvolumeclaims",
	"rc": "replicationcontrollers", "rs": "replicasets", "sa": "serviceaccounts", "sts": "statefulsets", "svc": "services",
}

// parseAction reads VERB RESOURCE[/SUB][.GROUP] [NAME], or VERB /path. The
// group may also stand before the subresource, as kubectl writes it.
func parseAction(args []string) (rbac.Action, error) {
	a := rbac.Action{Verb: args[0]}
	if strings.HasPrefix(args[1], "/") {
		if len(args) > 2 {
			return a, fmt.Errorf("a path such as %s has no names", args[1])
		}
		a.Path = args[1]
		return a, nil
	}
	resource, sub, _ := strings.Cut(args[1], "/")
	resource, group, explicit := strings.Cut(resource, ".")
	if after := ""; !explicit {
		if sub, after, explicit = strings.Cut(sub, "."); explicit {
			group = after
		}
	}
	a.Resource, a.Subresource, a.Group = resource, sub, group
	if full, ok := shortNames[a.Resource]; ok && !explicit {
		a.Resource = full
	}
	if !explicit {
		var err error
		if a.Group, err = groupOf(a.Resource); err != nil {
			return a, err
		}
	}
	if len(args) > 2 {
		a.Name = args[2]
	}
	return a, nil
}

// groupOf finds the API group of a resource that everybody knows.
func groupOf(resource string) (string, error) {
	if resource == "*" {
		return "*", nil
	}
	for group, names := range resourcesOf {
		if slices.Contains(names, resource) {
			return group, nil
		}
	}
	return "", fmt.Errorf("resource %q is not known here: name its API group too, as in %s.example.com", resource, resource)
}

// inNamespaces tells whether a RoleBinding can allow an action.
func inNamespaces(a rbac.Action) bool {
	switch known, err := groupOf(a.Resource); {
	case a.Path != "" || a.Resource == "*" && a.Group == "*" && a.Verb == "*":
		return a.Path == ""
	case a.Group == "" && a.Resource == "namespaces":
		// A request for one namespace object has the namespace of that name.
		return slices.Contains([]string{"get", "update", "patch", "delete"}, a.Verb)
	case a.Verb == "bind" && a.Resource == "clusterroles":
		return true // is asked in the namespace of the RoleBinding to be written
	case err == nil && known == a.Group:
		return !slices.Contains(clusterScoped, a.Resource)
	}
	return true
}
