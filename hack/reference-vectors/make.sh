#!/usr/bin/env bash
# make.sh: writes detectors/tests/data/vectors/*.json.gz anew: rows and the outlyingness that each detector must give them,
# computed by make.py from the published formulas with numpy alone. The same script gives the same files.
# make.sh --isotree: writes detectors/tests/data/adbench/isotree-auroc.csv anew, in about ten minutes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=$here/../../detectors/tests/data
python() { # python REQUIREMENTS ARGS…
  local python
  python=$(REQUIREMENTS=$here/$1 "$here/../clients/venv.sh")
  "$python" "${@:2}"
}
case ${1:-} in
  --isotree) python requirements-isotree.txt "$here/isotree_auroc.py" "$data/adbench" ;;
  *) python requirements.txt "$here/make.py" "$data/vectors" ;;
esac
