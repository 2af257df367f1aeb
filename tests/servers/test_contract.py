"""The calls, and what their description says of them, put to the test by Schemathesis: a seed, and all its checks."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.servers import programs

pytestmark = [pytest.mark.servers, pytest.mark.processes]

# logout would end the run; the schema of a stream is taken for that of each event, and OpenAPI 3.1 has none for those
LEFT_OUT = ("logout", "follow_batch")
ACCEPTED = [
    "2xx",
    "3xx",
    "401",
    "403",
    "404",
    "409",
    "422",
    "424",
    "429",
    "5xx",
]  # 422: contract_checks.py looks closer
OF_CARDS = "/(results|retry-image|images)/"


def configured(folder: Path, batch: int) -> Path:
    """Calls about a card get one that was read: they would ask for nothing but unknown ones."""
    known = {"batch_id": str(batch), "card_id": "1", "filename": "1"}
    told = [
        f"hooks = {json.dumps(str(Path(__file__).with_name('contract_checks.py')))}",
        f"checks.positive_data_acceptance.expected-statuses = {json.dumps(ACCEPTED)}",
        "[[operations]]",
        f"include-path-regex = {json.dumps(OF_CARDS)}",
        "[operations.parameters]",
        *(f"{name} = {json.dumps(value)}" for name, value in known.items()),
    ]
    path = folder / "schemathesis.toml"
    path.write_text("\n".join(told))
    return path


def test_the_calls_do_what_their_description_says(site, tmp_path):
    config = configured(tmp_path, site.read("Drawer 1", 2))
    command = [programs.program("clients", "schemathesis"), "--config-file", str(config), "run"]
    command += [f"{site.url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {site.token}"]
    command += ["--checks", "all", "--generation-deterministic", "--max-examples", "2", "--no-shrink", "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--continue-on-failure"]
    for name in LEFT_OUT:
        command += ["--exclude-operation-id", name]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2000:]
    tried = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)
    assert tried is not None, ran.stdout
    assert int(tried[2]) > 2000
