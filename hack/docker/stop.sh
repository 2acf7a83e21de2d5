#!/usr/bin/env bash
# Ends the dockerd that start.sh started, and takes away what it leaves on the host. Another Docker Engine is left alone.
# Images and the like stay in the cache.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/own.sh"

# Everything that is docker's in this table stays out when the table is loaded again; so does the policy it set.
without_docker() { # without_docker TABLES POLICY
  sed -E "/DOCKER|docker0|br-[0-9a-f]{12}/d; s/^:FORWARD DROP/:FORWARD ${2:-ACCEPT}/" <<<"$1"
}

if pid=$(own_dockerd); then
  say "ending dockerd ($pid)"
  end "$pid"
elif [ ! -e "$SAVED_HOST" ]; then
  say "no dockerd of ours runs"
  exit 0
fi

if docker_answers; then
  say "another Docker Engine answers meanwhile: leaving the host's network to it"
  rm -rf "$DOCKER_RUN" "$SAVED_HOST" "$SAVED_HOST.sysctl"
  exit 0
fi

# Processes and mounts are left over only by a dockerd that was killed.
mapfile -t pids < <(own_docker_processes)
[ ${#pids[@]} = 0 ] || end "${pids[@]}"
own_docker_mounts | tac | while read -r path; do umount "$path" || true; done
docker_interfaces | while read -r name; do ip link delete "$name" || true; done
docker_cgroups | tac | while read -r path; do rmdir "$path" || true; done

# shellcheck source=/dev/null
. "$SAVED_HOST"
without_docker "$(iptables-save)" "${policy:-}" | iptables-restore
without_docker "$(ip6tables-save)" "${policy6:-}" | ip6tables-restore
sysctl -q -p "$SAVED_HOST.sysctl"
rm -rf "$DOCKER_RUN" "$SAVED_HOST" "$SAVED_HOST.sysctl"
find /run/docker /run/containerd -depth -type d -empty -delete 2>/dev/null || true
