#!/usr/bin/env bash
# Removes what up.sh keeps for the next time: tools, node image, Docker's data. Go's and cargo's own caches stay.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

"$here/down.sh"
say "removing $CACHE"
rm -rf --one-file-system "$CACHE"
