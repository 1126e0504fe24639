#!/usr/bin/env bash
# usage: e2e/docs/workflows.sh ACTIONLINT
#
# Lints the workflows that the documentation shows, as if they stood in this repository: our own action becomes ./, so
# that its inputs are checked too. Every other action has to be pinned by its commit.
set -euo pipefail

actionlint=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p "$out/.github/workflows"
cp action.yml "$out"
# One file for each block of YAML that has jobs, at the line where it stands, so that messages name the right one.
for page in README.md docs/*.md; do
  awk -v to="$out/.github/workflows/$(basename "$page" .md)" '
    /^```yaml$/ { inside = 1; jobs = 0; start = NR; text = ""; for (i = 0; i < NR; i++) text = text "\n"; next }
    /^```$/ { if (inside && jobs) { file = to "-" start ".yml"; printf "%s", text >file; close(file) } inside = 0 }
    inside { text = text $0 "\n"; if (/^jobs:/) jobs = 1 }
  ' "$page"
done

cd "$out"
code=0
if grep -nE '^[^#]*uses:' .github/workflows/*.yml | grep -vE 'uses: (hotpod-dev/hotpod@main|[^@ ]+@[0-9a-f]{40} # v[0-9.]+)( |$)'; then
  echo "workflows.sh: an action is not pinned by its commit, with its version behind it" >&2
  code=1
fi
for file in .github/workflows/*.yml; do
  sed 's|hotpod-dev/hotpod@main|./|' "$file" >"$file.new"
  mv "$file.new" "$file"
done
git init -q .
"$actionlint" -no-color || code=1
echo "workflows.sh: $(find .github/workflows -name '*.yml' | wc -l) workflows"
exit "$code"
