# Where our own dockerd keeps its things, whether it runs, and what it changes in the host's network. Sourced.
# shellcheck shell=bash disable=SC2034

DOCKER_DATA=${DOCKER_DATA:-$CACHE/docker}
DOCKER_RUN=/run/anomaly-operator
DOCKER_LOG=$CACHE/dockerd.log
SAVED_HOST=$CACHE/host-before-docker   # exists from the start of our dockerd to its orderly end

# The process id of the dockerd that we started, if it runs.
own_dockerd() {
  local pid
  pid=$(cat "$DOCKER_RUN/dockerd.pid" 2>/dev/null) || return
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q -- "--pidfile $DOCKER_RUN/dockerd.pid" && echo "$pid"
}

end() { # end PID…: asks, waits for up to 30 seconds, then insists
  local n
  kill "$@" 2>/dev/null || true
  for n in $(seq 300); do
    kill -0 "$@" 2>/dev/null || return 0
    [ "$n" != 300 ] || kill -KILL "$@" 2>/dev/null || true
    sleep 0.1
  done
}

# dockerd, and systemd and the kubelet in the node, set these for the whole machine; stop.sh puts them back.
SYSCTLS=(net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.default.forwarding kernel.panic kernel.panic_on_oops
  vm.overcommit_memory fs.file-max)

# forward_policy iptables|ip6tables: what happens to packets that no rule is about. dockerd sets it to DROP.
forward_policy() { "$1" -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }'; }

remember_host() {
  [ ! -e "$SAVED_HOST" ] || return 0 # (a dockerd of ours was killed: what is remembered is older and right)
  sysctl "${SYSCTLS[@]}" >"$SAVED_HOST.sysctl" 2>/dev/null || true
  printf 'policy=%q\npolicy6=%q\n' "$(forward_policy iptables)" "$(forward_policy ip6tables)" >"$SAVED_HOST"
}

# What a dockerd leaves on the host, one a line.
own_processes() { # own_processes PATTERN: those whose name matches and that were started for our dockerd
  local file
  for file in /proc/[0-9]*/cmdline; do
    if tr '\0' ' ' 2>/dev/null <"$file" | grep -qE "^[^ ]*/?($1) .*$DOCKER_RUN/"; then echo "${file//[^0-9]/}"; fi
  done
}
own_docker_processes() { own_processes 'dockerd|containerd|containerd-shim[^ ]*'; }
# (dockerd mounts its data folder upon itself; a disk that was mounted there before has the root /)
own_docker_mounts() {
  awk -v data="$DOCKER_DATA" -v run="$DOCKER_RUN/" \
    '$5 == data && $4 != "/" || index($5, data "/") == 1 || index($5, run) == 1 { print $5 }' /proc/self/mountinfo
}
docker_interfaces() { ip -o link show | awk -F': ' '{ sub(/@.*/, "", $2); print $2 }' | grep -E '^(docker0|br-[0-9a-f]{12}|veth[0-9a-f]{7})$' || true; }
docker_cgroups() { find /sys/fs/cgroup -type d -path '/sys/fs/cgroup/*docker*' 2>/dev/null || true; }
docker_rules() { { iptables-save && ip6tables-save; } 2>/dev/null | grep -E 'DOCKER|docker0|br-[0-9a-f]{12}' || true; }
