#!/usr/bin/env bash
# Prints the path of a promtool: the one on PATH, else that of Debian's package `prometheus`, else one built from Go (some
# minutes, once). Progress goes to standard error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

if have promtool; then
  command -v promtool
elif root=$("$here/debian.sh"); then
  echo "$root/usr/bin/promtool"
else
  "$here/../tools/build.sh" promtool >&2
  echo "$CACHE/bin/promtool"
fi
