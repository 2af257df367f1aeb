"""The real site behind nginx and behind Caddy, with the files that deploy/ has for them."""

import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import httpx
import pytest

from tests import vlm_server
from tests.servers import proxies
from tests.servers.proxies import Proxy
from tests.site.processes import DATABASE, PASSWORD, ROOT, Serving, environment, free_port, serve
from tests.waiting import until

pytestmark = pytest.mark.servers

ROWS = 20_000


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Proxy]:
    return [
        Proxy(name, tmp_path_factory.mktemp("proxy") / name, free_port(), free_port()) for name in ("nginx", "caddy")
    ]


@pytest.fixture(scope="module")
def variables(both: list[Proxy]) -> dict[str, str]:
    return {
        "CARDOCR_URL": ",".join(proxy.url for proxy in both),
        "CARDOCR_TRUSTED_PROXIES": "127.0.0.1",
        "CARDOCR_RATE_SIGN_INS": "0",
        "CARDOCR_MAX_IMAGE_MB": "15",
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> Iterator[Serving]:
    with serve(tmp_path_factory.mktemp("site"), "--only", "web", **variables) as serving:
        yield serving


@pytest.fixture(scope="module")
def second() -> int:
    """The port of a second web process, which only one test starts."""
    return free_port()


@pytest.fixture(scope="module")
def running(both: list[Proxy], site: Serving, second: int) -> Iterator[list[Proxy]]:
    """Those that are installed."""
    with ExitStack() as stack:
        there = [one for one in both if proxies.found(one.name)]
        yield [stack.enter_context(proxies.running(one, [site.port, second])) for one in there]


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, running: list[Proxy]) -> Proxy:
    found = [one for one in running if one.name == request.param]
    if not found:
        pytest.skip(f"{request.param} is not installed: make servers")
    return found[0]


@pytest.fixture(scope="module")
def program(proxy: Proxy) -> Iterator[httpx.Client]:
    """Signed in by token, as an administrator."""
    with proxy.client() as client:
        signed_in = client.post("/api/v1/auth/login", json={"username": "admin", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['data']['token']}"
        yield client


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code < 500
    except httpx.TransportError:
        return False


def new_batch(program: httpx.Client) -> int:
    made = program.post("/api/v1/batches", json={"name": "Drawer 12", "fields": [{"label": "Author"}]})
    assert made.is_success, made.text
    return int(made.json()["data"]["id"])


def sign_in(browser: httpx.Client) -> httpx.Response:
    browser.get("/accounts/login/")
    given = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["__Host-csrftoken"]}
    return browser.post("/accounts/login/", data=given, headers={"Referer": f"{browser.base_url}/accounts/login/"})


@contextmanager
def beside(site: Serving, port: int, variables: dict[str, str]) -> Iterator[None]:
    """A second web process, as another machine would run it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cardocr_site.web", "127.0.0.1", str(port)],
        cwd=ROOT,
        env=environment(site.data, **variables),
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}"), 60)
        yield
    finally:
        process.terminate()
        process.wait(60)


def frame_of(proxy: Proxy, browser: httpx.Client, path: str = "/ws/batches/") -> dict[str, object]:
    """The first that a WebSocket of a page of ours receives."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 10, (proxies.PEOPLE, 0)) as plain,
        proxy.trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nOrigin: {proxy.url}\r\nCookie: {cookies}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        head, _, frame = received.partition(b"\r\n\r\n")
        assert b" 101 " in head.split(b"\r\n")[0], head
        while len(frame) < 2 or len(frame) < 2 + (frame[1] & 127):
            frame += connection.recv(4096)
        told: dict[str, object] = json.loads(frame[2 : 2 + (frame[1] & 127)])
        return told


@pytest.mark.parametrize("proxy", ["nginx"], indirect=True)  # Caddy does it by itself, on port 80
def test_plain_http_is_sent_to_tls(proxy: Proxy):
    answer = httpx.get(f"http://127.0.0.1:{proxy.plain}/batches/?page=2", timeout=30, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (301, f"{proxy.url}/batches/?page=2")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(proxy: Proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain:
        trust = proxy.trust
        trust.minimum_version, trust.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        trust.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            trust.wrap_socket(plain, server_hostname="127.0.0.1")


def test_one_signs_in_with_cookies_bound_to_the_host(proxy: Proxy):
    with proxy.client() as browser:
        answer = sign_in(browser)
        assert answer.status_code == 302, answer.text
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains; preload"
        set_cookies = answer.headers.get_list("set-cookie")
        session = next(one for one in set_cookies if one.startswith("__Host-sessionid="))
        assert "; Secure" in session
        assert browser.get("/accounts/profile/", follow_redirects=True).status_code == 200
        told = frame_of(proxy, browser)
    assert told == {"beat": True}


def test_figures_and_administration_can_be_closed_to_those_outside(proxy: Proxy):
    """The tests' files have what is commented out in those of deploy/."""
    with proxy.client() as browser:
        assert browser.get("/metrics").status_code == 403
        assert browser.get("/admin/").status_code == 403


def test_files_with_hashed_names_may_be_kept_for_ever(proxy: Proxy):
    with proxy.client() as browser:
        sheet = re.search(r'"(/static/css/app\.[0-9a-f]+\.css)"', browser.get("/accounts/login/").text)
        assert sheet is not None
        assert "immutable" in browser.get(sheet[1]).headers["cache-control"]


def test_scans_larger_than_proxies_take_by_themselves_come_in_and_go_out_whole(proxy: Proxy, program: httpx.Client):
    batch = new_batch(program)
    scan = vlm_server.card_image(1, (160, 120)) + os.urandom(5_000_000)  # decoders pass over what follows a JPEG
    answer = program.post(f"/api/v1/batches/{batch}/images", files={"files": ("one.jpg", scan)})
    (added,) = answer.json()["data"]["added"]
    original = program.get(f"/api/v1/batches/{batch}/images/{added['filename']}", params={"size": "full"})
    assert original.content == scan
    kept = [path for path in proxy.folder.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000]
    assert kept == []


def test_what_is_too_large_is_refused_in_our_words(proxy: Proxy, program: httpx.Client):
    batch = new_batch(program)
    scan = vlm_server.card_image(2, (160, 120)) + bytes(15_000_000)
    answer = program.post(f"/api/v1/batches/{batch}/images", files={"files": ("two.jpg", scan)})
    (rejected,) = answer.json()["data"]["rejected"]
    assert rejected["code"] == "FILE_TOO_LARGE"

    announced(proxy, program, f"/api/v1/batches/{batch}/images", b'"FILE_TOO_LARGE"')
    announced(proxy, program, f"/batches/{batch}/files/", b"2 GB")
    assert program.get("/_proxy/page.css").headers["content-type"].startswith("text/css")


def announced(proxy: Proxy, program: httpx.Client, path: str, told: bytes) -> None:
    """Answered with 413 and these words: a head that announces one byte more than may come."""
    token = program.headers["Authorization"]
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 10) as plain,
        proxy.trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {token}\r\n"
            "Content-Length: 2016000001\r\n\r\nbegun".encode()
        )
        answer = b""
        while told not in answer:
            piece = connection.recv(65536)
            assert piece, answer
            answer += piece
        assert b" 413 " in answer.splitlines()[0]


def test_the_first_event_comes_at_once(program: httpx.Client):
    batch = new_batch(program)
    began = time.monotonic()
    with program.stream("GET", f"/api/v1/batches/{batch}/progress") as stream:
        first = next(line for line in stream.iter_lines() if line.startswith("event:"))
    assert first == "event: progress"
    assert time.monotonic() - began < 5


def test_a_large_export_begins_before_it_ends(proxy: Proxy, program: httpx.Client, site: Serving):
    batch = new_batch(program)
    program.post(f"/api/v1/batches/{batch}/images", files={"files": ("one.jpg", vlm_server.card_image(3, (160, 120)))})
    many(site, batch)
    began = time.monotonic()
    with program.stream("GET", f"/api/v1/batches/{batch}/export", params={"format": "csv", "which": "all"}) as stream:
        pieces = stream.iter_bytes()
        size = len(next(pieces))
        first = time.monotonic() - began
        size += sum(map(len, pieces))
    assert stream.status_code == 200
    assert size > ROWS * 20
    assert first < (time.monotonic() - began) / 2


def many(site: Serving, batch: int) -> None:
    """Copies of its one card, and it counts as read."""
    with closing(sqlite3.connect(site.data / DATABASE, timeout=30)) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(batches_card)")]
        other = {"id": "(SELECT max(id) FROM batches_card) + n", "position": "n", "filename": "n || '.jpg'"}
        other |= {"sha256": "printf('%064d', n)"}
        chosen = ", ".join(other.get(name, name) for name in names)
        database.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})"
            f" INSERT INTO batches_card ({', '.join(names)}) SELECT {chosen} FROM batches_card, numbers"
            " WHERE batch_id = ?",
            [batch],
        )
        database.execute("UPDATE batches_batch SET status = 'completed' WHERE id = ?", [batch])


def test_the_address_in_the_audit_log_is_the_real_one_and_the_request_keeps_its_name(
    proxy: Proxy, program: httpx.Client
):
    name = f"from-the-client-{proxy.name}"
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": name}
    with proxy.client() as other:
        answer = other.post("/api/v1/auth/login", json={"username": "nobody", "password": "x"}, headers=headers)
    assert answer.headers["x-request-id"] == name
    entries = program.get("/api/v1/audit").json()["data"]["items"]
    (entry,) = [entry for entry in entries if entry["request_id"] == name]
    assert entry["address"] == proxies.PEOPLE
    until(lambda: name in proxy.log())
    assert re.fullmatch(r"[A-Za-z0-9-]{32,36}", program.get("/health").headers["x-request-id"])


def test_any_web_process_answers_anybody_and_while_none_does_a_page_says_so(
    running: list[Proxy], site: Serving, second: int, variables: dict[str, str]
):
    with ExitStack() as stack:
        browsers = [(proxy, stack.enter_context(proxy.client())) for proxy in running]
        with beside(site, second, variables):
            for proxy, browser in browsers:
                assert sign_in(browser).status_code == 302
                for _ in range(4):  # to both of them, by turns
                    assert browser.get("/batches/").status_code == 200
                    assert frame_of(proxy, browser) == {"beat": True}
            stack.enter_context(killed(site))
            for _proxy, browser in browsers:  # one that dies is not missed
                assert [browser.get("/batches/").status_code for _ in range(4)] == [200] * 4
        for _proxy, browser in browsers:
            nothing_answers(browser)
        os.kill(site.process.pid, signal.SIGCONT)
        until(lambda: answers(site.url), 60, every=0.1)
        for _proxy, browser in browsers:
            until(partial(comes_back, browser), 20, every=0.1)


@contextmanager
def killed(site: Serving) -> Iterator[None]:
    """Its web process; `serve` may not start another one before the end."""
    (web,) = site.children()
    os.kill(site.process.pid, signal.SIGSTOP)
    os.kill(web, signal.SIGKILL)
    try:
        yield
    finally:
        os.kill(site.process.pid, signal.SIGCONT)


def nothing_answers(browser: httpx.Client) -> None:
    page = browser.get("/batches/")
    assert page.status_code == 503
    assert 'http-equiv="refresh"' in page.text
    assert page.headers["retry-after"] == "5"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    sent = browser.post("/batches/new/")
    assert sent.status_code == 503
    assert "did not arrive" in sent.text
    assert "refresh" not in sent.text
    program = browser.get("/api/v1/batches")
    assert (program.status_code, program.json()["error"]["code"]) == (503, "NOT_READY")


def comes_back(browser: httpx.Client) -> bool:
    return browser.get("/batches/").status_code == 200
