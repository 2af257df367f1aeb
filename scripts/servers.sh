#!/bin/sh
# Installs the servers that the tests marked `servers` talk to, and the clients that talk to ours, each into an
# environment of its own below .servers: theirs and ours would not agree on versions. What is there already and has the same lock is left alone.
# Where one cannot be installed, its tests are skipped; with CARDOCR_REQUIRE_SERVERS that is an error.
set -u
BIN=${BIN:-.venv/bin}
LOCKS=tests/servers/requirements
BINARIES="--only-binary :all: --no-binary python-ldap,pyperclip,urwid-mitmproxy,yaswfp" # of which nobody has made wheels

install() {
    rm -rf "$2"
    "$BIN/python" -m venv "$2" || return
    # uv takes seconds for what takes pip half a minute, but knows nothing of pip's settings.
    "$BIN/uv" pip install --quiet --python "$2/bin/python" --no-deps --require-hashes $BINARIES -r "$1" ||
        "$2/bin/python" -m pip install --quiet --no-deps --require-hashes $BINARIES -r "$1" || return
    [ "$name" != ldap ] || directory "$2" || return
    cp "$1" "$2/installed.lock"
}

# The directory server comes from the system. In a place of its own it is not held to the folders that AppArmor allows it.
directory() {
    cp "$(PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v slapd)" "$1/bin/slapd"
}

# What is not there of the system's for `ldap`; .ci/run installs it.
ldap_needs() {
    command -v cc >/dev/null || echo gcc
    [ -f /usr/include/ldap.h ] || echo libldap-dev
    [ -f /usr/include/sasl/sasl.h ] || echo libsasl2-dev
    "$BIN/python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
        echo python3-dev
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v slapd >/dev/null || echo slapd
}

missing=
for lock in "$LOCKS"/*.lock; do
    name=$(basename "$lock" .lock)
    cmp -s "$lock" ".servers/$name/installed.lock" && continue
    if [ "$name" = ldap ] && [ -n "$(ldap_needs)" ]; then
        echo "ldap is compiled, and tried with a real directory. As root: apt install" $(ldap_needs) >&2
        missing="$missing $name"
        continue
    fi
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
