#!/usr/bin/env bash
# make.sh: writes detectors/tests/data/vectors/*.json.gz anew: rows and the outlyingness that each detector must give them,
# computed by make.py from the published formulas with numpy alone. The same script gives the same files.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$(REQUIREMENTS=$here/requirements.txt "$here/../clients/venv.sh")
"$python" "$here/make.py" "$here/../../detectors/tests/data/vectors"
