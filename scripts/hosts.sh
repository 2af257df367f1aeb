#!/bin/sh
# Installs what the tests with several hosts need, where it is missing and we may: network namespaces, and a clock that
# can be set for one process. Where it cannot be had, they are skipped; with CARDOCR_REQUIRE_SERVERS that is an error.
set -u
is_there() {
    command -v ip >/dev/null && command -v unshare >/dev/null && ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1
}
is_there && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing what tests with several hosts need."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq iproute2 util-linux libfaketime >/dev/null && is_there && exit 0
fi
echo "Network namespaces or libfaketime are missing: the tests with several hosts are skipped." >&2
[ -z "${CARDOCR_REQUIRE_SERVERS:-}" ]
