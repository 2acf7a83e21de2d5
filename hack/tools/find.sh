#!/usr/bin/env bash
# Puts kind, kubectl and helm into $STATE/bin, which ../lib.sh has in PATH: those that KIND, KUBECTL and HELM name, else those of
# the user where they are new enough, else built ones.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

minor_of() { sed -nE 's/^v?([0-9]+)\.([0-9]+).*/\1 \2/p' <<<"$1"; }

# at_least VERSION MAJOR MINOR
at_least() {
  local major minor
  read -r major minor < <(minor_of "$1") || return
  [ "$major" -gt "$2" ] || { [ "$major" = "$2" ] && [ "$minor" -ge "$3" ]; }
}

usable() { # usable NAME PROGRAM
  case $1 in
    kind) at_least "$("$2" version -q 2>/dev/null)" 0 30 ;;
    kubectl) at_least "$("$2" version --client -o json 2>/dev/null | sed -nE 's/^ *"gitVersion": "(.*)",?$/\1/p' | head -n 1)" 1 35 ;;
    helm) at_least "$("$2" version --template '{{.Version}}' 2>/dev/null)" 3 8 ;;
  esac
}

mkdir -p "$STATE/bin"
build=() summary=()
for name in kind kubectl helm; do
  asked_for=${name^^} found=
  asked_for=${!asked_for:-}
  rm -f "$STATE/bin/$name"
  hash -r
  if [ -n "$asked_for" ]; then
    usable "$name" "$asked_for" || die "${name^^}=$asked_for does not work or is too old"
    found=$(command -v "$asked_for")
  elif have "$name" && usable "$name" "$name"; then
    found=$(command -v "$name")
  else
    build+=("$name")
    found=$CACHE/bin/$name
  fi
  ln -s "$found" "$STATE/bin/$name"
  summary+=("$found")
done
[ ${#build[@]} = 0 ] || "$here/build.sh" "${build[@]}"
say "tools: ${summary[*]}"
