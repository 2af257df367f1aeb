#!/bin/sh
# Every test. The browser tests wait most of their time, so they run beside the others; their report comes last.
BIN=${BIN:-.venv/bin}
report=$(mktemp)
trap 'rm -f "$report"' EXIT
trap 'kill "$browser" 2>/dev/null; exit 130' INT TERM

"$BIN/python" -m pytest -p no:cacheprovider tests/e2e >"$report" 2>&1 &
browser=$!
"$BIN/python" -m pytest --ignore=tests/e2e
others=$?
wait "$browser"
browsers=$?
printf '\n== Browser tests\n'
cat "$report"
[ "$others" -eq 0 ] && [ "$browsers" -eq 0 ]
