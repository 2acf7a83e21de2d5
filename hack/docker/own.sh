# Where our own dockerd keeps its things, whether it runs, and what it changes in the host's network. Sourced.
# shellcheck shell=bash disable=SC2034

DOCKER_DATA=${DOCKER_DATA:-$CACHE/docker}
DOCKER_RUN=/run/anomaly-operator
DOCKER_LOG=$CACHE/dockerd.log
SAVED_NETWORK=$CACHE/network-before-docker

# The process id of the dockerd that we started, if it runs.
own_dockerd() {
  local pid
  pid=$(cat "$DOCKER_RUN/dockerd.pid" 2>/dev/null) || return
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "--pidfile $DOCKER_RUN/dockerd.pid" && echo "$pid"
}

# dockerd switches forwarding on and drops what is forwarded by others; stop.sh puts both back.
remember_network() {
  [ ! -e "$SAVED_NETWORK" ] || return 0   # (a dockerd of ours was killed: what is remembered is older and right)
  {
    echo "forwarding=$(sysctl -n net.ipv4.ip_forward)"
    echo "policy=$(iptables -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }')"
    echo "policy6=$(ip6tables -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }')"
  } >"$SAVED_NETWORK"
}

# What a dockerd leaves on the host, one a line.
own_docker_processes() {
  local file pid
  for file in /proc/[0-9]*/cmdline; do
    pid=${file//[^0-9]/}
    if tr '\0' ' ' 2>/dev/null <"$file" | grep -qE "^[^ ]*(dockerd|containerd|containerd-shim[^ ]*|docker-proxy) .*$DOCKER_RUN"; then echo "$pid"; fi
  done
}
own_docker_mounts() { awk -v data="$DOCKER_DATA/" -v run="$DOCKER_RUN/" 'index($2, data) == 1 || index($2, run) == 1 { print $2 }' /proc/mounts; }
docker_interfaces() { ip -o link show | awk -F': ' '{ sub(/@.*/, "", $2); print $2 }' | grep -E '^(docker0|br-[0-9a-f]{12}|veth[0-9a-f]{7})$' || true; }
docker_cgroups() { find /sys/fs/cgroup -type d -path '/sys/fs/cgroup/*docker*' 2>/dev/null || true; }
docker_rules() { { iptables-save && ip6tables-save; } 2>/dev/null | grep -E 'DOCKER|docker0|br-[0-9a-f]{12}' || true; }
