"""A thousand scans of 1 MB through a real browser: `python -m benchmarks.uploading [files]`.

Asserts that each became a card, and prints the goals of files/s and memory with what was measured, and the CPU that
each program took for a file, which says the same on a busy machine. The consumer is there, as it always is, and other
pages are asked for.
"""

import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
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
CPU_A_FILE = 40  # ms, of two cores at 50 files a second


class Others:
    """Somebody else at work: a page every fifth of a second, and how long it took. Memory of the web process, too."""

    def __init__(self, site: Serving, paths: list[str]) -> None:
        self.seconds: list[float] = []
        self.most = 0.0
        self.cpu: Counter[str] = Counter()
        self._site, self._paths = site, paths
        self._over = threading.Event()
        self._web, self._consumer = sorted(site.children(), key=lambda pid: "cardocr_site.web" not in command(pid))
        self.before, self._before = resident(self._web), self._spent()
        self._threads = [threading.Thread(target=work) for work in (self._ask, self._weigh)]

    def __enter__(self) -> "Others":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self.cpu = self._spent() - self._before

    def _spent(self) -> Counter[str]:
        spent: Counter[str] = Counter()
        for name, pid in (("web process", self._web), ("consumer", self._consumer)):
            spent[name] = cpu_seconds(pid)
            spent[f"{name}'s decoders"] = family_seconds(pid) - spent[name]
        spent["browser"] = sum(family_seconds(pid) for pid in children(os.getpid()) if pid != self._site.process.pid)
        return spent

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


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def cpu_seconds(pid: int, *, fetched: bool = False) -> float:
    """Of the process alone; or with its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11 : 15 if fetched else 13]) / os.sysconf("SC_CLK_TCK")


def family_seconds(pid: int) -> float:
    """Of the process and all that it has started."""
    try:
        return cpu_seconds(pid, fetched=True) + sum(family_seconds(child) for child in children(pid))
    except FileNotFoundError:  # gone: its parent has its seconds
        return 0.0


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


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
            with sqlite3.connect(site.data / "cardocr.sqlite3") as database:
                assert database.execute("SELECT count(*) FROM batches_card").fetchone() == (number,)
            browser.close()
    report(number, seconds, others)


def report(number: int, seconds: float, others: Others) -> None:
    size = SIZE * number / 1e6
    print(f"{number} files of {SIZE / 1e6:.0f} MB in {seconds:.1f} s: {number / seconds:.0f} files/s (goal 50)")
    each = ", ".join(f"{name} {1000 * spent / number:.1f}" for name, spent in sorted(others.cpu.items()))
    in_all = 1000 * others.cpu.total() / number
    print(f"CPU, ms a file: {each}; in all {in_all:.1f} of the {CPU_A_FILE} that the goal leaves")
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
