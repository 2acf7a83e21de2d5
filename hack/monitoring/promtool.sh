#!/usr/bin/env bash
# Prints the path of a promtool: the one on PATH, else that of Debian's (or Ubuntu's) package `prometheus`, downloaded and unpacked
# into the cache (nothing is installed, so that no root is needed), else one built from Go (some minutes, once). Progress goes to
# standard error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

promtool=$CACHE/monitoring/promtool

fetch() {
  cd "$work"
  apt-get download -q prometheus || { [ "$(id -u)" = 0 ] && apt-get update -q && apt-get download -q prometheus; } || return
  dpkg -x prometheus_*.deb unpacked && unpacked/usr/bin/promtool --version
}

download() {
  have apt-get && have dpkg || return
  mkdir -p "$CACHE/monitoring"
  work=$(mktemp -d "$CACHE/monitoring/debian.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  (fetch) >"$CACHE/monitoring/apt.log" 2>&1 && mv "$work/unpacked/usr/bin/promtool" "$promtool"
}

if have promtool; then
  command -v promtool
elif [ -x "$promtool" ] || download; then
  echo "$promtool"
else
  "$here/../tools/build.sh" promtool >&2
  echo "$CACHE/bin/promtool"
fi
