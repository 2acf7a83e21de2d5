#!/usr/bin/env bash
# update.sh [VERSION]: fetches swagger-ui-dist with npm, by default the version below, and keeps what /docs serves of it.
# `update.sh --check` compares what is here with SHA256SUMS and asks nobody; the tests do the same.
set -euo pipefail
cd "$(dirname "$0")"
version=${1:-5.35.0}

if [ "$version" = --check ]; then
  exec sha256sum --check --quiet SHA256SUMS
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --pack-destination "$work" "swagger-ui-dist@$version" >/dev/null
tar xzf "$work/swagger-ui-dist-$version.tgz" -C "$work"
cp "$work"/package/{LICENSE,NOTICE,swagger-ui-bundle.js.LICENSE.txt} .
for asset in swagger-ui-bundle.js swagger-ui.css; do
  # (without name and time: the same bytes whenever it is run; without the line that names a map that is not served)
  sed '/^\(\/\/\|\/\*\)# sourceMappingURL=/d' "$work/package/$asset" | gzip -9n >"$asset.gz"
done
sed -i "s/^version=.*/version=\${1:-$version}/" update.sh
sed -i "s/^swagger-ui-dist .*/swagger-ui-dist $version, Apache-2.0/" README.md
sha256sum ./*.gz LICENSE NOTICE swagger-ui-bundle.js.LICENSE.txt >SHA256SUMS
