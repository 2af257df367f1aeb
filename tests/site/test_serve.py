"""The real `manage.py serve`, as people start it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.site.processes import PASSWORD, ROOT, Serving, alive, manage, serve
from tests.waiting import until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    variables = {"CARDOCR_LOG_FORMAT": "json", "CARDOCR_LOG_LEVEL": "INFO"}
    with serve(tmp_path_factory.mktemp("serve"), first=True, **variables) as serving:
        yield serving


def sign_in(site: Serving) -> httpx.Client:
    client = httpx.Client(base_url=site.url, follow_redirects=True, timeout=60)
    client.get("/accounts/login/")
    token = client.cookies["csrftoken"]
    answer = client.post(
        "/accounts/login/",
        data={"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/accounts/password/"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.url.path == "/accounts/password/"
    return client


def test_the_address_is_printed_once_the_first_page_is_there(site: Serving):
    assert site.log.read_text().count(f"cardocr is ready: {site.url}") == 1
    assert site.page() == 200


def test_the_consumer_runs_beside_it_with_a_lower_priority(site: Serving):
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in site.children()}
    web = next(pid for pid, command in commands.items() if "cardocr_site.web" in command)
    consumer = next(pid for pid, command in commands.items() if "cardocr_site.consumer" in command)
    assert os.getpriority(os.PRIO_PROCESS, web) == os.getpriority(os.PRIO_PROCESS, site.process.pid)
    until(lambda: os.getpriority(os.PRIO_PROCESS, consumer) >= 10)


def test_another_host_name_is_refused(site: Serving):
    answer = httpx.get(f"{site.url}/accounts/login/", headers={"Host": "evil.example.org"}, timeout=30)
    assert answer.status_code == 400


def test_every_answer_carries_the_strict_headers(site: Serving):
    headers = httpx.get(f"{site.url}/accounts/login/", timeout=30).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers


def test_styles_and_the_icon_are_served(site: Serving):
    page = httpx.get(f"{site.url}/accounts/login/", timeout=30).text
    sheet = next(part for part in page.split('"') if part.startswith("/static/css/app."))
    assert httpx.get(site.url + sheet, timeout=30).headers["cache-control"].startswith("max-age=")
    assert httpx.get(f"{site.url}/favicon.ico", timeout=30, follow_redirects=True).status_code == 200


def test_a_websocket_of_another_site_is_refused(site: Serving):
    def status(origin: str) -> bytes:
        with socket.create_connection(("127.0.0.1", site.port), 10) as connection:
            connection.sendall(
                f"GET /ws/batches/ HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nOrigin: {origin}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            return connection.recv(100).split(b"\r\n")[0]

    assert b"403" in status("http://evil.example.org")
    assert b"403" in status("null")
    assert b"101" in status(site.url)


def test_a_second_start_on_the_same_data_says_who_is_there(site: Serving):
    answer = manage(site.data, "serve", "--port", "1")
    assert answer.returncode != 0
    assert f"{site.data} is in use" in answer.stderr
    assert f"process {site.process.pid}" in answer.stderr


def test_a_second_start_on_the_same_port_says_which(site: Serving, tmp_path: Path):
    answer = manage(tmp_path, "serve", "--port", str(site.port))
    assert answer.returncode != 0
    assert f"Port {site.port} on 127.0.0.1 cannot be used" in answer.stderr
    assert any(f"process {pid}" in answer.stderr for pid in site.children())


def test_a_killed_web_process_starts_again(site: Serving):
    web = next(pid for pid in site.children() if "cardocr_site.web" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(web, signal.SIGKILL)

    def answers() -> bool:
        try:
            return site.page() == 200
        except httpx.HTTPError:
            return False

    until(answers, 60)
    assert "The web process ended (-9)" in site.log.read_text()


def test_every_line_of_both_processes_is_one_object(site: Serving):
    """What `serve` says to whoever started it is no line of the log."""
    secret = "c4nary0123456789secret"
    headers = {"X-Request-ID": "harvest-2026.1"}
    httpx.get(f"{site.url}/accounts/login/?next=/&password={secret}&q=Grieg", headers=headers, timeout=30)
    until(lambda: '"harvest-2026.1"' in site.log.read_text())
    spoken = ("Preparing", "cardocr is ready", "The first administrator", "Change the password", "Name", "Password")
    lines = [line for line in site.log.read_text().splitlines() if line.startswith("{")]
    others = [line for line in site.log.read_text().splitlines() if line and not line.startswith("{")]
    told = [json.loads(line) for line in lines]
    assert all(line["time"].endswith("Z") and line["message"] for line in told)
    asked = next(line for line in told if line.get("request") == "harvest-2026.1")
    assert (asked["logger"], asked["method"], asked["path"]) == ("cardocr.access", "GET", "/accounts/login/")
    assert (asked["status"], asked["client"]) == (200, "127.0.0.1")
    assert {line["path"] for line in told if line["message"].startswith("WebSocket")} == {"/ws/batches/"}
    assert secret not in site.log.read_text()
    assert [line for line in others if not line.startswith(spoken)] == []


def test_listening_elsewhere_needs_the_public_address(tmp_path: Path):
    answer = manage(tmp_path, "serve", "--host", "0.0.0.0")
    assert answer.returncode != 0
    assert "Listening on 0.0.0.0 needs CARDOCR_URL" in answer.stderr


def test_ctrl_c_stops_everything_in_order(tmp_path: Path):
    with serve(tmp_path) as site:
        children = site.children()
        assert len(children) == 2
        site.process.send_signal(signal.SIGINT)
        assert site.process.wait(40) == 0
        assert not any(alive(pid) for pid in children)
        assert "cardocr has stopped" in site.log.read_text()


AT_EVERY_LINE = """
import sys
from cardocr_site.supervisor import Supervisor

supervisor = Supervisor([])

def interrupted(frame, event, argument):
    if frame.f_globals["__name__"] == "threading":  # it waits, and holds what it waits with
        supervisor.stop()
    return interrupted

sys.settrace(interrupted)
supervisor.run()
"""


def test_ctrl_c_stops_it_whatever_it_is_at():
    """A signal comes between any two steps, also where they hold a lock that it must not wait for."""
    done = subprocess.run([sys.executable, "-c", AT_EVERY_LINE], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == 0


def test_a_killed_serve_leaves_no_child(tmp_path: Path):
    with serve(tmp_path) as site:
        children = site.children()
        assert len(children) == 2
        site.process.kill()
        site.process.wait(10)
        until(lambda: not any(alive(pid) for pid in children), 35)


def test_one_role_alone(tmp_path: Path):
    with serve(tmp_path, "--only", "web") as site:
        assert site.page() == 200
        assert len(site.children()) == 1
