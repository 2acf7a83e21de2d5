#!/usr/bin/env bash
# Monitoring in the cluster's namespace `monitoring`, behind the ingress controller with a password of its own: where images can
# be pulled kube-prometheus-stack (Prometheus and Grafana) by its chart, else prometheus-operator and Prometheus built
# here. MONITORING_FROM=chart and MONITORING_FROM=source choose. Leaves $STATE/monitoring.env, which up.sh puts into its `env`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

stack=kube-prometheus-stack

namespace() {
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<END
{apiVersion: v1, kind: Namespace, metadata: {name: monitoring, labels: {pod-security.kubernetes.io/enforce: restricted}}}
END
}

# A generated password: Secret `login` for people, Secret `basic-auth` with its one htpasswd line for Traefik.
login() {
  local password line
  password=$(kubectl get secret login -n monitoring -o 'jsonpath={.data.password}' --ignore-not-found | base64 -d)
  [ -n "$password" ] || password=$(head -c 20 /dev/urandom | base64 | tr -d '=+/\n')
  # ({SHA}: what a long random password needs, and cheap at each request)
  line="admin:{SHA}$(printf %b "$(printf %s "$password" | sha1sum | cut -c1-40 | sed 's/../\\x&/g')" | base64)"
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<END
{apiVersion: v1, kind: Secret, metadata: {name: login, namespace: monitoring}, stringData: {username: admin, password: "$password"}}
---
{apiVersion: v1, kind: Secret, metadata: {name: basic-auth, namespace: monitoring}, stringData: {auth: "$line"}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: login, namespace: monitoring}
spec: {basicAuth: {secret: basic-auth, removeHeader: true}}
END
  printf 'export MONITORING_USER=admin MONITORING_PASSWORD=%q\n' "$password" >"$STATE/monitoring.env.new"
}

# expose PART SERVICE PORT: behind the ingress, and its URL for people
expose() {
  sed "s/PART/$1/; s/SERVICE/$2/; s/PORT/$3/" "$here/ingress.yaml" | kubectl apply --server-side --force-conflicts -f - >/dev/null
  printf 'export %s_URL=http://%s.localhost:%s\n' "${1^^}" "$1" "$HTTP_PORT" >>"$STATE/monitoring.env.new"
}

# The chart from its registry or the archive of its release, once. Both have a minute to answer.
chart() {
  local archive=$stack-$KUBE_PROMETHEUS_STACK_VERSION.tgz
  [ ! -s "$CACHE/monitoring/$archive" ] || return 0
  mkdir -p "$CACHE/monitoring"
  timeout 60 helm pull "oci://ghcr.io/prometheus-community/charts/$stack" --version "$KUBE_PROMETHEUS_STACK_VERSION" \
    --destination "$CACHE/monitoring" >"$CACHE/monitoring/chart.log" 2>&1 && return
  curl -fsSL --connect-timeout 10 --max-time 60 -o "$CACHE/monitoring/$archive.new" \
    "https://github.com/prometheus-community/helm-charts/releases/download/${archive%.tgz}/$archive" 2>>"$CACHE/monitoring/chart.log" &&
    mv "$CACHE/monitoring/$archive.new" "$CACHE/monitoring/$archive"
}

from_chart() {
  long "monitoring: $stack $KUBE_PROMETHEUS_STACK_VERSION" "$CACHE/monitoring/helm.log" \
    helm upgrade --install monitoring "$CACHE/monitoring/$stack-$KUBE_PROMETHEUS_STACK_VERSION.tgz" --namespace monitoring \
    --values "$here/stack-values.yaml" --set "prometheus.prometheusSpec.externalUrl=http://prometheus.localhost:$HTTP_PORT" \
    --set "grafana.grafana\\.ini.server.root_url=http://grafana.localhost:$HTTP_PORT" --wait --timeout 600s
  # (which Helm does not wait for: its pods are made by prometheus-operator)
  kubectl wait --for=condition=Available prometheus/monitoring-kube-prometheus-prometheus -n monitoring --timeout=600s >/dev/null ||
    die "Prometheus does not start: kubectl describe pods -n monitoring; kubectl logs -n monitoring deployment/monitoring-kube-prometheus-operator"
  expose grafana monitoring-grafana 80
  expose prometheus monitoring-kube-prometheus-prometheus 9090
}

from_source_code() {
  local crds
  say "monitoring: prometheus-operator and Prometheus, built here"
  "$here/images.sh"
  # shellcheck source=/dev/null
  . "$STATE/monitoring-images.env"
  crds=$("$here/crds.sh")
  kubectl apply --server-side --force-conflicts -f "$crds" >/dev/null
  kubectl wait --for=condition=Established -f "$crds" --timeout=60s >/dev/null
  sed "s|OPERATOR_IMAGE|$OPERATOR|; s|RELOADER_IMAGE|$RELOADER|; s|PROMETHEUS_IMAGE|$PROMETHEUS|; s|PROMETHEUS_VERSION|$PROMETHEUS_VERSION|
    s|EXTERNAL_URL|http://prometheus.localhost:$HTTP_PORT|" "$here/prometheus.yaml" |
    kubectl apply --server-side --force-conflicts -f - >/dev/null
  { kubectl rollout status deployment/prometheus-operator -n monitoring --timeout=180s &&
    kubectl wait --for=condition=Available prometheus/prometheus -n monitoring --timeout=180s; } >/dev/null ||
    die "Prometheus does not start: kubectl describe pods -n monitoring; kubectl logs -n monitoring deployment/prometheus-operator"
  expose prometheus prometheus 9090
}

from=${MONITORING_FROM:-}
if [ -z "$from" ]; then
  if ! from_source "$TRAEFIK_IMAGE" && chart; then from=chart; else from=source; fi
fi
namespace
login
case $from in
  chart)
    chart || die "$stack could not be had; see $CACHE/monitoring/chart.log, or set MONITORING_FROM=source"
    from_chart
    ;;
  source) from_source_code ;;
  *) die "MONITORING_FROM is chart or source" ;;
esac
chmod 600 "$STATE/monitoring.env.new"
mv "$STATE/monitoring.env.new" "$STATE/monitoring.env"
