#!/usr/bin/env bash
# chromium.sh: prints a Chromium's path: $CHROMIUM, one on the PATH, or Debian's, which root installs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

find_chromium() { echo "${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}"; }

if [ -z "$(find_chromium)" ]; then
  can_install || die "no Chromium: install the package chromium, or say where one is with CHROMIUM=PATH"
  "$here/../docker/apt-install.sh" chromium >&2
fi
find_chromium
