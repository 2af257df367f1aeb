"""One real `manage.py serve` for the session, with the test server as its default engine."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests import vlm_server
from tests.site.processes import with_tables
from tests.waiting import until

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's sync API keeps a loop in the test's thread

expect.set_options(timeout=15_000)  # its five seconds are too few where other tests have the machine

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "administrator-of-cards"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.e2e)


@dataclass
class Site:
    url: str
    data: Path
    process: subprocess.Popen[bytes]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def vlm() -> Iterator[Any]:
    with vlm_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def site(vlm: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "CARDOCR_DATA_DIR": str(with_tables(folder / "data")),
        "CARDOCR_ADMIN_PASSWORD": PASSWORD,
        "CARDOCR_URL": url,
        "CARDOCR_VLM_URL": vlm.url,
        "CARDOCR_VLM_MODEL": "stub",
        "CARDOCR_EMAIL_URL": "smtp://127.0.0.1:9",  # nobody has it switched on; their page offers it
        "CARDOCR_EMAIL_FROM": "cards@example.org",
        "CARDOCR_LOW_DISK_MB": "0",  # how full this machine is, is no matter of the tests
        "CARDOCR_TURN_SCANS": "0",  # loading the OCR models would take seconds of the first test
        "DJANGO_SETTINGS_MODULE": "cardocr_site.settings",
    }
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            until(lambda: process.poll() is not None or answers(f"{url}/accounts/login/"), 90)
            assert process.poll() is None, (folder / "serve.log").read_text()
            yield Site(url, folder / "data", process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    arguments: dict[str, Any] = {"args": CHROMIUM_ARGUMENTS, "headless": True}
    for path in (
        os.environ.get("CHROMIUM", ""),
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ):
        if path and Path(path).exists():
            return arguments | {"executable_path": path}
    return arguments


@pytest.fixture(scope="session")
def state(site: Site, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signed in once, as a person does it; every context starts from its cookies."""
    path = tmp_path_factory.mktemp("state") / "state.json"
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    sign_in(page)
    context.storage_state(path=path)
    context.close()
    return path


def sign_in(page: Page) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/batches/")


# What htmx says of a request that was under way when the page was left; sendError and responseError are faults.
CUT_OFF = re.compile(r"htmx:(afterRequest|sendAbort), ")


@dataclass
class Console:
    """What the browser complained about; `ignore` takes what a test provokes itself."""

    errors: list[str]
    ignored: list[re.Pattern[str]]

    def ignore(self, pattern: str) -> None:
        self.ignored.append(re.compile(pattern))

    def watch(self, page: Page) -> None:
        def note(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.errors.append(f"{page.url}: {message.text} {message.location.get('url', '')}")

        page.on("console", note)
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))

    def left(self) -> list[str]:
        return [error for error in self.errors if not any(pattern.search(error) for pattern in self.ignored)]


@pytest.fixture
def console() -> Iterator[Console]:
    console = Console([], [CUT_OFF])
    yield console
    assert console.left() == []


@pytest.fixture
def new_context(site: Site, state: Path, browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        signed_in = {"storage_state": state} if options.pop("signed_in", True) else {}
        viewport = {"viewport": {"width": 1440, "height": 900}}
        contexts.append(browser.new_context(base_url=site.url, **(viewport | signed_in | options)))
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext], console: Console) -> Page:
    """A signed-in page; the test fails on anything that the browser's console says."""
    page = new_context().new_page()
    page.set_default_timeout(15_000)
    console.watch(page)
    return page


_widths = itertools.count(600)


@pytest.fixture
def scans(tmp_path: Path) -> Callable[..., list[Path]]:
    """Scans that the test server knows apart, numbered from `first`. No other test has had the same bytes read."""
    width = next(_widths)

    def draw(number: int, first: int = 1) -> list[Path]:
        paths = [tmp_path / f"scan-{n}.png" for n in range(first, first + number)]
        for n, path in enumerate(paths, start=first):
            path.write_bytes(vlm_server.card_image(n, (width, 400), kind="PNG"))
        return paths

    return draw


@pytest.fixture(autouse=True)
def _calm_endpoint(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test inherits another one's failures or delay."""
    yield
    if "vlm" in request.fixturenames:
        server = request.getfixturevalue("vlm")
        server.heal()
        server.delay, server.held = 0.0, False
