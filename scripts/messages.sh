#!/bin/sh
# Collects the texts of Python and templates into locale/*/LC_MESSAGES/django.po and compiles them.
set -e
BIN=${BIN:-.venv/bin}
command -v xgettext >/dev/null || { echo "The gettext tools are missing. On Debian and Ubuntu: apt install gettext"; exit 1; }
CARDOCR_DATA_DIR=$(mktemp -d)
export CARDOCR_DATA_DIR
trap 'rm -rf "$CARDOCR_DATA_DIR"' EXIT
"$BIN/python" manage.py makemessages --locale en --locale de --no-obsolete --add-location file \
    --ignore .venv --ignore data --ignore tests --ignore benchmarks --ignore scripts
"$BIN/python" scripts/compile_messages.py
