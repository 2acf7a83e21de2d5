#!/usr/bin/env bash
# run.sh [PYTEST ARGUMENTS…]: other people's clients against the server of this tree: Python packages, Chromium, and the
# programs that `cargo test` builds anyway are made when they are missing; then pytest runs tests/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
cd "$ROOT"

python=$("$here/venv.sh")
chromium=$("$here/chromium.sh")
# (the programs come with the tests that start them; the same command line as the unit tests' gives the same build)
cargo test --workspace --locked --quiet --no-run --test logs --test run
CHROMIUM=$chromium exec "$python" -m pytest -c "$here/pytest.ini" --rootdir "$here" "${@:-$here/tests}"
