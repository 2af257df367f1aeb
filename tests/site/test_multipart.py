"""Django alone parses what is posted: Twisted's parser takes all memory with many files."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.site.processes import ROOT, environment, free_port, manage
from tests.waiting import until

pytestmark = pytest.mark.processes


def post_to_server(folder: Path, *how: str) -> bool:
    """Post a file to a real web process; tell whether Twisted parsed it."""
    data, mark, port = folder / "data", folder / "mark", free_port()
    assert manage(data, "prepare_database").returncode == 0
    assert manage(data, "collectstatic", "--noinput").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.site.web_watching_twisted", "127.0.0.1", str(port), *how],
        cwd=ROOT,
        env=environment(data, TWISTED_MARK=str(mark)),
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            def token() -> str:
                try:
                    return client.get("/accounts/login/").cookies.get("csrftoken", "")
                except httpx.TransportError:
                    return ""

            fields = {"username": "nobody", "password": "wrong", "csrfmiddlewaretoken": until(token, 60)}
            answer = client.post("/accounts/login/", data=fields, files={"file": ("scan.jpg", os.urandom(300_000))})
            assert answer.status_code == 422, "Django read the form and refused the password"
            assert "That name and password do not go together." in answer.text
    finally:
        process.terminate()
        process.wait(30)
    return mark.exists()


def test_twisted_never_parses_a_posted_form(tmp_path: Path):
    assert not post_to_server(tmp_path)


def test_the_mark_would_be_left_without_our_request(tmp_path: Path):
    assert post_to_server(tmp_path, "plain")
