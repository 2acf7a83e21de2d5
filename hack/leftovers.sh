#!/usr/bin/env bash
# Says what of ours is still on this machine, one thing a line, and fails if there is any. The caches are meant to stay.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/docker/own.sh"

found() { while read -r thing; do printf '%s: %s\n' "$1" "$thing"; done; }

leftovers() {
  [ ! -d "$STATE" ] || found folder <<<"$STATE"
  if docker_answers; then
    docker ps --all --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME" --format '{{.Names}}' | found container
    [ -z "$(nodes_of '')" ] || return 0 # other clusters, which need all that follows
    if [ -e "$CACHE/made-kind-network" ] && docker network inspect kind >/dev/null 2>&1; then found "docker network" <<<kind; fi
  elif [ "$(uname -s)" = Linux ]; then # otherwise these may be another Docker Engine's
    docker_interfaces | found interface
    docker_cgroups | { grep -v '/docker/' || true; } | found cgroup
    docker_rules | found "iptables rule"
  fi
  [ ! -d "$DOCKER_RUN" ] || found folder <<<"$DOCKER_RUN"
  own_docker_processes | while read -r pid; do echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-100)"; done | found process
  own_docker_mounts | found mount
}

left=$(leftovers)
if [ -n "$left" ]; then
  printf 'left on this machine:\n%s\n' "$left" >&2
  exit 1
fi
say "nothing is left"
