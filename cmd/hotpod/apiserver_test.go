package main

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// apiserver serves the lists of an API server from manifests, and writes a
// kubeconfig that leads there. It refuses the lists of some resources.
func apiserver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: apiserver KUBECONFIG MANIFESTS [REFUSED…]")
	}
	byKind := map[string][]any{}
	for doc := range strings.SplitSeq(ts.ReadFile(args[1]), "\n---\n") {
		var o map[string]any
		ts.Check(yaml.Unmarshal([]byte(doc), &o))
		kind, _ := o["kind"].(string)
		byKind[kind] = append(byKind[kind], o)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveList(w, r, byKind, args[2:])
	}))
	ts.Defer(server.Close)
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{Token: "t"}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	text, err := clientcmd.Write(*config)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

func serveList(w http.ResponseWriter, r *http.Request, byKind map[string][]any, refused []string) {
	answer := func(code int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(body)
	}
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case resource == "version":
		answer(http.StatusOK, map[string]any{"gitVersion": "v1.34.1"})
		return
	case slices.Contains(refused, resource):
		answer(http.StatusForbidden, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": resource + " is forbidden", "code": http.StatusForbidden})
		return
	}
	kind, items := resource, []any{}
	for k, all := range byKind {
		if strings.ToLower(k)+"s" == resource {
			kind, items = k, all
		}
	}
	if len(items) == 0 { // the kinds that are listed, of which the test has none
		for _, k := range []string{"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount", "Secret", "Namespace", "Node", "CronJob", "Job", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Pod"} {
			if strings.ToLower(k)+"s" == resource {
				kind = k
			}
		}
	}
	list := kind + "List"
	if strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
		list = "PartialObjectMetadataList"
	}
	if kind == "Secret" && !strings.Contains(r.URL.RawQuery, "service-account-token") {
		items = nil
	}
	answer(http.StatusOK, map[string]any{"kind": list, "metadata": map[string]any{}, "items": items})
}
