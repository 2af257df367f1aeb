"""The README's "For scripts", as it stands there: bash, curl and jq against a running site."""

import csv
import json
import os
import re
import shutil
import subprocess

import pytest

from tests import vlm_server
from tests.site.processes import PASSWORD, ROOT

pytestmark = [pytest.mark.servers, pytest.mark.processes]


def blocks() -> list[str]:
    section = (ROOT / "README.md").read_text().partition("\n## For scripts\n")[2].partition("\n## ")[0]
    return re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture
def _programs():
    if missing := [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]:
        said = f"The README's examples need {', '.join(missing)}."
        if os.environ.get("CARDOCR_REQUIRE_SERVERS"):
            pytest.fail(said)
        pytest.skip(said)


@pytest.mark.usefixtures("_programs")
def test_the_examples_do_a_whole_job(site, tmp_path):
    scans = tmp_path / "my scans"
    scans.mkdir()
    for number in range(3):
        (scans / f"card {number}.jpg").write_bytes(vlm_server.card_image(number, (160, 120)))
    (scans / "notes.txt").write_text("no scan")
    variables = {"CARDOCR_URL": site.url, "CARDOCR_PASSWORD": PASSWORD, "SCANS": str(scans)}
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "no_proxy": "*", **variables}
    assert len(blocks()) == 4
    ran = subprocess.run(
        ["bash"], input="".join(blocks()), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout

    told = ran.stdout.splitlines()
    assert [line for line in told if line.startswith("notes.txt: ")], "what was refused is said"
    assert [line for line in told if re.fullmatch(r"batch-\w+ pending", line)], "it was started"
    assert {f"card {number}.jpg: completed" for number in range(3)} <= set(told), "it was followed card by card"
    assert "100 % 3 files" in told, "to its end"
    assert told[-2:] == ["Grieg, Edvard", "card 0.jpg\tGrieg, Edvard"], "corrected, and that alone has changed since"
    results = json.loads((tmp_path / "results.json").read_text())["data"]["items"]
    assert [one["values"]["author"] for one in results] == ["author 0", "author 1", "author 2"]
    rows = list(csv.DictReader((tmp_path / "drawer-12.csv").read_text().splitlines()))
    assert [row["Author"] for row in rows] == ["Grieg, Edvard", "author 1", "author 2"]
