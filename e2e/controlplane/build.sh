#!/usr/bin/env bash
# Builds the control plane that tests run against (etcd, kube-apiserver,
# kube-controller-manager, and kubectl) from the Go modules pinned in go.mod,
# and prints the folder with the binaries as the last line on stdout.
#
# The folder lies outside the tree and is named after all that decides what is
# in it, so a binary that is there is right and is not built again.
set -euo pipefail

cache=${HOTPOD_CONTROLPLANE:-${XDG_CACHE_HOME:-$HOME/.cache}/hotpod/controlplane}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
cd "$(dirname "$0")"

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly

# Kubernetes takes its version from the linker; without it the API server
# calls itself v0.0.0-master and clients take wrong turns.
kube=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<<"${kube#v}"
v=k8s.io/component-base/version
ldflags="-s -w -X $v.gitVersion=$kube -X $v.gitMajor=$major -X $v.gitMinor=$minor -X $v.gitTreeState=clean"

key=$({ go env GOOS GOARCH GOVERSION; echo "$ldflags"; cat go.mod; } | git hash-object --stdin)
dir=$cache/${key:0:16}
mkdir -p "$dir"
trap 'rm -f "$dir"/.*.$$' EXIT

# A binary appears under its name only when it is whole, so that an interrupted
# build, or two at the same time, leave nothing broken behind.
build() {
  local name=$1 package=$2
  [ ! -x "$dir/$name" ] || return 0
  echo "building $name" >&2
  go build -trimpath -ldflags "$ldflags" -o "$dir/.$name.$$" "$package" >&2
  mv -f "$dir/.$name.$$" "$dir/$name"
}

build etcd go.etcd.io/etcd/server/v3
for name in kube-apiserver kube-controller-manager kubectl; do
  build "$name" "k8s.io/kubernetes/cmd/$name"
done
echo "$dir"
