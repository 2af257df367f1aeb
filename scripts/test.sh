#!/bin/sh
# Every test, in two parts side by side. The second waits most of its time, for processes that are started and killed
# and for a browser; its report comes last.
BIN=${BIN:-.venv/bin}
report=$(mktemp)
trap 'rm -f "$report"' EXIT
trap 'kill "$waiting" 2>/dev/null; exit 130' INT TERM

"$BIN/python" -m pytest -p no:cacheprovider tests/processes tests/servers tests/e2e >"$report" 2>&1 &
waiting=$!
"$BIN/python" -m pytest --ignore=tests/processes --ignore=tests/servers --ignore=tests/e2e
others=$?
wait "$waiting"
waited=$?
printf '\n== Processes, servers of others and browser\n'
cat "$report"
[ "$others" -eq 0 ] && [ "$waited" -eq 0 ]
