#!/bin/sh
# Installs the servers that the tests marked `servers` talk to, and the clients that talk to ours, each into an
# environment of its own below .servers: theirs and ours would not agree on versions. What is there already and has the same lock is left alone.
# Where one cannot be installed, its tests are skipped; with CARDOCR_REQUIRE_SERVERS that is an error.
set -u
BIN=${BIN:-.venv/bin}
LOCKS=tests/servers/requirements

install() {
    rm -rf "$2"
    "$BIN/python" -m venv "$2" || return
    # uv takes seconds for what takes pip half a minute, but knows nothing of pip's settings.
    "$BIN/uv" pip install --quiet --python "$2/bin/python" --no-deps --require-hashes --only-binary :all: -r "$1" ||
        "$2/bin/python" -m pip install --quiet --no-deps --require-hashes --only-binary :all: -r "$1" || return
    cp "$1" "$2/installed.lock"
}

missing=
for lock in "$LOCKS"/*.lock; do
    name=$(basename "$lock" .lock)
    cmp -s "$lock" ".servers/$name/installed.lock" && continue
    echo "Installing $name into .servers/$name, for the tests."
    install "$lock" ".servers/$name" || {
        rm -rf ".servers/$name"
        missing="$missing $name"
    }
done
if [ -n "$missing" ]; then
    echo "Not installed:$missing. Their tests are skipped." >&2
    [ -z "${CARDOCR_REQUIRE_SERVERS:-}" ] || exit 1
fi
