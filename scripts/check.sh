#!/bin/sh
# Every linter, in the order of how fast they answer. All run; the last line says which failed.
BIN=${BIN:-.venv/bin}
CARDOCR_DATA_DIR=$(mktemp -d)
export CARDOCR_DATA_DIR
trap 'rm -rf "$CARDOCR_DATA_DIR"' EXIT
failed=

check() {
    name=$1
    shift
    echo "== $name"
    "$@" || failed="$failed, $name"
}

check "format" "$BIN/ruff" format --check --quiet .
check "ruff" "$BIN/ruff" check --quiet --output-format concise .
check "djade" sh -c "git ls-files -z 'templates/*.html' | xargs -0 $BIN/djade --check --target-version 5.2"
check "mypy" "$BIN/mypy"
check "weaknesses" "$BIN/python" scripts/weaknesses.py
check "semgrep" "$BIN/python" scripts/semgrep.py
check "arrows" "$BIN/lint-imports" --no-logo
check "migrations" "$BIN/python" manage.py makemigrations --check --dry-run
check "deployment" env CARDOCR_URL=https://cards.example.org "$BIN/python" manage.py check --deploy --fail-level WARNING
check "states" "$BIN/python" manage.py state_diagram --check
check "errors" "$BIN/python" manage.py error_table --check
check "translations and locks" "$BIN/python" -m pytest -q tests/site/test_translations.py tests/site/test_locks.py

if [ -n "$failed" ]; then
    echo "Failed:${failed#,}"
    exit 1
fi
echo "All clean."
