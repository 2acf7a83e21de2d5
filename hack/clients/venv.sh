#!/usr/bin/env bash
# venv.sh: prints the Python of a virtual environment with exactly requirements.txt, made in the cache when it is missing.
# venv.sh --update: writes requirements.txt anew, with the newest versions of what its first part names.
# REQUIREMENTS names another such file.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
requirements=${REQUIREMENTS:-$here/requirements.txt}

# Debian's python3 cannot make virtual environments without the package python3-venv.
with_venv() {
  have python3 || "$here/../docker/apt-install.sh" python3 python3-venv
  python3 -c 'import ensurepip, venv' 2>/dev/null && return
  can_install || die "python3 cannot make virtual environments: install Debian's python3-venv, or a whole Python"
  "$here/../docker/apt-install.sh" python3-venv
}

make_venv() { # make_venv DIR REQUIREMENTS…
  python3 -m venv --clear "$1" && "$1/bin/python" -m pip install --quiet --disable-pip-version-check "${@:2}"
}

update() {
  local venv names
  venv=$(mktemp -d)
  mapfile -t names < <(sed -n '/^$/q; s/==.*//p' "$requirements")
  long "resolving ${names[*]}" "$CACHE/clients-venv.log" make_venv "$venv" "${names[@]}"
  "$venv/bin/python" - "$requirements" "${names[@]}" <<'PYTHON'
import re, subprocess, sys
file, names = sys.argv[1], sys.argv[2:]
pins = dict(line.split("==") for line in subprocess.check_output(
    [sys.executable, "-m", "pip", "freeze", "--all"], text=True).split() if "==" in line and not line.startswith("pip=="))
plain = lambda name: re.sub(r"[-_.]+", "-", name.split("[")[0]).lower()
pins = {plain(name): (name, version) for name, version in pins.items()}
head = open(file).readline()
direct = "".join(f"{name}=={pins.pop(plain(name))[1]}\n" for name in names)
rest = "".join(f"{name}=={version}\n" for name, version in sorted(pins.values(), key=lambda pin: pin[0].lower()))
open(file, "w").write(f"{head}{direct}\n# What those need.\n{rest}")
PYTHON
  rm -rf "$venv"
}

{
  with_venv
  mkdir -p "$CACHE"
  exec 8>"$CACHE/clients-venv.lock"
  flock 8
  if [ "${1:-}" = --update ]; then
    update
    exit
  fi
  venv=$CACHE/clients-$({ python3 -c 'import sys; print(sys.version, sys.prefix)'; cat "$requirements"; } | sha256sum | cut -c1-12)
  # The mark comes last: what an interrupted run has left is made anew.
  if [ ! -e "$venv/complete" ]; then
    long "Python packages of other people's clients" "$CACHE/clients-venv.log" make_venv "$venv" --requirement "$requirements"
    touch "$venv/complete"
  fi
} >&2
echo "$venv/bin/python"
