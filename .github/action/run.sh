#!/usr/bin/env bash
# The shell half of action.yml, one function for each of its steps:
#
#   prepare   is Go needed, and missing?
#   get       take the named binary, download a release, or build the action's own source
#   scan      run it and hand its result to the steps that follow
#   verdict   fail the job as the scan said
#
# Inputs arrive as environment variables and stay data. Nothing is written into the tree that is scanned. Runs on macOS
# too, so: bash 3.2 and no GNU tools.
set -euo pipefail

action=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Lines of VERSION, PLATFORM, SHA256, separated by tabs, oldest release first. Being part of the action, it makes a
# workflow that pins the action's commit pin the binary too.
releases=$action/.github/releases.tsv

# die shows a message on the run's page. The message may quote an input, which must not end the command and begin
# another one. stderr, as stdout may be captured: the runner reads commands from both.
die() {
  local message=${1//\%/%25}
  message=${message//$'\r'/%0D}
  message=${message//$'\n'/%0A}
  echo "::error title=Hotpod::$message" >&2
  exit "${2:-2}"
}

output() {
  echo "$1=$2" >>"$GITHUB_OUTPUT"
}

platform() {
  case $(uname -s)/$(uname -m) in
    Linux/x86_64) echo linux_amd64 ;;
    Linux/aarch64) echo linux_arm64 ;;
    Darwin/x86_64) echo darwin_amd64 ;;
    Darwin/arm64) echo darwin_arm64 ;;
    *) die "runs on Linux and macOS runners with amd64 or arm64, not on $(uname -s)/$(uname -m)" ;;
  esac
}

# release prints "VERSION PLATFORM SHA256" of the release to download, or nothing when the source is to be built.
release() {
  local platform row=""
  [ "$INPUT_VERSION" != source ] || return 0
  [ -z "$INPUT_VERSION" ] || [[ $INPUT_VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
    die "version is '$INPUT_VERSION', but has to be X.Y.Z or source"
  platform=$(platform) || exit
  if [ -f "$releases" ]; then
    row=$(awk -v version="$INPUT_VERSION" -v platform="$platform" '
      $2 == platform && (version == "" || version == $1) { row = $1 " " $2 " " $3 }
      END { print row }' "$releases")
  fi
  [ -n "$row" ] || [ -z "$INPUT_VERSION" ] ||
    die "this version of the action holds no hash of release $INPUT_VERSION for $platform"
  echo "$row"
}

# go_here runs Go in the action's source, whatever the job set up for the source that it builds itself.
go_here() {
  (cd "$action" && GOTOOLCHAIN=auto GOWORK=off GOFLAGS='' GOOS='' GOARCH='' CGO_ENABLED=0 go "$@")
}

prepare() {
  local release
  release=$(release) || exit
  # Any Go since 1.21 fetches the toolchain that go.mod names, so ask Go itself rather than compare versions.
  if [ -n "$INPUT_BINARY" ] || [ -n "$release" ] || go_here list -m >/dev/null 2>&1; then
    output needs-go false
  else
    output needs-go true
  fi
}

download() { # VERSION PLATFORM SHA256 DIR
  local name=hotpod_$1_$2.tar.gz sum
  curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --retry 3 --output "$4/$name" \
    "https://github.com/hotpod-dev/hotpod/releases/download/v$1/$name" || die "could not download $name"
  if command -v sha256sum >/dev/null; then sum=$(sha256sum "$4/$name"); else sum=$(shasum -a 256 "$4/$name"); fi
  [ "${sum%% *}" = "$3" ] || die "$name is not what this version of the action expects: its SHA-256 is ${sum%% *}, not $3"
  tar -xzf "$4/$name" -C "$4" hotpod
}

get() {
  local release dir binary
  if [ -n "$INPUT_BINARY" ]; then
    case $INPUT_BINARY in
      /*) binary=$INPUT_BINARY ;;
      *) binary=$GITHUB_WORKSPACE/$INPUT_BINARY ;;
    esac
    if [ ! -f "$binary" ] || [ ! -x "$binary" ]; then die "binary '$INPUT_BINARY' is not an executable file"; fi
  else
    release=$(release) || exit
    dir=$(mktemp -d "$RUNNER_TEMP/hotpod.XXXXXXXXXX")
    binary=$dir/hotpod
    if [ -n "$release" ]; then
      # shellcheck disable=SC2086 # three words
      download $release "$dir"
    else
      echo "::group::Build Hotpod"
      go_here build -trimpath -buildvcs=false -o "$binary" ./cmd/hotpod || die "could not build Hotpod"
      echo "::endgroup::"
    fi
  fi
  output binary "$binary"
}

# show prints a file that may hold text of the scanned tree, with the runner deaf to commands meanwhile.
show() {
  local token
  token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  echo "::stop-commands::$token"
  cat "$1"
  printf '\n::%s::\n' "$token"
}

# summary prints a member of the summary in the JSON result. sed, as a self-hosted runner may lack jq, and nothing from
# the scanned tree is in that part of the file.
summary() { # FILE MEMBER
  [ ! -f "$1" ] || sed -n '/^  "summary": {$/,/^  }/ s/^    "'"$2"'": "\{0,1\}\([a-z0-9]*\)"\{0,1\},\{0,1\}$/\1/p' "$1"
}

# foreign is true for a pull request from another repository. The head repository may be gone, and a repository that is
# a fork itself has pull requests of its own, so neither "fork" nor its absence says it.
foreign() {
  [ -n "$PULL_REQUEST" ] && [ "$HEAD_REPOSITORY" != "$GITHUB_REPOSITORY" ]
}

# wants_upload says whether code scanning is to have the result, and if not, why.
wants_upload() { # EXIT-CODE FINDINGS
  if [ "$INPUT_UPLOAD" = false ]; then
    echo "Not uploaded to code scanning, as upload is false."
  elif [ "$1" = 3 ] && [ "$2" = 0 ]; then
    echo "Not uploaded to code scanning: the scan is incomplete, and an upload without findings closes every alert."
  elif [ "$INPUT_UPLOAD" = auto ] && foreign; then
    echo "Not uploaded to code scanning: the token of a pull request from a fork may not write."
  elif [ "$INPUT_UPLOAD" = auto ] && [ "$VISIBILITY" != public ]; then
    echo "Not uploaded to code scanning, which needs GitHub Code Security here. If there is, set upload to true."
  else
    return 0
  fi
  return 1
}

# fetch_base gets the commit to compare with where the clone lacks it, as it does by default: actions/checkout fetches a
# single commit. That names its parents, though, and the event names the rest; hotpod knows which it is to be. A fetch by
# name alone leaves the branches of the clone as they are.
fetch_base() { # DIR
  local commit args
  case $INPUT_BASE in
    auto)
      commit=$("$HOTPOD" base 2>"$1/base") ||
        die "found no commit to compare with: $(cat "$1/base"). With base set to none, every finding counts"
      ;;
    *) commit=$INPUT_BASE ;;
  esac
  [[ $commit =~ ^([0-9a-f]{40}|[0-9a-f]{64})$ ]] || return 0
  args=(--quiet --no-tags --no-recurse-submodules --depth=1)
  if [ "$(git config remote.origin.promisor)" = true ] && [ "$(git rev-parse --is-shallow-repository)" = true ]; then
    # A partial clone, as sparse-checkout makes one, would get no files with it, or has got none.
    args+=(--no-filter --refetch)
  elif git cat-file -e "$commit^{commit}" 2>/dev/null; then
    return 0
  fi
  echo "Fetching commit $commit, which the scan is compared with."
  GIT_TERMINAL_PROMPT=0 git -c core.hooksPath=/dev/null fetch "${args[@]}" \
    origin "$commit" </dev/null 2>"$1/fetch" ||
    die "could not fetch commit $commit to compare with. Give actions/checkout fetch-depth: 2 for pull requests, 0 for pushes of several commits; or set base to none. $(cat "$1/fetch")"
}

# summarize adds to the page of the run, which takes 1 MiB of a step and nothing at all of one that has more.
summarize() { # FILE
  [ -n "${GITHUB_STEP_SUMMARY:-}" ] || return 0
  if [ "$(wc -c <"$1")" -lt 1048576 ]; then
    cat "$1" >>"$GITHUB_STEP_SUMMARY"
  else
    echo "The summary is too long to be shown here: see the log." >>"$GITHUB_STEP_SUMMARY"
  fi
}

scan() {
  local dir line code=0 findings="" new="" highest="" args paths=()
  case $INPUT_UPLOAD in
    true | false | auto) ;;
    *) die "upload is '$INPUT_UPLOAD', but has to be true, false or auto" ;;
  esac
  cd "$GITHUB_WORKSPACE"
  cd -- "$INPUT_WORKING_DIRECTORY" || die "there is no working-directory '$INPUT_WORKING_DIRECTORY'"

  while IFS= read -r line; do
    [ -z "$line" ] || paths+=("$line")
  done <<<"$INPUT_PATHS"
  [ "${#paths[@]}" -gt 0 ] || die "paths is empty"

  dir=$(mktemp -d "$RUNNER_TEMP/hotpod.XXXXXXXXXX")
  # Values are joined to their flags and paths come after --, so that none is taken for a flag.
  args=("--output=github" "--output=sarif=$dir/hotpod.sarif" "--output=json=$dir/hotpod.json"
    "--output=markdown=$dir/summary.md" "--fail-on=$INPUT_FAIL_ON")
  [ -z "$INPUT_CHECKS" ] || args+=("--check=$INPUT_CHECKS")
  [ -z "$INPUT_NAMESPACE" ] || args+=("--namespace=$INPUT_NAMESPACE")
  [ -z "$INPUT_KUBERNETES_VERSION" ] || args+=("--kubernetes-version=$INPUT_KUBERNETES_VERSION")
  [ -z "$INPUT_CONFIG" ] || args+=("--config=$INPUT_CONFIG")
  if [ -n "$INPUT_BASE" ] && [ "$INPUT_BASE" != none ]; then
    args+=("--base=$INPUT_BASE")
    fetch_base "$dir"
  fi
  "$HOTPOD" scan "${args[@]}" -- "${paths[@]}" </dev/null 2>"$dir/notes" || code=$?
  [ ! -s "$dir/notes" ] || show "$dir/notes"

  case $code in
    0 | 1 | 3)
      findings=$(summary "$dir/hotpod.json" findings)
      new=$(summary "$dir/hotpod.json" new)
      highest=$(summary "$dir/hotpod.json" highest)
      if [ ! -s "$dir/hotpod.sarif" ] || [ -z "$findings" ] || [ -z "$new" ] || [ -z "$highest" ]; then
        die "hotpod exited with $code, but left no result that this version of the action can read"
      fi
      summarize "$dir/summary.md"
      output sarif-file "$dir/hotpod.sarif"
      if wants_upload "$code" "$findings"; then output upload true; fi
      # Neither a fork's token nor, by default, Dependabot's may write: what they find is in the log all the same.
      if foreign || [ "$GITHUB_ACTOR" = "dependabot[bot]" ]; then output upload-may-fail true; fi
      ;;
  esac
  output findings "$findings"
  output new-findings "$new"
  output highest-severity "$highest"
  output exit-code "$code"
}

verdict() {
  case $EXIT_CODE in
    0) ;;
    1) die "there are new findings of severity '$INPUT_FAIL_ON' or worse" 1 ;;
    2) die "the scan was not started: an input or the configuration is wrong, see the log" 2 ;;
    3) die "the scan is incomplete, see the log for what could not be read" 3 ;;
    *) die "the scan ended early, with exit code $EXIT_CODE" "$EXIT_CODE" ;;
  esac
}

case ${1:-} in
  prepare | get | scan | verdict) "$1" ;;
  *) die "run.sh has no command '${1:-}'" ;;
esac
