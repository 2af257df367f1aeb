"""A thousand scans of 1 MB through a real browser: `python -m benchmarks.uploading [files]`.

Asserts that each became a card, and prints the goals of files/s and memory with what was measured; the consumer makes
previews meanwhile, as it always does, and other pages are asked for.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import httpx
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.common import print_machine, resident, scan
from tests.e2e import conftest as e2e
from tests.e2e import steps
from tests.processes.test_kills import sign_in
from tests.site.processes import Serving, serve

SIZE = 1_000_000  # bytes
PIXELS = (4300, 2900)
SENT_WITHIN = 600_000  # ms


class Others:
    """Somebody else at work: a page every fifth of a second, and how long it took. Memory of the web process, too."""

    def __init__(self, site: Serving, paths: list[str]) -> None:
        self.seconds: list[float] = []
        self.most = self.cpu = 0.0
        self._site, self._paths = site, paths
        self._over = threading.Event()
        self._web = next(
            pid for pid in site.children() if b"cardocr_site.web" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        self.before, self._cpu = resident(self._web), cpu_seconds(self._web)
        self._threads = [threading.Thread(target=work) for work in (self._ask, self._weigh)]

    def __enter__(self) -> "Others":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self.cpu = cpu_seconds(self._web) - self._cpu

    def _ask(self) -> None:
        with httpx.Client(base_url=self._site.url, timeout=60) as browser:
            sign_in(browser)
            while not self._over.wait(0.2):
                for path in self._paths:
                    begun = time.monotonic()
                    assert browser.get(path).status_code == 200, path
                    self.seconds.append(time.monotonic() - begun)

    def _weigh(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, resident(self._web))


def cpu_seconds(pid: int) -> float:
    """Of the process, without its decoders."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def draw(folder: Path, number: int) -> None:
    """Each with bytes of its own behind the picture's end."""
    picture = scan(1, PIXELS)
    for n in range(1, number + 1):
        tail = f"{n:08d}".encode()
        (folder / f"scan-{n}.jpg").write_bytes(picture + tail.rjust(max(8, SIZE - len(picture)), b"\0"))


def upload(page: Page, folder: Path, number: int) -> float:
    page.set_input_files("input[data-pick][webkitdirectory]", folder)
    begun = time.monotonic()
    expect(page.locator("#sum-count")).to_have_text(f"All files added: {number}", timeout=SENT_WITHIN)
    return time.monotonic() - begun


def main(number: int) -> None:
    print_machine()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        scans = Path(place) / "scans"
        scans.mkdir()
        draw(scans, number)
        with serve(Path(place)) as site:
            browser = playwright.chromium.launch(**e2e.browser_type_launch_args.__wrapped__())
            page = browser.new_context(base_url=site.url).new_page()
            e2e.sign_in(page)
            pk = steps.new_batch(page, "A thousand scans")
            with Others(site, ["/batches/", f"/batches/{pk}/fields/"]) as others:
                seconds = upload(page, scans, number)
            expect(page.locator("#scans-title + .count")).to_have_text(str(number), timeout=30_000)
            browser.close()
    report(number, seconds, others)


def report(number: int, seconds: float, others: Others) -> None:
    size = SIZE * number / 1e6
    print(f"{number} files of {SIZE / 1e6:.0f} MB in {seconds:.1f} s: {number / seconds:.0f} files/s (goal 50)")
    print(f"CPU of the web process, other pages among it: {1000 * others.cpu / number:.0f} ms a file")
    print(f"{size / seconds:.0f} MB/s; web process {others.before:.0f} MB, at most {others.most:.0f} MB:", end=" ")
    print(f"grew by {others.most - others.before:.0f} MB (goal < 200)")
    slow = quantiles(others.seconds, n=20)[-1]
    print(
        f"other pages meanwhile: {len(others.seconds)} asked for, median {1000 * median(others.seconds):.0f} ms,",
        end=" ",
    )
    print(f"95 % within {1000 * slow:.0f} ms, slowest {1000 * max(others.seconds):.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
