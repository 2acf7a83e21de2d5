#!/usr/bin/env bash
# Runs Traefik in the cluster: from its public image where that can be pulled, else built from source and loaded.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

"$here/image.sh"
if from_source "$TRAEFIK_IMAGE"; then load "$TRAEFIK_IMAGE"; fi
say "ingress controller: $TRAEFIK_IMAGE"
kubectl apply --server-side --force-conflicts -f "$here/crds" >/dev/null
sed "s|TRAEFIK_IMAGE|$TRAEFIK_IMAGE|" "$here/traefik.yaml" | kubectl apply --server-side --force-conflicts -f - >/dev/null
kubectl rollout status deployment/traefik -n traefik --timeout=180s >/dev/null ||
  die "Traefik does not start: kubectl describe pod -n traefik; kubectl logs -n traefik deployment/traefik"
