#!/usr/bin/env bash
# Makes the images of prometheus-operator, its config reloader and Prometheus without a registry, and loads them into the cluster.
# All are built from the Go tool module; Prometheus with a page of ours in place of its own, which would take a JavaScript build.
# (Debian's package cannot discover targets in Kubernetes.) Leaves their names and Prometheus' version in
# $STATE/monitoring-images.env.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

# image NAME VERSION KEY: $work/NAME as an image anomaly-operator/NAME:VERSION-KEY, that runs /bin/NAME
image() {
  local name=$1 tag=anomaly-operator/$1:$2-$3
  mkdir -p "$work/$name"/{etc/ssl/certs,tmp}
  chmod 1777 "$work/$name/tmp"
  cp -L /etc/ssl/certs/ca-certificates.crt "$work/$name/etc/ssl/certs/"
  have_image "$tag" || tar -C "$work/$name" --owner=0 --group=0 -c . |
    docker import -c "ENTRYPOINT [\"/bin/$name\"]" -c "LABEL $SOURCE_LABEL=true" - "$tag" >/dev/null
  images+=("$tag")
}

from_go() { # from_go NAME VERSION
  install -D "$CACHE/bin/$1" "$work/$1/bin/$1"
  image "$1" "$2" "$(digest "$CACHE/tools/$1.key" "$here/images.sh" "$here/page.html")"
}

module_version() { sed -nE "s#^\t$1 (v[^ ]+).*#\1#p" "$here/../tools/go.mod"; }

work=$(mktemp -d "$CACHE/monitoring.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
images=()
version=$(module_version github.com/prometheus-operator/prometheus-operator)
"$here/../tools/build.sh" prometheus-operator prometheus-config-reloader
"$here/../tools/build.sh" prometheus
from_go prometheus-operator "$version"
from_go prometheus-config-reloader "$version"
prometheus_version=$(module_version github.com/prometheus/prometheus | sed -E 's/^v0\.3([0-9]{2})\./3.\1./; s/^3\.0/3./')
install -D -m 644 "$here/page.html" "$work/prometheus/static/mantine-ui/index.html"
from_go prometheus "v$prometheus_version"
load "${images[@]}"
for image in "${images[@]}"; do # forget older ones
  docker image ls --format '{{.Repository}}:{{.Tag}}' "${image%:*}" | grep -vxF "$image" | xargs -r docker rmi >/dev/null 2>&1 || true
done
printf '%s\n' "OPERATOR=${images[0]}" "RELOADER=${images[1]}" "PROMETHEUS=${images[2]}" "PROMETHEUS_VERSION=$prometheus_version" \
  >"$STATE/monitoring-images.env"
