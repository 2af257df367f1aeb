"""Django alone parses what is posted: Twisted's parser takes all memory with many files."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cardocr_site import web
from tests.site.processes import ROOT, environment, free_port, manage, serve, with_tables
from tests.waiting import until

pytestmark = pytest.mark.processes


def post_to_server(folder: Path, *how: str) -> bool:
    """Post a file to a real web process; tell whether Twisted parsed it."""
    data, mark, port = with_tables(folder / "data"), folder / "mark", free_port()
    if not (data / "static/staticfiles.json").exists():
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


def test_a_body_that_is_larger_than_any_file_may_be_is_not_received(tmp_path: Path):
    with serve(tmp_path, CARDOCR_MAX_CONTAINER_MB="1") as site:
        head = b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for told in (b"Content-Length: 99000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
                line.sendall(head + told)
                with contextlib.suppress(ConnectionError):  # it hangs up in the middle of it
                    for _piece in range(300):
                        line.sendall(b"186a0\r\n" + bytes(100_000) + b"\r\n")
                with contextlib.suppress(ConnectionError):
                    assert line.recv(100).startswith(b"HTTP/1.1 413 ")
                    continue
                assert b"chunked" in told, "an announced length is answered before anything is sent"
        assert site.page() == 200


def test_the_mark_would_be_left_without_our_request(tmp_path: Path):
    assert post_to_server(tmp_path, "plain")


def test_a_large_body_lies_in_a_file_of_its_own_that_may_be_moved_away(tmp_path: Path):
    body = web.Body(tmp_path / "body.part")
    body.write(b"scan")
    body.seek(0)
    assert body.read() == b"scan"
    body.path.rename(tmp_path / "scan")
    body.close()
    assert (tmp_path / "scan").read_bytes() == b"scan"
    web.Body(tmp_path / "body.part").close()
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


class Line:
    """A channel and its transport."""

    def __init__(self) -> None:
        self.transport, self.said = self, b""

    def write(self, data: bytes) -> None:
        self.said += data

    def loseConnection(self) -> None:
        self.said += b"bye"


def test_a_full_disk_is_said_and_the_line_closed():
    request = web.OnDisk()
    request.channel = Line()
    request.gotLength(200_000)
    with open("/dev/full", "r+b", buffering=0) as full:
        part, request.content = request.content, full
        request.handleContentChunk(bytes(1000))
    part.close()
    assert request.channel.said.startswith(b"HTTP/1.1 507 ")
    assert request.channel.said.endswith(b"bye")
