"""A client made of our description by openapi-python-client does the whole main job."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import vlm_server
from tests.servers import programs
from tests.site.processes import PASSWORD

pytestmark = [pytest.mark.servers, pytest.mark.processes]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.jpg").write_bytes(vlm_server.card_image(number, (160, 120)))
    (folder / "3.jpg").write_bytes(b"no image")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPATH": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def made(site: Any, folder: Path) -> str:
    """What the program that makes the client says of our description."""
    description = folder / "openapi.json"
    description.write_text(site.http.get(f"{site.url}/api/v1/openapi.json").text)
    (folder / "config.yml").write_text("post_hooks: []\n")
    generator = programs.program("clients", "openapi-python-client")
    out = ("--output-path", str(folder / "made"), "--meta", "none", "--config", str(folder / "config.yml"))
    ran = run(folder, generator, "generate", "--path", str(description), *out)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_a_client_that_was_made_of_the_description_does_the_whole_job(site, scans, tmp_path):
    said = made(site, tmp_path)
    warned = re.findall(r"^(?:WARNING parsing|Unable to process) (.*)", said, re.MULTILINE)
    assert warned == [], said
    job = str(Path(__file__).with_name("client_job.py"))
    python = programs.program("clients", "python")
    ran = run(tmp_path, python, job, site.url, "admin", PASSWORD, str(scans))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout) == {
        "health": "ok",
        "me": "admin",
        "template": True,
        "added": ["1.jpg", "2.jpg"],
        "rejected": ["FILE_TYPE_INVALID"],
        "images": 2,
        "fields": ["author", "title"],
        "started": "pending",
        "status": "completed",
        "values": [{"author": f"author {n}", "title": f"title {n}"} for n in (1, 2)],
        "image": "ffd8",
        "corrected": ["by a client", True],
        "conflict": "EDIT_CONFLICT",
        "history": [["title", "title 1", "by a client"]],
        "export": ["author 1", "by a client"],
        "xlsx": "PK",
        "retried": 0,
        "refused": "VALIDATION_ERROR",
        "gone": True,
        "revoked": "AUTH_INVALID",
    }
