#!/usr/bin/env bash
# usage: e2e/sarif/fixtures.sh HOTPOD
#
# Scans each folder of fixtures and checks the SARIF with lint.sh. Some fixtures are broken on purpose, so a result may
# be incomplete (3) where it would be 0.
set -euo pipefail

hotpod=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for folder in fixtures/*/; do
  name=$(basename "$folder")
  code=0
  "$hotpod" scan "$folder" --output "sarif=$out/$name.sarif" --fail-on never >/dev/null 2>"$out/notes" || code=$?
  if [ "$code" != 0 ] && [ "$code" != 3 ]; then
    echo "$folder: hotpod exited with $code:"
    cat "$out/notes"
    exit 1
  fi
done
"$here/lint.sh" "$out"/*.sarif
