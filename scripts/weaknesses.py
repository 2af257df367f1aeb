"""Runs bandit, and fails on what is not explained: by `noqa: S…` of the same number in the lines found, or below."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOOKED_AT = ("cardocr_site", "ocr", "batches", "templates_app", "scripts", "manage.py")

# Kinds of findings that say nothing about this program, and single ones.
EXPLAINED = {
    "B404": "importing subprocess is no weakness; each call of it is looked at by itself (B602 to B607)",
    "B603": "without a shell, and each time our own interpreter with a module of ours (tests/site/test_rules.py)",
}
EXPLAINED_IN = {
    ("batches/models/batch.py", "B105"): "an option of a batch whose name holds the word “pass”",
    ("cardocr_site/api/examples.py", "B105"): "what stands in the description of the calls: it opens nothing",
    ("scripts/screenshots.py", "B101"): "a script of the developers: what it assumes is said as it breaks",
    ("cardocr_site/shared/cache.py", "B403"): "opens a pickle only where it is signed with the site's own key",
    ("scripts/bundle.py", "B607"): "the git that a maker of bundles has on the path",
    ("scripts/install.py", "B606"): "itself once more, by the Python of the version that it is for",
    ("scripts/draw_samples.py", "B311"): "draws sample cards, the same ones each time",
    ("scripts/screenshots.py", "B105"): "the password of a site that lives for the pictures alone",
}


def found() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "bandit", "--quiet", "--recursive", "--format", "json", *LOOKED_AT]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = json.loads(answer.stdout)
    if told["errors"]:
        sys.exit(f"bandit could not read: {told['errors']}")
    return list(told["results"])


def explained(one: dict[str, Any]) -> bool:
    name, kind = one["filename"].removeprefix("./"), one["test_id"]
    if kind in EXPLAINED or (name, kind) in EXPLAINED_IN:
        return True
    lines = (ROOT / name).read_text().splitlines()
    first, last = min(one["line_range"]), max(one["line_range"])
    return bool(re.search(rf"noqa: .*\b{kind.replace('B', 'S', 1)}\b", "\n".join(lines[first - 1 : last])))


def main() -> None:
    left = [one for one in found() if not explained(one)]
    for one in left:
        print(f"{one['filename']}:{one['line_number']}: {one['test_id']} {one['issue_text']}")
    if left:
        sys.exit(f"{len(left)} findings of bandit are not explained.")


if __name__ == "__main__":
    main()
