#!/usr/bin/env bash
# Makes a Debian root with what a Kubernetes node needs, once: the folder $DEBIAN_ROOT, in some 80 seconds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/common.sh"

[ ! -d "$DEBIAN_ROOT" ] || exit 0
[ "$(id -u)" = 0 ] || die "building a node image needs root (for debootstrap); run as root, or set KIND_NODE_IMAGE to an image that can be had"
have debootstrap || "$here/../docker/apt-install.sh" debootstrap
mkdir -p "$CACHE/node"
work=$(mktemp -d "$CACHE/node/root.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
packages=$(IFS=, && echo "${NODE_PACKAGES[*]}")
long "node image: a Debian root" "$CACHE/node/debootstrap.log" \
  debootstrap --variant=minbase --include="$packages" "$DEBIAN_SUITE" "$work" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
rm -rf "$work"/var/cache/apt/* "$work"/var/lib/apt/lists/* "$work"/usr/share/{doc,man,locale}
mv "$work" "$DEBIAN_ROOT"
