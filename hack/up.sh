#!/usr/bin/env bash
# up.sh [--no-example]: from whatever this machine has to a cluster that runs the operator and the quick start. Each step does
# only what is missing, so that interrupting and repeating is safe. What it needs to know from outside is in README.md here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

example=1
case ${1:-} in
  "") ;;
  --no-example) example=0 ;;
  *) die "usage: up.sh [--no-example]" ;;
esac

system=anomaly-system     # the operator's namespace
model=machine-temperature # of examples/quickstart.yaml
namespace=demo
url=http://$model.localhost:$HTTP_PORT
monitoring=${MONITORING:-}
if [ -e "$STATE/monitoring.env" ]; then monitoring=1; fi # (what was switched on stays on)

install_operator() {
  local name options=()
  # shellcheck source=/dev/null
  . "$STATE/images.env"
  load "$OPERATOR_IMAGE" "$SERVER_IMAGE" "$TRAINER_IMAGE"
  for name in operator server trainer; do
    local image=${name^^}_IMAGE
    options+=(--set "images.$name.repository=${!image%:*}" --set-string "images.$name.tag=${!image##*:}")
  done
  # (its ServiceMonitors and dashboards for all models and itself, and the right to scrape them)
  [ "$monitoring" != 1 ] || options+=(--values "$here/monitoring/chart-values.yaml")
  say "operator: helm upgrade --install anomaly-operator charts/anomaly-operator -n $system"
  helm upgrade --install anomaly-operator "$ROOT/charts/anomaly-operator" --namespace "$system" --create-namespace \
    "${options[@]}" --wait --timeout 180s >"$CACHE/helm.log" 2>&1 || {
    cat "$CACHE/helm.log" >&2
    kubectl get pods --namespace "$system" >&2
    die "the operator does not start: kubectl describe pods -n $system; kubectl logs -n $system deployment/anomaly-operator"
  }
}

run_example() {
  say "quick start: kubectl apply -f examples/quickstart.yaml"
  kubectl apply -f "$ROOT/examples/quickstart.yaml" >/dev/null
  kubectl wait --for=condition=Ready "anomalymodel/$model" --namespace "$namespace" --timeout=300s >/dev/null || {
    kubectl describe "anomalymodel/$model" --namespace "$namespace" >&2
    die "$model did not become ready; its conditions and events are above"
  }
}

secret() { kubectl get secret "$model-credentials" --namespace "$namespace" -o "jsonpath={.data.$1}" | base64 -d; }

# For people and scripts: `. target/cluster/env`
write_env() {
  {
    printf 'export KUBECONFIG=%q\n' "$KUBECONFIG"
    # shellcheck disable=SC2016 # for the reader's shell
    printf 'case :$PATH: in *:%s:*) ;; *) export PATH=%q:$PATH ;; esac\n' "$STATE/bin" "$STATE/bin"
    printf 'export CLUSTER_NAME=%q HTTP_PORT=%q HTTPS_PORT=%q\n' "$CLUSTER_NAME" "$HTTP_PORT" "$HTTPS_PORT"
    [ "$monitoring" != 1 ] || cat "$STATE/monitoring.env"
    if [ "$example" = 1 ]; then
      printf 'export MODEL_URL=%q MODEL_USER=%q MODEL_PASSWORD=%q\n' "$url" "$(secret username)" "$(secret password)"
    fi
  } >"$STATE/env.new"
  chmod 600 "$STATE/env.new"
  mv "$STATE/env.new" "$STATE/env"
}

# score CURL-OPTION…: the status of one request, its body in $STATE/answer. The ingress controller learns of changes with a delay.
score() {
  curl -sS --max-time 5 -o "$STATE/answer" -w '%{http_code}' "$@" "$url/prediction?score=true" -H 'content-type: application/json' -d "$row" 2>/dev/null || true
}

expect() { # expect STATUS CURL-OPTION…
  local wanted=$1 status=
  shift
  for _ in $(seq 30); do
    status=$(score "$@")
    [ "$status" != "$wanted" ] || return 0
    sleep 1
  done
  die "POST $url/prediction answers ${status:-nothing}, not $wanted; see \`kubectl describe anm $model -n $namespace\`"
}

# through_ingress N: how many requests a second pass the ingress controller, which verifies the password of every one.
through_ingress() {
  local began answered
  began=$(date +%s%N)
  # (one curl for all of them, so that connections are used again; what follows # is not sent)
  answered=$(curl -sS --parallel --parallel-max 8 -o /dev/null -w '%{http_code}\n' "$url/prediction#[1-$1]" -H 'content-type: application/json' -d "$row" \
    --config - <<<"user = \"$MODEL_USER:$MODEL_PASSWORD\"" 2>/dev/null | grep -c '^200$') || true
  say "through the ingress, password checked twice: $((answered * 1000000000 / ($(date +%s%N) - began))) requests/s over 8 connections, $answered of $1 answered"
}

show_example() {
  local row='[26.9716, 0.5116]' # the worst hour of the machine's failure
  # shellcheck source=/dev/null
  . "$STATE/env"
  expect 401
  say "without the password: $(tr -d '\n' <"$STATE/answer")"
  expect 200 --config - <<<"user = \"$MODEL_USER:$MODEL_PASSWORD\""
  say "POST /prediction?score=true with $row, an hour of the machine's failure: $(cat "$STATE/answer")"
  row='[95.0821, 0.6199]' # an ordinary one
  expect 200 --config - <<<"user = \"$MODEL_USER:$MODEL_PASSWORD\""
  say "POST /prediction?score=true with $row, an ordinary hour: $(cat "$STATE/answer")"
  rm -f "$STATE/answer"
  through_ingress 1000
  cat <<END

$model is served at $MODEL_URL. Next:

  . ${STATE#"$ROOT"/}/env
  kubectl get anm -A
  curl -u "\$MODEL_USER:\$MODEL_PASSWORD" "\$MODEL_URL/prediction?score=true" -H 'content-type: application/json' -d '$row'
  make status        make test        make down
END
}

show_monitoring() {
  # shellcheck source=/dev/null
  . "$STATE/env"
  say "monitoring, user $MONITORING_USER, password $MONITORING_PASSWORD: $PROMETHEUS_URL ${GRAFANA_URL:-(no Grafana: its image cannot be pulled here)}"
}

for needed in curl tar sha256sum flock; do have "$needed" || die "$needed is missing; install it and try again"; done
mkdir -p "$CACHE" "$STATE"
exec 9>"$CACHE/up.lock"
flock -n 9 || die "another up.sh or down.sh runs; wait for it to end"

"$here/docker/start.sh"
"$here/tools/find.sh"
"$here/cluster.sh"
"$here/traefik/install.sh"
[ "$monitoring" != 1 ] || "$here/monitoring/install.sh"
"$here/images.sh"
install_operator
[ "$example" = 0 ] || run_example
write_env
[ "$monitoring" != 1 ] || show_monitoring
[ "$example" = 0 ] || show_example
