#!/usr/bin/env bash
# usage: e2e/mermaid/fixtures.sh HOTPOD
#
# Writes the job summary of each folder of fixtures, and of hostile names, and checks it with check.mjs. Some fixtures are
# broken on purpose, so a result may be incomplete (3) where it would be 0.
set -euo pipefail

hotpod=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
if [ ! -d "$here/node_modules" ]; then
  echo "fixtures.sh: mermaid is missing: run 'npm ci' in $here" >&2
  exit 2
fi

# Summaries link to files where a job of GitHub Actions says which commit it runs on.
export GITHUB_SERVER_URL=https://github.com GITHUB_REPOSITORY=octo/shop GITHUB_SHA=0123456789abcdef0123456789abcdef01234567
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for folder in fixtures/*/ "$here/hostile/"; do
  name=$(basename "$folder")
  code=0
  "$hotpod" scan "$folder" --output "markdown=$out/$name.md" --fail-on never >/dev/null 2>"$out/notes" || code=$?
  if [ "$code" != 0 ] && [ "$code" != 3 ]; then
    echo "$folder: hotpod exited with $code:"
    cat "$out/notes"
    exit 1
  fi
done
node "$here/check.mjs" "$out"/*.md
