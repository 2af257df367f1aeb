#!/bin/sh
# Installs PostgreSQL for the tests, where it is missing and we may. They start a server of their own, in a folder that
# goes with it; one that the package may have started is left alone.
# Where it cannot be installed, its tests are skipped; with CARDOCR_REQUIRE_SERVERS that is an error.
set -u
for initdb in /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$initdb" ] && exit 0
done
command -v initdb >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing PostgreSQL, for the tests."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null && exit 0
fi
echo "PostgreSQL is not installed: its tests are skipped." >&2
[ -z "${CARDOCR_REQUIRE_SERVERS:-}" ]
