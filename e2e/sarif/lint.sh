#!/usr/bin/env bash
# usage: e2e/sarif/lint.sh FILE.sarif...
#
# Checks SARIF files by the rules of the specification and of GitHub code scanning, with Microsoft's sarif-multitool.
# Exit code: 0 clean, 1 a rule is broken, 2 a file could not be checked. What no multitool rule covers (the schema, tags,
# severities, links to related locations) is checked by the tests of package report.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case $(uname -s) in
  Darwin) multitool=$here/node_modules/@microsoft/sarif-multitool-darwin/Sarif.Multitool ;;
  *) multitool=$here/node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool ;;
esac
if [ ! -f "$multitool" ]; then
  echo "lint.sh: sarif-multitool is missing: run 'npm ci' in $here" >&2
  exit 2
fi
# npm ci runs no install scripts here, and the package leaves this to one.
chmod u+x "$multitool"
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 # else it looks for the ICU libraries

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
code=0
for file in "$@"; do
  # It exits with 0 whatever it finds, and leaves out a file that it could not load: its words have to be read.
  "$multitool" validate "$file" --config "$here/github.xml" --rule-kind "Sarif;Ghas" --level "Error;Warning" \
    --log ForceOverwrite --output "$out/result.sarif" >"$out/log" 2>&1 || true
  if ! grep -q '^Analysis completed successfully' "$out/log"; then
    echo "$file: not checked:"
    sed 's/^/    /' "$out/log"
    code=2
  elif grep -E '\([0-9,]+\): (error|warning) [A-Z]+[0-9]+:' "$out/log"; then
    [ "$code" = 2 ] || code=1
  else
    echo "$file: ok"
  fi
done
exit "$code"
