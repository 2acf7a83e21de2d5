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
  mapfile -t nodes < <(nodes_of "$CLUSTER_NAME")
  if [ ${#nodes[@]} = 0 ]; then
    say "no cluster $CLUSTER_NAME"
  else
    say "removing the cluster $CLUSTER_NAME"
    docker rm --force --volumes "${nodes[@]}" >/dev/null
  fi
}

mkdir -p "$CACHE"
exec 9>"$CACHE/up.lock"
# (an up.sh that was interrupted together with us needs a moment to end)
flock -w 60 9 || die "another up.sh or down.sh runs; wait for it to end"

# Ours was killed, or the machine was: its successor knows best how to clear up what it left.
[ ! -e "$SAVED_HOST" ] || own_dockerd >/dev/null || "$here/docker/start.sh"
if docker_answers; then remove_cluster; else say "no Docker Engine answers"; fi
rm -rf "$STATE"
if docker_answers && [ -n "$(nodes_of '')" ]; then
  say "other kind clusters run: leaving Docker and its network to them"
else
  [ ! -e "$CACHE/made-kind-network" ] || ! docker network rm kind >/dev/null 2>&1 || rm -f "$CACHE/made-kind-network"
  "$here/docker/stop.sh"
fi
"$here/leftovers.sh"
