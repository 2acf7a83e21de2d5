#!/usr/bin/env bash
# Finds a Docker Engine that answers. Where none does, and we are root on Debian or Ubuntu, installs `docker.io` and starts a
# dockerd of our own, which stop.sh ends. It outlives the script that started it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/own.sh"

if answer=$(docker version --format '{{.Server.Version}}' 2>&1); then
  say "Docker Engine $answer answers"
  exit 0
fi

help="Install and start Docker Engine 20.10 or newer (on Debian and Ubuntu: the package docker.io), see that \`docker info\` works for this user, and try again."
[ -z "${DOCKER_HOST:-}" ] || die "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST. $help"
[ "$(uname -s)/$(id -u)" = Linux/0 ] || die "no Docker Engine answers: $answer. $help"
packages=()
have dockerd || packages+=(docker.io)
have iptables || packages+=(iptables)
if [ ${#packages[@]} -gt 0 ]; then
  have apt-get || die "there is no Docker Engine. $help"
  "$here/apt-install.sh" "${packages[@]}"
fi

install -D -m 755 "$here/restricted-runc" "$CACHE/restricted-runc"   # (a copy: dockerd may outlive this checkout)
options=(--data-root "$DOCKER_DATA" --exec-root "$DOCKER_RUN/exec" --pidfile "$DOCKER_RUN/dockerd.pid")
# Root without CAP_SYS_RESOURCE (as in some sandboxes) cannot start privileged containers unless the runtime leaves it out.
cap_sys_resource=24
bounding=$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)
if ! (((16#$bounding >> cap_sys_resource) & 1)); then
  options+=(--add-runtime "restricted-runc=$CACHE/restricted-runc" --default-runtime restricted-runc)
fi

mkdir -p "$DOCKER_DATA" "$DOCKER_RUN"
# (of a dockerd of ours that was killed; its containers' processes are left to the new one)
mapfile -t pids < <(own_processes 'dockerd|containerd')
[ ${#pids[@]} = 0 ] || end "${pids[@]}"
rm -f "$DOCKER_RUN/dockerd.pid" "$DOCKER_RUN/exec/containerd/containerd.pid"
remember_host
say "starting dockerd (data in $DOCKER_DATA, log in $DOCKER_LOG)"
# (without the files that we were given open, among them locks of those who called us: it outlives them)
daemon() {
  local fd
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || exec {fd}>&-
  done
  exec setsid nohup dockerd "${options[@]}"
}
daemon >"$DOCKER_LOG" 2>&1 </dev/null &
pid=$!
for _ in $(seq 300); do
  kill -0 "$pid" 2>/dev/null || break
  docker info >/dev/null 2>&1 && exit 0
  sleep 0.2
done
tail -n 20 "$DOCKER_LOG" >&2
die "dockerd did not start; the whole log is $DOCKER_LOG"
