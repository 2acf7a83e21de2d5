#!/usr/bin/env bash
# python.sh [PYTEST ARGUMENTS…]: tests of the Python package in python/, which exports models of scikit-learn, in a virtual
# environment of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
cd "$ROOT/python"

interpreter=$(REQUIREMENTS=$PWD/requirements.txt "$here/clients/venv.sh")
PYTHONDONTWRITEBYTECODE=1 exec "$interpreter" -m pytest "$@"
