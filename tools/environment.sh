#!/bin/sh
# Fill the virtual environment of this checkout, in the current directory: sh tools/environment.sh base|dev|dist|engines
#
# base: what the program itself needs, enough for `make demo` and `make kafka`. dev: what tests and checks need as well,
# and the command session-scorer. In directories of their own: dist, what builds and checks the wheel; engines, what
# tests/engines needs, Spark and Ray among it.
# Nothing is done when all of it is there. $VENV says where, $PYTHON by which Python.
#
# A stamp (.base, .dev, .dist, .engines) stands in a finished environment: a checksum of what it was made from, and where. It is removed
# before a change, so an environment without one was interrupted and is made again, from pip's and uv's caches.
set -eu

kind=$1
venv=${VENV:-.venv}
python=${PYTHON:-python3}
here=$(pwd)

fail() {
  echo "setting up $venv: $*" >&2
  exit 1
}

# checksum: of what the environment is made from
checksum() {
  if [ "$kind" = dev ]; then cat requirements/dev.txt pyproject.toml; else cat "requirements/$kind.txt"; fi | cksum
}

# ready: what is needed is there. The program runs from a checkout that was renamed, commands in bin/ do not.
ready() {
  [ -x "$venv/bin/python" ] && [ "$(sed -n 1p "$venv/.$kind" 2>/dev/null)" = "$(checksum)" ] &&
    { [ "$kind" = base ] || [ "$(sed -n 2p "$venv/.$kind")" = "$here" ]; }
}

# sound: the environment was finished, here; older checkouts have an empty stamp .ready
sound() {
  [ -x "$venv/bin/python" ] || return 1
  [ -e "$venv/.ready" ] || [ "$(sed -n 2p "$venv/.base" 2>/dev/null)" = "$here" ]
}

create() {
  command -v "$python" >/dev/null || fail "there is no $python: install Python 3.11 or newer, or name one: make PYTHON=python3.12"
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || fail "$python does not run: name another one, make PYTHON=python3.12"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is Python $version, 3.11 or newer is needed: name one, make PYTHON=python3.12"
  output=$("$python" -m venv --without-pip --clear "$venv" 2>&1) || fail "$(echo "$output" | tail -n 1)"
}

# A program of Python's that ends on Ctrl-C without a traceback: the path of its file, then its arguments.
quietly='import runpy, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")'

# pip_of PYTHON: the file that runs its pip in another Python, as pip --python does
pip_of() {
  "$1" -c 'import os, pip; print(os.path.join(os.path.dirname(pip.__file__), "__pip-runner__.py"))' 2>/dev/null
}

# pip ARGUMENTS...: pip installs into the environment, from outside where it can: to copy it there takes 3 to 30 s
pip() {
  if ! runner=$(pip_of "$python") || [ ! -f "$runner" ]; then
    "$venv/bin/python" -m ensurepip >/dev/null 2>&1 ||
      fail "$python has neither pip nor ensurepip: install them (Debian, Ubuntu: apt-get install python3-venv)"
    runner=$(pip_of "$venv/bin/python")
  fi
  set -- "$venv/bin/python" -c "$quietly" "$runner" install "$@"
  PIP_USER=0 "$@" --disable-pip-version-check --no-input --no-compile # a user's pip.conf may say user = true
}

uv() {
  "$venv/bin/uv" pip install --python "$venv/bin/python" "$@"
}

# install ARGUMENTS...: by uv, in seconds; by pip where uv cannot be had or does not reach the index that pip is set to
install() {
  { "$venv/bin/uv" --version >/dev/null 2>&1 || pip --require-hashes -r requirements/uv.txt; } && uv "$@" && return
  echo "setting up $venv: not by uv, see above; trying pip, which takes longer" >&2
  pip "$@" || fail "requirements/$kind.txt could not be installed, see above (no network? disk full?);" \
    "the same command goes on with what is downloaded already"
}

ready && exit

interrupted() {
  [ ! -t 1 ] || printf '\033[?25h' # a progress bar of pip hides the cursor
  echo "setting up $venv: interrupted; the same command goes on with what is downloaded already" >&2
  exit 130
}
trap interrupted INT
echo "setting up $venv, once: the packages of requirements/$kind.txt"
sound || create
rm -f "$venv/.ready" "$venv/.base" "$venv/.build" "$venv/.dev" "$venv/.engines"
install --require-hashes -r "requirements/$kind.txt"
[ "$kind" != dev ] || install --no-deps --no-build-isolation --editable .
for each in base $kind; do
  printf '%s\n%s\n' "$(kind=$each checksum)" "$here" >"$venv/.$each" || fail "its stamp cannot be written"
done
