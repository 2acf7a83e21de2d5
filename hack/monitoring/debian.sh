#!/usr/bin/env bash
# Prints a folder with Debian's (or Ubuntu's) package `prometheus` unpacked, and with what its web pages need. It is downloaded
# once, into the cache; nothing is installed, so that no root is needed. Fails where there is no apt or no such package.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

# (those of the pages: what the package depends on but for libc and adduser)
packages=(prometheus fonts-glyphicons-halflings libjs-bootstrap4 libjs-d3 libjs-eonasdan-bootstrap-datetimepicker libjs-jquery
  libjs-jquery-hotkeys libjs-moment libjs-moment-timezone libjs-mustache libjs-popper.js libjs-rickshaw)
root=$CACHE/monitoring/debian

fetch() {
  local deb
  cd "$work"
  apt-get download -q "${packages[@]}" || { [ "$(id -u)" = 0 ] && apt-get update -q && apt-get download -q "${packages[@]}"; } || return
  mkdir root
  for deb in *.deb; do dpkg -x "$deb" root || return; done
  root/usr/bin/promtool --version
}

if [ ! -d "$root" ]; then
  have apt-get && have dpkg || exit 1
  mkdir -p "$CACHE/monitoring"
  work=$(mktemp -d "$CACHE/monitoring/debian.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  (fetch) >"$CACHE/monitoring/apt.log" 2>&1 || exit 1
  rm -rf "$work"/root/usr/share/{doc,man,lintian,sass}
  rm -rf "$work/root/usr/share/javascript/moment-timezone/data" # (200 MB that no page uses)
  # (another script may have been faster)
  mv -T "$work/root" "$root" 2>/dev/null || [ -d "$root" ]
fi
echo "$root"
