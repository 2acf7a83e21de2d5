#!/usr/bin/env bash
# Makes sure that Docker has Traefik's image: pulled, or else built from the Go tool module under the same name.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

! have_image "$TRAEFIK_IMAGE" || exit 0
! pull "$TRAEFIK_IMAGE" || exit 0
"$here/../tools/build.sh" traefik
work=$(mktemp -d "$CACHE/traefik.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/etc/ssl/certs" "$work/tmp"
chmod 755 "$work"
chmod 1777 "$work/tmp"
cp "$CACHE/bin/traefik" "$work/traefik"
cp -L /etc/ssl/certs/ca-certificates.crt "$work/etc/ssl/certs/"
tar -C "$work" --owner=0 --group=0 -c . |
  docker import -c 'ENTRYPOINT ["/traefik"]' -c "LABEL $SOURCE_LABEL=true" - "$TRAEFIK_IMAGE" >/dev/null
