#!/usr/bin/env bash
# Builds a kind node image without a registry, from Debian packages and the Go tool module, once for each state of its sources.
# Its name goes to the file $CACHE/node/image.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/common.sh"

"$here/../tools/build.sh" "${NODE_TOOLS[@]}"
"$here/root.sh"
image=$(node_image)
echo "$image" >"$CACHE/node/image"
if have_image "$image"; then
  say "node image: built before"
  exit 0
fi

container=
work=$(mktemp -d "$CACHE/node/build.XXXXXX")
trap 'rm -rf "$work"; [ -z "$container" ] || docker rm -f -v "$container" >/dev/null 2>&1' EXIT
bin=$CACHE/bin

base=anomaly-operator/node-root:$ROOT_KEY
have_image "$base" || tar -C "$DEBIAN_ROOT" -c . | docker import - "$base" >/dev/null
long "node image: the control plane's images" "$CACHE/node/images.log" "$here/component-images.sh" "$work/images.tar"

# What is laid over the Debian root.
cp -r "$here/files" "$work/over"
pause=$("$bin/kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION" | grep /pause:)
sed -i "s|@PAUSE_IMAGE@|$pause|" "$work/over/etc/containerd/config.toml"
sed -i "s|@CNID_IMAGE@|$CNID_IMAGE|" "$work/over/kind/manifests/default-cni.yaml"
install -D -t "$work/over/usr/bin" "$bin"/{kubeadm,kubelet,kubectl,crictl}
chmod 755 "$work/over/usr/local/bin/entrypoint"
printf %s "$KUBERNETES_VERSION" >"$work/over/kind/version"

assemble() {
  container=$(docker run -d --privileged --stop-signal SIGRTMIN+3 --tmpfs /run --entrypoint sleep "$base" infinity)
  tar -C "$work/over" --owner=0 --group=0 -c . | docker exec -i "$container" tar -C / --keep-directory-symlink -x
  docker exec -i "$container" bash -euo pipefail <"$here/prepare-root.sh"
  docker exec -d "$container" containerd
  for _ in $(seq 50); do
    if docker exec "$container" ctr version >/dev/null 2>&1; then break; else sleep 0.2; fi
  done
  docker exec -i "$container" ctr --namespace=k8s.io images import --all-platforms - <"$work/images.tar"
  # shellcheck disable=SC2016 # for the container's shell
  docker exec "$container" sh -c 'kill $(pidof containerd); while pidof containerd >/dev/null; do sleep 0.1; done; rm -rf /tmp/*'
  docker stop -t 0 "$container" >/dev/null
  docker commit -c 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' -c 'CMD []' -c 'ENV container=docker' \
    "$container" "$image"
}
long "node image: assembling" "$CACHE/node/assemble.log" assemble
say "node image: $image, $(docker image inspect -f '{{.Size}}' "$image" | numfmt --to=iec)"
