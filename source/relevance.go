package source

import (
	"bytes"
	"strings"
)

// Most bytes of real trees belong to documents that can carry no permission,
// custom resource definitions above all. relevant finds those by a look at
// the lines that start in column 1, before any YAML parser runs.
//
// The text may come from somebody who wants to be overlooked, so a document
// is passed over only where its kind cannot be other than it seems: its first
// content is a plain key in column 1, hence its root is a block mapping there
// and every key of the root is the first thing on such a line; each of them is
// a plain key, and "kind" is one of them exactly once, with a plain value.
// Quoted, escaped, tagged and merged keys all send the document to the parser,
// and so do lines that YAML ends where we do not.
func relevant(doc []byte) bool {
	if !bytes.Contains(doc, []byte("kind")) {
		return hidden(doc)
	}
	kind, items, plain := plainHead(doc)
	return !plain || items || kindMatters(kind, doc) || oddBreaks(doc)
}

// hidden tells whether a word could stand in the document in disguise: as an
// escape of a quoted string, by a binary tag, or in UTF-16.
func hidden(doc []byte) bool {
	return bytes.IndexByte(doc, '\\') >= 0 || bytes.IndexByte(doc, 0) >= 0 ||
		bytes.Contains(doc, []byte("!!")) || bytes.Contains(doc, []byte("!<"))
}

// plainHead gives the value of the only "kind" key of the root mapping, and
// whether it has "items", which make a list of any kind. plain is false where
// the document is not as simple as relevant needs it.
func plainHead(doc []byte) (kind string, items, plain bool) {
	for first, pos := true, 0; pos < len(doc); {
		end := lineEnd(doc, pos)
		line := doc[pos:end]
		pos = end
		switch line[0] {
		case '\n', '\r', '#':
			continue
		case ' ':
			if first && len(bytes.TrimSpace(line)) > 0 && bytes.TrimSpace(line)[0] != '#' {
				return "", false, false
			}
			continue
		case '-':
			if first || len(line) < 2 || (line[1] != ' ' && line[1] != '\n' && line[1] != '\r') {
				return "", false, false
			}
			continue
		}
		key, value, ok := plainEntry(line)
		if !ok {
			return "", false, false
		}
		first = false
		items = items || key == "items"
		if key != "kind" {
			continue
		}
		if kind != "" || !isWord(value) {
			return "", false, false
		}
		kind = value
	}
	return kind, items, kind != ""
}

// plainEntry reads "key: value" where the key is a plain word.
func plainEntry(line []byte) (key, value string, ok bool) {
	k, v, found := bytes.Cut(line, []byte(":"))
	if !found || !isWord(string(k)) || (len(v) > 0 && !bytes.ContainsRune([]byte(" \t\r\n"), rune(v[0]))) {
		return "", "", false
	}
	if i := bytes.Index(v, []byte(" #")); i >= 0 {
		v = v[:i]
	}
	return string(k), strings.Trim(string(v), " \t\r\n"), true
}

func isWord(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '_' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}

// kindMatters tells whether a document of this kind can hold a permission, an
// account or a workload. Kinds that we do not know are workloads when they
// may hold a pod template, which always has "containers".
func kindMatters(kind string, doc []byte) bool {
	switch kind {
	case "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceAccount", "Namespace",
		"Pod", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job", "CronJob":
		return true
	case "CustomResourceDefinition", "ConfigMap", "ClusterServiceVersion":
		return false // they quote manifests, but nothing in them takes effect as written
	case "Secret":
		return tokenSecret(doc)
	}
	return strings.HasSuffix(kind, "List") || bytes.Contains(doc, []byte("containers")) || hidden(doc)
}

// tokenSecret tells whether a Secret may be of a type that holds a credential
// of Kubernetes itself. All others are never parsed: what is not read cannot
// leak.
func tokenSecret(doc []byte) bool {
	return bytes.Contains(doc, []byte("kubernetes.io/")) || hidden(doc)
}
