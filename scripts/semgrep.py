"""Runs semgrep with our own rules, and fails on what is not explained below. Where it is not installed it says so."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / ".servers" / "semgrep" / "bin" / "semgrep"
RULES = Path(__file__).with_name("semgrep.yml")
LOOKED_AT = ("cardocr_site", "ocr", "batches", "templates_app", "templates")

_SQL, _LED, _FETCHED = "sql-put-together", "led-where-a-request-says", "fetched-past-who-may"
_RUN = "text-that-is-run"
_NAMES = "names of tables, columns and triggers are this program’s own, nobody types them; values have their places"
_OURS = "it begins with an address of ours; what was asked for is its query"
EXPLAINED = {
    **{
        (_SQL, f"{name}.py"): _NAMES
        for name in (
            "batches/drain/erasing",
            "batches/intake/free_names",
            "batches/live/watcher",
            "batches/models/indexing",
            "batches/models/indexing_postgres",
            "batches/queries/words_postgres",
            "batches/rows",
            "cardocr_site/accounts/audit",
            "cardocr_site/accounts/pruning",
            "cardocr_site/backups/rows",
            "cardocr_site/databases",
        )
    },
    **{
        (_LED, f"batches/views/{name}.py"): _OURS for name in ("collection_acts", "export_settings", "keys", "readings")
    },
    (_LED, "cardocr_site/accounts/views.py"): "url_has_allowed_host_and_scheme has looked at it, one line before",
    (_FETCHED, "batches/views/engines.py"): "engines are nobody's own; the view asks for an administrator first",
    (
        _FETCHED,
        "batches/views/old.py",
    ): "what is to be deleted is an administrator’s business; the view asks for one first",
    (
        _RUN,
        "cardocr_site/shared/cache.py",
    ): "a pickle is read only after its signature by this site’s own key was checked",
    (_FETCHED, "batches/views/webhooks.py"): "of a webhook that was fetched through whose it is",
    (_FETCHED, "ocr/views.py"): "engines in use are there for everybody; the key that is set is one's own",
}


def found(where: Path, *paths: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as home:
        command = [str(PROGRAM), "scan", "--config", str(RULES), "--metrics", "off", "--disable-version-check"]
        command += ["--json", "--quiet", "--jobs", "2", "--x-ignore-semgrepignore-files", *paths]
        environment = {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": home, "LANG": "C.UTF-8"}
        answer = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    told = json.loads(answer.stdout or '{"errors": "nothing was said"}')
    if told["errors"]:
        sys.exit(f"semgrep: {told['errors']} {answer.stderr[-2000:]}")
    return [one | {"check_id": one["check_id"].rpartition(".")[2]} for one in told["results"]]


def main() -> None:
    if not PROGRAM.is_file():
        print("semgrep is not installed: make servers")
        sys.exit(bool(os.environ.get("CARDOCR_REQUIRE_SERVERS")))
    ones = found(ROOT, *LOOKED_AT)
    left = [one for one in ones if (one["check_id"], one["path"]) not in EXPLAINED]
    for one in left:
        print(f"{one['path']}:{one['start']['line']}: {one['check_id']} {one['extra']['message']}")
    unneeded = EXPLAINED.keys() - {(one["check_id"], one["path"]) for one in ones}
    for rule, path in sorted(unneeded):
        print(f"{path}: nothing of {rule} has to be explained any more")
    if left or unneeded:
        sys.exit(1)


if __name__ == "__main__":
    main()
