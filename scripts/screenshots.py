"""Makes the pictures of the README and the guide: a real `serve` on a folder of its own, sample cards, a real browser.

Run by `make screenshots`; CHROMIUM names the browser. The local engine reads, so nothing leaves the machine.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
PASSWORD = "pictures-of-cards"
MINUTE = 60_000
FINISH_WITHIN = 10 * MINUTE
MOST = 400_000  # bytes of a picture before its colours are counted


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving() -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="cardocr-pictures-") as folder:
        settings = {name: value for name, value in os.environ.items() if not name.startswith("CARDOCR_")}
        settings |= {"CARDOCR_DATA_DIR": folder, "CARDOCR_ADMIN_PASSWORD": PASSWORD}
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=ROOT,
            env=settings,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                print(line.rstrip())
                if "is ready" in line:
                    break
            else:
                sys.exit("cardocr did not start; see above.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def sign_in(page: Page) -> None:
    page.goto("/accounts/login/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", PASSWORD)
    page.click("main form button.btn--primary")
    page.wait_for_url(re.compile(r"/batches/$"))


def start_sample(page: Page) -> str:
    """Make the sample batch and start it; return its address."""
    page.locator("form[action$='/batches/sample/'] button").first.click()
    page.wait_for_url(re.compile(r"/batches/\d+/"))
    address = re.match(r".*/batches/\d+/", page.url)
    assert address is not None
    page.goto(f"{address[0]}fields/")
    expect(page.locator("main")).to_contain_text("recorded as", timeout=5 * MINUTE)
    expect(page.locator("#try-stop")).to_have_count(0, timeout=5 * MINUTE)
    expect(page.locator("#try-on")).to_contain_text("These readings are kept", timeout=MINUTE)
    page.evaluate("document.getElementById('try-on').scrollIntoView({block: 'center'})")
    picture(page, "fields")
    page.goto(f"{address[0]}upload/")
    expect(page.locator("#scans .card img")).to_have_count(12, timeout=2 * MINUTE)
    page.locator("#scans .card img").evaluate_all("images => Promise.all(images.map((image) => image.decode()))")
    page.evaluate("scrollTo(0, 0)")
    picture(page, "scans")
    page.goto(f"{address[0]}confirm/")
    for tick in page.locator("main input[type=checkbox]").all():  # that the tried cards were compared
        tick.check()
    page.locator("form[action$='/start/'] button, button[formaction$='/start/']").first.click()
    page.wait_for_url(address[0])
    return address[0]


def picture(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as image:  # 256 colours are enough for pages, and a third of the size
        image = image.convert("RGB")
        if path.stat().st_size > MOST:  # much of a scan is in it: a smaller picture shows as much
            image = image.resize((1000, round(1000 * image.height / image.width)), Image.Resampling.LANCZOS)
        colours = 128 if image.width == 1000 else 256
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def take(browser: Browser, url: str) -> None:
    context = browser.new_context(
        base_url=url,
        viewport={"width": 1440, "height": 900},
        color_scheme="light",
        reduced_motion="reduce",
        locale="en",
    )
    context.set_default_timeout(MINUTE)
    page = context.new_page()
    sign_in(page)
    address = start_sample(page)
    expect(page.locator("#live-rows tr").nth(3)).to_be_attached(timeout=5 * MINUTE)
    picture(page, "live")
    expect(page.locator("main")).to_contain_text("Finished", timeout=FINISH_WITHIN)
    page.goto(f"{address}cards/")
    expect(page.locator("#card-rows tr").first).to_be_visible()
    picture(page, "results")
    page.goto(f"{address}review/")
    page.locator("[data-field]").nth(1).focus()
    expect(page.locator("[data-percent]")).to_have_text(re.compile(r"\d"))
    picture(page, "review")
    page.goto(f"{address}export/")
    picture(page, "export")
    context.close()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with serving() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or None,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        take(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
