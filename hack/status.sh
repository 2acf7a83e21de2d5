#!/usr/bin/env bash
# What runs, in which versions, and where.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

if ! engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null); then
  echo "No Docker Engine answers. Start with: make up"
  exit 1
fi
if ! [ -e "$KUBECONFIG" ] || ! kubernetes=$(kubectl --request-timeout=5s version -o json 2>/dev/null | sed -n 's/^ *"gitVersion": "\(.*\)",*$/\1/p' | tail -n 1); then
  echo "Docker Engine $engine answers; the cluster $CLUSTER_NAME does not. Start with: make up"
  exit 1
fi

# prometheus-operator tells of every Prometheus that it runs, whoever installed it
monitoring() {
  local seen
  seen=$(kubectl get prometheuses.monitoring.coreos.com -A -o 'jsonpath={range .items[*]}{.spec.image}{" "}{.status.availableReplicas}/{.spec.replicas} ready{"\n"}{end}' 2>/dev/null)
  if [ -z "$seen" ]; then
    echo "not installed (make up MONITORING=1)"
  else
    echo "$seen$(sed -nE 's/^export (PROMETHEUS|GRAFANA)_URL=/, /p' "$STATE/monitoring.env" 2>/dev/null | tr -d '\n')"
  fi
}

image_of() { kubectl get deployment "$2" --namespace "$1" -o 'jsonpath={.spec.template.spec.containers[0].image}{" "}{.status.readyReplicas}/{.spec.replicas} ready' 2>/dev/null || echo "not installed"; }

printf '%-12s %s\n' \
  Docker "$engine" \
  Kubernetes "$kubernetes, kind cluster $CLUSTER_NAME ($(docker container inspect -f '{{.Config.Image}}' "$(node)"))" \
  Ingress "$(image_of traefik traefik), http://*.localhost:$HTTP_PORT and https://*.localhost:$HTTPS_PORT" \
  Operator "$(image_of anomaly-system anomaly-operator)" \
  Monitoring "$(monitoring)" \
  Shell ". ${STATE#"$ROOT"/}/env"
echo
kubectl get anm -A 2>/dev/null || echo "No AnomalyModels: the operator is not installed."
