#!/bin/sh
# Installs Redis for the tests, where it is missing and we may. They start a server of their own, on a free port; one
# that the package may have started is left alone.
# Where it cannot be installed, its tests are skipped; with CARDOCR_REQUIRE_SERVERS that is an error.
set -u
command -v redis-server >/dev/null && exit 0
command -v valkey-server >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Redis, for the tests."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server >/dev/null && exit 0
fi
echo "Redis is not installed: its tests are skipped." >&2
[ -z "${CARDOCR_REQUIRE_SERVERS:-}" ]
