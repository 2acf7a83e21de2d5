#!/usr/bin/env bash
# check.sh [DIR]: holds the dashboards (default: dashboards/) against Grafana's own types with tsc, and lints them with Grafana's
# linter, strictly; lint.yaml says which rules are left out and why. Needs node with npm, and Go; both fetch what they need once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
dir=$(realpath "${1:-$ROOT/dashboards}")
modules=$CACHE/dashboards/$(digest "$here/package.json")
linter_version=v0.2.0
linter=$CACHE/bin/dashboard-linter-$linter_version

# Each dashboard becomes a TypeScript file that assigns it to the type: a literal, so that unknown members are errors, too.
check_types() {
  local file work=$modules/check
  if [ ! -d "$modules/node_modules" ]; then
    mkdir -p "$modules"
    cp "$here/package.json" "$modules/"
    (cd "$modules" && long "dashboards: Grafana's types and tsc" "$CACHE/dashboards/npm.log" \
      npm install --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error) || { rm -rf "$modules"; exit 1; }
  fi
  rm -rf "$work"
  mkdir -p "$work"
  cp "$here/schema.ts" "$work/"
  for file in "$dir"/*.json; do
    { echo "import type { Checked } from './schema';" && printf 'export const dashboard: Checked = ' && cat "$file"; } >"$work/$(basename "$file" .json).ts"
  done
  (cd "$work" && ../node_modules/.bin/tsc --noEmit --strict --target es2022 --module esnext --moduleResolution bundler \
    --skipLibCheck ./*.ts) || die "a dashboard is not what Grafana's types (@grafana/schema) say; lines are those of the JSON"
}

# The linter is built from a copy of its module: go.mod there has a replacement, so that `go install` refuses it, and its reader
# of the newer schema, which pulls in a module of Grafana's, is replaced by ours, which refuses that schema.
build_linter() {
  local module=github.com/grafana/dashboard-linter dir copy=$CACHE/dashboards/linter
  dir=$(cd / && go mod download -json "$module@$linter_version" | sed -nE 's/^\t"Dir": "(.*)",$/\1/p')
  rm -rf "$copy"
  cp -r "$dir" "$copy"
  chmod -R u+w "$copy"
  cp "$here/linter/v2.go" "$copy/lint/"
  export CGO_ENABLED=0 GOWORK=off
  (cd "$copy" && go mod edit -droprequire github.com/grafana/grafana/apps/dashboard &&
    go build -mod=mod -trimpath -gcflags=all=-dwarf=false -ldflags='-s -w' -o "$linter.new" .)
  rm -rf "$copy"
  mv "$linter.new" "$linter"
}

lint() {
  local file
  [ -x "$linter" ] || long "dashboards: building Grafana's linter" "$CACHE/dashboards/linter.log" build_linter
  for file in "$dir"/*.json; do
    "$linter" lint --strict --config "$here/lint.yaml" "$file" >"$CACHE/dashboards/lint.log" 2>&1 || {
      cat "$CACHE/dashboards/lint.log" >&2
      die "$(basename "$file") breaks a rule of Grafana's linter"
    }
  done
}

if ! have npm; then
  { have apt-get && [ "$(id -u)" = 0 ] && "$here/../docker/apt-install.sh" nodejs npm; } ||
    die "node and npm are missing; install Node.js 18 or newer and try again"
fi
have go || die "Go is missing; install Go 1.26 or newer and try again"
mkdir -p "$CACHE/bin" "$CACHE/dashboards"
check_types
lint
say "dashboards: $(find "$dir" -name '*.json' | wc -l) checked"
