#!/usr/bin/env bash
# Prints a folder with the definitions of prometheus-operator's resources that a Prometheus needs, of the version that tools/go.mod
# names, from its Go module.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

module=github.com/prometheus-operator/prometheus-operator
version=$(sed -nE "s#^\t$module (v[^ ]+).*#\1#p" "$here/../tools/go.mod")
crds=$CACHE/monitoring/crds-$version
if [ ! -d "$crds" ]; then
  mkdir -p "$CACHE/monitoring"
  work=$(mktemp -d "$CACHE/monitoring/crds.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cp "$here/../tools"/go.{mod,sum} "$work/"
  dir=$(cd "$work" && GOWORK=off go mod download -json "$module" | sed -nE 's/^\t"Dir": "(.*)",$/\1/p')
  mkdir "$work/crds"
  for kind in prometheuses servicemonitors podmonitors probes scrapeconfigs prometheusrules; do
    cp "$dir/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$work/crds/"
  done
  chmod -R u+w "$work/crds"
  mv -T "$work/crds" "$crds" 2>/dev/null || [ -d "$crds" ]
fi
echo "$crds"
