#!/usr/bin/env bash
# bench-serving.sh [OPTION…]: what a request costs the scoring server, beside a FastAPI service in the same run; Markdown on the
# standard output. Options go to the program `serving` (--seconds, --rounds, --core, --only). Needs two cores that are otherwise idle.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
cd "$ROOT"

[ "$(nproc)" -ge 2 ] || die "server and generator need a core each"
have taskset || die "taskset is missing: install util-linux"
host=$(rustc -vV | sed -n 's/^host: //p')
{
  flags=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$host")_RUSTFLAGS
  export "$flags=-C target-feature=+crt-static"
  # (the first as the images are built, so that it is their server that is measured, and nothing is compiled twice)
  build=(cargo build --locked --profile static --target "$host")
  "${build[@]}" -p operator -p server -p trainer
  "${build[@]}" -p cli
  "${build[@]}" -p bench
  python=$(REQUIREMENTS=$ROOT/bench/peers/requirements.txt "$here/clients/venv.sh")
} >&2
binaries=target/$host/static
# (the first core serves the machine's interrupts)
last=$(($(nproc) - 1))
echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) cores; $(uname -sr); server on core $last, generator on the others."
exec taskset -c "0-$((last - 1))" "$binaries/serving" --core "$last" --binaries "$binaries" --python "$python" "$@"
