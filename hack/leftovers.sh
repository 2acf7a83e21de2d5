#!/usr/bin/env bash
# Says what of ours is still on this machine, one thing a line, and fails if there is any. The caches are meant to stay.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/docker/own.sh"

found() { while read -r thing; do printf '%s: %s\n' "$1" "$thing"; done; }

docker_answers() { have docker && docker info >/dev/null 2>&1; }

leftovers() {
  [ ! -d "$STATE" ] || found folder <<<"$STATE"
  [ ! -d "$DOCKER_RUN" ] || found folder <<<"$DOCKER_RUN"
  own_docker_processes | while read -r pid; do echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-100)"; done | found process
  own_docker_mounts | found mount
  if docker_answers; then
    docker ps --all --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME" --format '{{.Names}}' | found container
    if [ -e "$CACHE/made-kind-network" ] && docker network inspect kind >/dev/null 2>&1; then found "docker network" <<<kind; fi
  elif [ "$(uname -s)" = Linux ]; then # otherwise these may be another Docker Engine's
    docker_interfaces | found interface
    docker_cgroups | grep -v '/docker/' | found cgroup
    docker_rules | found "iptables rule"
  fi
}

left=$(leftovers)
if [ -n "$left" ]; then
  printf 'left on this machine:\n%s\n' "$left" >&2
  exit 1
fi
say "nothing is left"
