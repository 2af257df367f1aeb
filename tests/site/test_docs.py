"""The documents point at what is there, and the repository names no machine and no registry."""

import re
import subprocess
from pathlib import Path

import pytest

from cardocr_site.contract import STATUS_OF

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXT = {".py", ".md", ".html", ".toml", ".sh", ".js", ".css", ".json", ".example", ".lock", ""}
# Written in pieces, or this file would be found.
FOREIGN = ["/work" + "/", "/home" + "/", "/root" + "/", "pypi" + ".org", "files.python" + "hosted", "npmjs" + ".org"]


def tracked() -> list[Path]:
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in answer.stdout.split("\0") if name]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_every_command_of_the_readme_exists():
    text = (ROOT / "README.md").read_text() + (ROOT / "docs" / "operating.md").read_text()
    commands = {path.stem for path in ROOT.glob("*/management/commands/*.py")} | {"changepassword"}
    for command in re.findall(r"manage\.py ([a-z_]+)", text):
        assert command in commands
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"`make ([a-z]+)`", text):
        assert target in targets


def test_nothing_names_a_machine_or_a_registry():
    for path in tracked():
        if path.suffix in TEXT and path.is_file():
            text = path.read_text(errors="ignore")
            assert not [name for name in FOREIGN if name in text], path.relative_to(ROOT)


def test_every_picture_is_made_by_the_script():
    made = set(re.findall(r'picture\(page, "(\w+)"\)', (ROOT / "scripts" / "screenshots.py").read_text()))
    shown = {Path(name).stem for path in DOCUMENTS for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text())}
    assert shown == made


def test_every_code_of_an_error_is_explained():
    text = (ROOT / "docs" / "api.md").read_text()
    assert {
        code: int(status) for code, status in re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", text, re.MULTILINE)
    } == STATUS_OF


def test_each_threat_is_held_by_a_test_that_is_there():
    text = (ROOT / "docs" / "security.md").read_text()
    rows = re.findall(r"^\|.*\|$", text.split("## Threats")[1].split("\n## ")[0], re.MULTILINE)[2:]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"
    for path in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (ROOT / path).is_file(), path
