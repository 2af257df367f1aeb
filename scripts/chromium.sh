#!/bin/sh
# Prints the path of a browser for the browser tests; installs Chromium where apt is there and the user may.
set -e

look() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [ -n "$name" ] && command -v "$name"; then return 0; fi
    done
    own=$("${BIN:-.venv/bin}/python" -c 'from playwright.sync_api import sync_playwright as p
with p() as it: print(it.chromium.executable_path)' 2>/dev/null || true)
    if [ -n "$own" ] && [ -x "$own" ]; then echo "$own"; return 0; fi
    return 1
}

look && exit 0
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else sudo=none; fi
    if [ "$sudo" != none ]; then
        echo "Installing Chromium for the browser tests." >&2
        { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq chromium; } >&2 || true
        look && exit 0
    fi
fi
echo "The browser tests need Chromium: apt install chromium, or playwright install chromium, or name one in CHROMIUM." >&2
exit 1
