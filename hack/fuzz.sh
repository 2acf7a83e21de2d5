#!/usr/bin/env bash
# fuzz.sh [TARGET…]: damaged inputs for every parser, a minute each (FUZZ_SECONDS): model, import, document, forest, csv,
# body. What makes one panic is written to target/fuzz/. Other inputs each time, unless FUZZ_SEED is a number.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
cd "$ROOT"

[ $# -gt 0 ] || set -- model import document forest csv body
for target in "$@"; do
  case $target in
    model | import | document | forest) where=(-p detectors --test fuzz) ;;
    csv) where=(-p trainer --test fuzz) ;;
    body) where=(-p server --lib) ;;
    *) die "usage: fuzz.sh [model|import|document|forest|csv|body]…" ;;
  esac
  # (the tests' own profile: it looks for overflows)
  cargo test --locked --quiet "${where[@]}" "fuzz_$target" -- --ignored --nocapture
done
