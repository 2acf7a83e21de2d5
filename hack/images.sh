#!/usr/bin/env bash
# Makes the project's three images and names them in $STATE/images.env. A tag is a hash of the content, so that nothing changes
# and nothing is loaded when nothing changed. Compiles on this machine where cargo can (incremental, needs no registry), else in
# the Dockerfile's build stage; IMAGES_FROM=docker and IMAGES_FROM=host choose.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

max_bytes=25000000
names=(operator server trainer)
toolchain=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")

progress() { echo "$(grep -c Compiling "$1") crates compiled; now $(tail -n 1 "$1")"; }

from_host() {
  local target target_flags context=$ROOT/target/images name hash
  target=$(uname -m)-unknown-linux-gnu
  # (the same flags as the Dockerfile's; a user's RUSTFLAGS would take their place)
  unset RUSTFLAGS CARGO_BUILD_TARGET
  export CARGO_TARGET_DIR=$ROOT/target
  target_flags=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")_RUSTFLAGS
  export "$target_flags=-C target-feature=+crt-static"
  (cd "$ROOT" && long "images: compiling with cargo" "$CACHE/cargo.log" \
    cargo build --locked --profile static --target "$target" "${names[@]/#/-p}")

  mkdir -p "$context"
  cp -L /etc/ssl/certs/ca-certificates.crt "$context/"
  for name in "${names[@]}"; do
    cp "$ROOT/target/$target/static/anomaly-$name" "$context/"
    hash=$(digest "$ROOT/Dockerfile" "$context/ca-certificates.crt" "$context/anomaly-$name")
    have_image "anomaly-operator/$name:dev-$hash" || without_build_stage |
      docker build --target "$name" --tag "anomaly-operator/$name:dev-$hash" -f - "$context" >"$CACHE/docker-build.log" 2>&1 ||
      { cat "$CACHE/docker-build.log" >&2; die "docker build of $name failed"; }
    use "$name" "anomaly-operator/$name:dev-$hash"
  done
}

# The Dockerfile's last stages, with the files from the build context instead of its first stage.
without_build_stage() { sed -e '/^ARG RUST_VERSION/,/^$/d' -e 's#--from=build /out/##' "$ROOT/Dockerfile"; }

from_docker() {
  local name id
  for name in "${names[@]}"; do
    long "images: building $name in Docker" "$CACHE/docker-build.log" docker build --target "$name" --tag "anomaly-operator/$name:new" \
      --build-arg "RUST_VERSION=$toolchain" "$ROOT"
    id=$(docker image inspect -f '{{.Id}}' "anomaly-operator/$name:new" | sed 's/^sha256://' | cut -c1-12)
    docker tag "anomaly-operator/$name:new" "anomaly-operator/$name:dev-$id"
    docker rmi "anomaly-operator/$name:new" >/dev/null
    use "$name" "anomaly-operator/$name:dev-$id"
  done
}

use() { # use NAME IMAGE: checks its size, notes it, and forgets older ones
  local size old
  size=$(docker image inspect -f '{{.Size}}' "$2")
  [ "$size" -lt "$max_bytes" ] || die "$2 has $size bytes; an image must stay below $max_bytes"
  echo "${1^^}_IMAGE=$2" >>"$STATE/images.env.new"
  summary+=("$1 $(numfmt --to=si "$size")")
  for old in $(docker image ls --format '{{.Repository}}:{{.Tag}}' "anomaly-operator/$1"); do
    [ "$old" = "$2" ] || docker rmi "$old" >/dev/null 2>&1 || true
  done
}

mkdir -p "$STATE"
rm -f "$STATE/images.env.new"
summary=()
if [ "$(uname -s)" = Linux ] && have cargo; then default=host; else default=docker; fi
case ${IMAGES_FROM:-$default} in
  host) from_host ;;
  docker) from_docker ;;
  *) die "IMAGES_FROM is host or docker" ;;
esac
mv "$STATE/images.env.new" "$STATE/images.env"
say "images: ${summary[*]}"
