#!/bin/sh
# Every test, in parts that run side by side, one more than there are cores: the first ones wait half of their time, for
# processes that are started and killed and for a browser. Each part's report comes when it ends.
BIN=${BIN:-.venv/bin}
export BIN
unset PYTHONDONTWRITEBYTECODE # some hundred processes are started, and each would compile all of it anew

# The longest first, and by turns such that three lanes end together. The second to last has whatever the others do not name.
parts() {
    cat <<'PARTS'
tests/servers
tests/e2e
tests/machines
tests/processes
tests/batches/views tests/site tests/templates_app
tests/batches/drain tests/batches/live
tests --ignore=tests/machines --ignore=tests/processes --ignore=tests/servers --ignore=tests/e2e --ignore=tests/site --ignore=tests/templates_app --ignore=tests/batches/views --ignore=tests/batches/drain --ignore=tests/batches/live --ignore=tests/batches/intake --ignore=tests/ocr
tests/batches/intake tests/ocr
PARTS
}

# Each part would take as long for the tables as for two hundred tests.
CARDOCR_TEST_MADE=$(mktemp -d)
export CARDOCR_TEST_MADE
trap 'rm -rf "$CARDOCR_TEST_MADE"' EXIT
"$BIN/python" -m tests.made "$CARDOCR_TEST_MADE" || exit

# shellcheck disable=SC2016
parts | xargs -P "$(($(getconf _NPROCESSORS_ONLN) + 1))" -I PART sh -c '
    report=$(mktemp)
    trap "rm -f \"$report\"" EXIT
    trap "exit 130" INT TERM
    "$BIN/python" -m pytest -p no:cacheprovider $1 >"$report" 2>&1
    status=$?
    printf "\n== %s\n" "${1%% --*}"
    cat "$report"
    exit "$status"
' part PART
