#!/bin/sh
# Make the environment: system libraries where this user may install them, then the pinned Python packages.
# Called by `make setup` with PYTHON and VENV set.
set -eu

# Open3D's wheel loads these from the system.
libraries="libusb-1.0.so.0:libusb-1.0-0 libudev.so.1:libudev1 libGL.so.1:libgl1 libEGL.so.1:libegl1 libX11.so.6:libx11-6 libidn2.so.0:libidn2-0"

missing=""
for entry in $libraries; do
    "$PYTHON" -c "import ctypes; ctypes.CDLL('${entry%%:*}')" 2>/dev/null || missing="$missing ${entry##*:}"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # shellcheck disable=SC2086 # one word per package is meant
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "carescene needs system libraries that are not here; please install them: sudo apt-get install$missing" >&2
        exit 1
    fi
fi

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "carescene needs Python 3.11 or newer, but $PYTHON is $("$PYTHON" --version); pass another: make PYTHON=python3.11 ..." >&2
    exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
