# Settings and helpers that the scripts in this folder share. Sourced, never run.
# shellcheck shell=bash disable=SC2034 # (used by those that source it)

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${ANOMALY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/anomaly-operator}
CLUSTER_NAME=${CLUSTER_NAME:-anomaly-operator}
STATE=$ROOT/target/cluster        # what belongs to the running cluster; `make down` removes it
[ "$CLUSTER_NAME" = anomaly-operator ] || STATE=$ROOT/target/cluster-$CLUSTER_NAME
HTTP_PORT=${HTTP_PORT:-8080}
HTTPS_PORT=${HTTPS_PORT:-8443}
# shellcheck source=versions.env
. "$ROOT/hack/versions.env"
TRAEFIK_IMAGE=${TRAEFIK_IMAGE:-traefik:$TRAEFIK_VERSION}

export KUBECONFIG=$STATE/kubeconfig           # never the user's own
export PATH=$STATE/bin:$PATH                  # kind, kubectl and helm as tools/find.sh chose them
export STARTED_AT=${STARTED_AT:-$(date +%s)}  # one clock for a script and those that it calls

# say WORDS…: one line of progress with the seconds since the start.
say() { printf '[%3d s] %s\n' "$(($(date +%s) - STARTED_AT))" "$*"; }

# die WORDS…: the reason and the user's next step, and the end.
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

can_install() { [ "$(id -u)" = 0 ] && have apt-get; }

# long LABEL LOG COMMAND…: runs a command that takes a while with its output in a file. While it runs, every 15 seconds a
# line says how far it is: what the function `progress` prints, by default the last line of the log.
long() {
  local label=$1 log=$2 ticker status=0
  shift 2
  mkdir -p "$(dirname "$log")"
  say "$label"
  : >"$log"
  tick "$label" "$log" &
  ticker=$!
  "$@" >>"$log" 2>&1 || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  [ "$status" = 0 ] && return
  tail -n 30 "$log" >&2
  die "$label: failed with status $status; the whole log is $log"
}

tick() {
  local n=0
  # (in steps of a second and without our output, so that no sleep outlives us or keeps a pipe open)
  while kill -0 $$ 2>/dev/null && sleep 1 >/dev/null 2>&1; do
    n=$((n + 1))
    [ $((n % 15)) != 0 ] || say "  … $n s: $(progress "$2" | tr -d '\r' | cut -c1-110)"
  done
}

progress() { tail -n 1 "$1"; }

# digest FILE…: one hash over contents and names relative to the project.
digest() {
  local f
  for f in "$@"; do
    printf '%s ' "${f#"$ROOT"/}"
    sha256sum <"$f"
  done | sha256sum | cut -c1-12
}

# as `docker pull`, but gives up when the registry has not answered after 10 seconds.
pull() {
  local log pid n status=0
  log=$(mktemp)
  docker pull "$1" >"$log" 2>&1 &
  pid=$!
  for n in $(seq 100); do
    if ! kill -0 "$pid" 2>/dev/null || grep -q Pulling "$log"; then break; fi
    sleep 0.1
  done
  [ "$n" != 100 ] || kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || status=$?
  rm -f "$log"
  return "$status"
}

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

docker_answers() { have docker && docker info >/dev/null 2>&1; }

# nodes_of [NAME]: the containers of that kind cluster, or of all.
nodes_of() { docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster${1:+=$1}"; }

node() { printf '%s-control-plane' "$CLUSTER_NAME"; }

# Images that were built here carry this label: they cannot be pulled by the node.
SOURCE_LABEL=anomaly-operator.io/built-from-source
from_source() { [ "$(docker image inspect -f "{{index .Config.Labels \"$SOURCE_LABEL\"}}" "$1" 2>/dev/null)" = true ]; }

# load IMAGE…: brings images of Docker into the cluster's node; those that it has are left alone.
load() {
  kind load docker-image --quiet --name "$CLUSTER_NAME" "$@" ||
    die "kind could not load $*; is the cluster up (hack/status.sh)?"
}
