#!/usr/bin/env bash
# test.sh [lint|unit|clients|python|dashboards|chart|rules|e2e|faults]…: what a change must pass; all of it but `faults` when nothing
# is named. Ends with a ledger of its steps in seconds. The end-to-end tests get a cluster of their own, beside one of `make up`,
# and it is removed whatever happens.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# The first port from $1 on that nobody listens at.
free_port() {
  local port=$1
  while { : <>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

export CLUSTER_NAME=${CLUSTER_NAME:-anomaly-operator-test}
export HTTP_PORT=${HTTP_PORT:-$(free_port 18080)} HTTPS_PORT=${HTTPS_PORT:-$(free_port 18443)}
. "$here/lib.sh"
cd "$ROOT"

ledger=()
step() { # step LABEL COMMAND…: runs a step and notes how long it took
  local label=$1 start
  shift
  start=$(date +%s)
  say "== $label"
  "$@" || { ledger+=("$(($(date +%s) - start)) $label (failed)"); exit 1; }
  ledger+=("$(($(date +%s) - start)) $label")
}

print_ledger() {
  local status=$?
  [ -z "${cluster:-}" ] || "$here/down.sh" || status=1
  printf '\nseconds  step\n'
  printf '%s\n' "${ledger[@]}" | awk '{ s = $1; $1 = ""; printf "%7d %s\n", s, $0; sum += s } END { printf "%7d  in all\n", sum }'
  [ "$status" = 0 ] && echo "all passed" || echo "FAILED"
  exit "$status"
}
trap print_ledger EXIT
trap 'exit 130' INT TERM

lint() {
  step "format" cargo fmt --all --check
  step "scripts" scripts
  step "clippy" cargo clippy --workspace --all-targets --features e2e/cluster --locked --quiet -- -D warnings
  step "cargo-deny" deny
}

scripts() {
  have shellcheck || "$here/docker/apt-install.sh" shellcheck || { say "shellcheck is missing: scripts are not checked"; return 0; }
  git ls-files 'hack/*.sh' 'charts/*.sh' .ci/run | xargs shellcheck -x -P hack -P SCRIPTDIR
}

# Advisories need a database from the network, so that they are CI's business where there is one.
deny() {
  local bin=$CACHE/cargo
  [ -x "$bin/bin/cargo-deny" ] || long "installing cargo-deny" "$CACHE/cargo-deny.log" \
    cargo install --quiet --locked --root "$bin" cargo-deny@0.20.2
  cargo fetch --locked --quiet # (those of other platforms too)
  "$bin/bin/cargo-deny" --offline --log-level error check bans licenses sources
}

unit() {
  # (those of xtask check that generated files are fresh)
  step "unit tests" cargo test --workspace --locked --quiet
}

# Servers of this tree, asked by clients, browsers and test generators that others wrote.
clients() {
  step "other people's clients" "$here/clients/run.sh"
}

# The exporter for models of scikit-learn, against scikit-learn.
python() {
  step "Python package" "$here/python.sh"
}

# Grafana's types and linter
dashboards() {
  step "dashboards" "$here/dashboards/check.sh"
}

chart() {
  step "tools" "$here/tools/find.sh"
  step "chart" "$ROOT/charts/test.sh"
}

rules() {
  step "alerts (promtool)" "$here/rules.sh"
}

no_cluster() { ! have docker || ! docker container inspect "$(node)" >/dev/null 2>&1 || "$here/down.sh"; }

e2e() {
  local comes_and_goes=kinds_of_prometheus_operator_are_noticed_as_they_come_and_go
  cluster=1
  step "no cluster of an interrupted run" no_cluster
  step "cluster" "$here/up.sh"
  # shellcheck source=/dev/null
  . "$STATE/env"
  # (the whole workspace is named so that dependencies have the same features, and are not compiled again)
  local e2e=(cargo test --workspace --features e2e/cluster --locked --quiet --test)
  step "e2e: quick start" "${e2e[@]}" quickstart
  step "e2e: life of a model" "${e2e[@]}" life_of_a_model -- --test-threads=4
  step "e2e: imported" "${e2e[@]}" imported
  step "e2e: transport" "${e2e[@]}" transport
  # (a few of each; `make e2e-faults` has a hundred)
  step "e2e: faults" "${e2e[@]}" faults -- --test-threads=1
  step "e2e: failures" "${e2e[@]}" honest_about_failure -- --test-threads=4
  step "e2e: without Prometheus" "${e2e[@]}" monitoring -- --exact "$comes_and_goes"
  step "monitoring" env MONITORING=1 "$here/up.sh"
  # shellcheck source=/dev/null
  . "$STATE/env"
  step "e2e: monitoring" "${e2e[@]}" monitoring -- --skip "$comes_and_goes"
  # (they disturb the operator)
  step "e2e: operations" "${e2e[@]}" operations -- --test-threads=1
  cluster=
  step "cluster removed, nothing left" "$here/down.sh"
}

# Roll-outs and deleted pods under load, a hundred of each; hours on a slow machine, so not part of what runs by default.
faults() {
  cluster=1
  step "no cluster of an interrupted run" no_cluster
  step "cluster" "$here/up.sh" --no-example
  # shellcheck source=/dev/null
  . "$STATE/env"
  export ROLL_OUTS=${ROLL_OUTS:-100} POD_DELETIONS=${POD_DELETIONS:-100}
  step "$ROLL_OUTS roll-outs, $POD_DELETIONS deleted pods" \
    cargo test --workspace --features e2e/cluster --locked --quiet --test faults -- --test-threads=1 --nocapture
  cluster=
  step "cluster removed, nothing left" "$here/down.sh"
}

[ $# -gt 0 ] || set -- lint unit clients python dashboards chart rules e2e
for part in "$@"; do
  case $part in
    lint | unit | clients | python | dashboards | chart | rules | e2e | faults) "$part" ;;
    *) die "usage: test.sh [lint|unit|clients|python|dashboards|chart|rules|e2e|faults]…" ;;
  esac
done
