#!/usr/bin/env bash
# Takes away all that up.sh made, but for the caches: the cluster, kind's network, the dockerd that was started for it and what
# that left on the host. A Docker Engine that was there before stays as it was. Ends with a check that nothing is left.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/docker/own.sh"

# (what kind does too; but kind need not be there)
remove_cluster() {
  local nodes
  mapfile -t nodes < <(docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME")
  if [ ${#nodes[@]} = 0 ]; then
    say "no cluster $CLUSTER_NAME"
  else
    say "removing the cluster $CLUSTER_NAME"
    docker rm --force --volumes "${nodes[@]}" >/dev/null
  fi
  # (docker refuses while another cluster uses it)
  [ ! -e "$CACHE/made-kind-network" ] || ! docker network rm kind >/dev/null 2>&1 || rm -f "$CACHE/made-kind-network"
}

mkdir -p "$CACHE"
exec 9>"$CACHE/up.lock"
flock -n 9 || die "another up.sh or down.sh runs; wait for it to end"

# Ours was killed, or the machine was: its successor knows best how to clear up what it left.
[ ! -e "$SAVED_HOST" ] || own_dockerd >/dev/null || "$here/docker/start.sh"
if have docker && docker info >/dev/null 2>&1; then remove_cluster; else say "no Docker Engine answers"; fi
rm -rf "$STATE"
"$here/docker/stop.sh"
"$here/leftovers.sh"
