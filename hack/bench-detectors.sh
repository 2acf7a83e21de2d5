#!/usr/bin/env bash
# bench-detectors.sh [PART…]: scoring and fitting beside scikit-learn, isotree, onnxruntime, coniferest, treelite, tl2cgen and YDF, in one run
# on the same data; Markdown on the standard output. Takes about 15 minutes on a machine that is otherwise idle; BENCH_QUICK=1: 3.
# The peers are installed into a virtual environment in the cache; what cannot be is named and left out. Needs Python 3.11.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
cd "$ROOT"

PYTHON=${PYTHON:-python3.11}
have "$PYTHON" || die "$PYTHON is missing: install it, or name another Python 3.11 in PYTHON"
requirements=$here/bench-detectors/requirements.txt
venv=$CACHE/bench-detectors-$({ "$PYTHON" -c 'import sys; print(sys.version, sys.prefix)'; cat "$requirements"; } | sha256sum | cut -c1-12)

# One after the other, so that a peer that cannot be installed costs only its own column.
install_peers() {
  local line all=1
  "$PYTHON" -m venv --clear "$venv"
  while read -r line; do
    case $line in '' | '#'*) continue ;; esac
    # (a line holds a peer and what only it needs; no package that is not named here is chosen by anybody)
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$constraints" $line ||
      { echo "left out: $line cannot be installed" && all=; }
  done <"$requirements"
  # (else the next run tries again)
  [ -z "$all" ] || touch "$venv/complete"
  "$venv/bin/python" -c 'import sklearn'
}

{
  mkdir -p "$CACHE"
  constraints=$(mktemp)
  trap 'rm -f "$constraints"' EXIT
  tr ' ' '\n' <"$requirements" | grep '==' >"$constraints"
  [ -e "$venv/complete" ] || long "Python packages of the peers" "$CACHE/bench-detectors-venv.log" install_peers
  grep -h '^left out' "$CACHE/bench-detectors-venv.log" 2>/dev/null || true
  cargo build --release --locked -p detectors --example measure
  cargo build --release --locked -p trainer --no-default-features --example revision
} >&2
echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) cores; $(uname -sr); $(rustc --version)."
"$venv/bin/python" -m pip freeze --disable-pip-version-check 2>/dev/null |
  grep -iE '^(scikit-learn|isotree|onnxruntime|skl2onnx|coniferest|treelite|tl2cgen|ydf|numpy)==' | xargs | sed 's/==/ /g; s/$/./'
# (all have their memory in huge pages where it is large, as numpy asks for its tables)
env OMP_WAIT_POLICY=passive GLIBC_TUNABLES=glibc.malloc.hugetlb=1 "$venv/bin/python" "$here/bench-detectors/bench.py" \
  target/release/examples/measure target/release/examples/revision "$@"
