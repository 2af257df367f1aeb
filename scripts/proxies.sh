#!/bin/sh
# Installs nginx and Caddy for the tests, where they are missing and we may. The tests start their own, with the files in
# deploy/, on free ports; one that the package may have started is left alone.
# Where they cannot be installed, their tests are skipped; with CARDOCR_REQUIRE_SERVERS that is an error.
set -u
PATH="$PATH:/usr/sbin:/usr/local/sbin"
missing=
for program in nginx caddy; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing$missing, for the tests."
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
fi
echo "Not installed:$missing. Their tests are skipped." >&2
[ -z "${CARDOCR_REQUIRE_SERVERS:-}" ]
