#!/usr/bin/env bash
# Times a scan of a tree side by side with one that also compares it with the commit before: the run of a pull request.
#
#   bench/base.sh TREE [RUNS]
#
# A scratch repository is made of the tree. Its second commit edits one manifest in twenty and adds one that grants
# something new. The two commands take turns; figures are medians of wall time, in milliseconds, and of the CPU time.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: bench/base.sh TREE [RUNS]" >&2; exit 2; }
tree=$(cd "$1" && pwd)
runs=${2:-15}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -trimpath -o "$dir/hotpod" ./cmd/hotpod
mkdir "$dir/repo"
cp -R "$tree/." "$dir/repo"
cd "$dir/repo"
rm -rf .git
commit() {
  git add --all --force
  git -c user.name=bench -c user.email=bench@example.com commit --quiet --message "$1"
}
git init --quiet
commit base
find . -name .git -prune -o -type f \( -name '*.yaml' -o -name '*.yml' \) -print | LC_ALL=C sort | awk 'NR % 20 == 1' |
  while IFS= read -r file; do printf '\n# edited\n' >>"$file"; done
cat >bench-added.yaml <<'EOF'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bench-added}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bench-added}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bench-added}
subjects: [{kind: User, name: bench-added}]
EOF
commit head

# timed prints the wall time and the CPU time of a scan. Exit code 1 says that there are findings, 3 that something
# could not be read.
timed() {
  local TIMEFORMAT='%R %U %S'
  { time { "$dir/hotpod" scan --output "sarif=$dir/out.sarif" "$@" >/dev/null 2>&1 || :; }; } 2>&1 |
    awk '{ printf "%d %d\n", $1 * 1000, ($2 + $3) * 1000 }'
}
for ((i = 0; i <= runs; i++)); do
  head=$(timed .)
  both=$(timed --base HEAD^ .)
  ((i == 0)) || { echo "$head" >>"$dir/head" && echo "$both" >>"$dir/both"; } # the first of each only warms up
done
median() { LC_ALL=C sort -n -k "$2,$2" "$dir/$1" | awk -v column="$2" '{ v[NR] = $column } END { print v[int((NR + 1) / 2)] }'; }
printf '%-22s %8s %8s\n' "median of $runs runs" "wall ms" "CPU ms"
printf '%-22s %8d %8d\n' "head alone" "$(median head 1)" "$(median head 2)" "base and head" "$(median both 1)" "$(median both 2)"
awk -v a="$(median both 1)" -v b="$(median head 1)" -v c="$(median both 2)" -v d="$(median head 2)" 'BEGIN { printf "%-22s %8.2f %8.2f\n", "ratio", a / b, c / d }'
