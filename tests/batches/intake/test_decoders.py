"""The children: real processes, really killed."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from batches.intake import decoders
from batches.intake.decoders import Pool, Stopped, StorageFailed, Target
from ocr.errors import UnreadableImage
from tests.batches.intake import pdfs, pictures
from tests.waiting import until

PIXELS = 60_000_000


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(2, PIXELS, max_pages=50)
    yield pool
    pool.close()


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scän.jpg"
    path.write_bytes(pictures.jpeg())
    return path


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Path]:
    """A file whose first bytes never come."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    yield path
    os.close(writer)


def reads(pid: int, path: Path) -> bool:
    """The process has the file open."""
    with contextlib.suppress(OSError):
        return any(link.resolve() == path for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def target(folder: Path, name: str = "out.jpg") -> Target:
    return Target(str(folder / name), str(folder / f"{name}.part"), 300)


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def test_one_child_answers_again_and_again(pool: Pool, scan: Path, tmp_path: Path):
    page = pool.inspect(scan).pages[0]
    assert (page.width, page.height, page.plain) == (600, 400, True)
    pool.derive(scan, 1, [target(tmp_path)])
    assert (tmp_path / "out.jpg").is_file()
    assert len(pool.children()) == 1


def test_several_threads_share_the_children(pool: Pool, scan: Path, tmp_path: Path):
    with ThreadPoolExecutor(8) as threads:
        made = threads.map(lambda n: pool.derive(scan, 1, [target(tmp_path, f"{n}.jpg")]), range(24))
        assert list(made) == [(600, 400)] * 24
    assert len(list(tmp_path.glob("*.jpg"))) == 25
    assert len(pool.children()) <= 2


def test_a_look_at_a_file_does_not_wait_for_pictures_being_made(scan: Path, stuck: Path, tmp_path: Path):
    pool = Pool(1, PIXELS)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.derive, stuck, 1, [target(tmp_path)])
        until(lambda: any(reads(pid, stuck) for pid in pool.children()))
        assert pool.inspect(scan).format == "JPEG"
        pool.close()
        with pytest.raises(Stopped):
            waiting.result(10)


def test_a_damaged_file_is_a_sentence_and_the_child_lives_on(pool: Pool, scan: Path, tmp_path: Path):
    scan.write_bytes(pictures.truncated(pictures.jpeg()))
    with pytest.raises(UnreadableImage, match="cut off"):
        pool.derive(scan, 1, [target(tmp_path)])
    before = pool.children()
    scan.write_bytes(b"text")
    with pytest.raises(UnreadableImage, match="damaged"):
        pool.inspect(scan)
    assert pool.children() == before


def test_too_many_pixels_are_refused_before_they_are_decoded(scan: Path, tmp_path: Path):
    pool = Pool(1, 100_000)
    try:
        assert pool.inspect(scan).pages[0].width == 600
        with pytest.raises(UnreadableImage, match="more pixels"):
            pool.derive(scan, 1, [target(tmp_path)])
    finally:
        pool.close()


def test_a_full_or_missing_disk_is_not_the_scans_fault(pool: Pool, scan: Path, tmp_path: Path):
    with pytest.raises(StorageFailed):
        pool.derive(scan, 1, [target(tmp_path / "missing")])


def test_children_that_died_while_idle_cost_nothing(pool: Pool, scan: Path):
    both = [pool._take(), pool._take()]
    for child in both:
        pool._give_back(child)
    for child in both:
        os.kill(child.pid, signal.SIGKILL)
        until(lambda pid=child.pid: not lives(pid))
    assert pool.inspect(scan).pages[0].width == 600


def test_a_file_that_breaks_the_decoder_twice_fails_alone(pool: Pool, scan: Path, stuck: Path):
    killed: list[int] = []

    def kill_twice() -> None:
        for _ in range(2):
            pid = until(lambda: next((pid for pid in pool.children() if pid not in killed), 0))
            os.kill(pid, signal.SIGSEGV)
            killed.append(pid)

    killer = threading.Thread(target=kill_twice)
    killer.start()
    with pytest.raises(UnreadableImage, match="broke off"):
        pool.inspect(stuck)
    killer.join()
    assert len(set(killed)) == 2
    assert pool.inspect(scan).pages[0].width == 600


@pytest.mark.parametrize("reply", [b"garbage\n", BrokenPipeError()])
def test_an_answer_that_is_none_is_a_crash(
    pool: Pool, scan: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes | Exception
):
    real = os.read

    def read(descriptor: int, size: int) -> bytes:
        if size != decoders.PIECE:  # somebody else's
            return real(descriptor, size)
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(os, "read", read)
    with pytest.raises(UnreadableImage, match="broke off"):
        pool.inspect(scan)
    assert pool.children() == []


def test_a_request_that_no_child_takes_is_a_crash(pool: Pool, scan: Path, monkeypatch: pytest.MonkeyPatch):
    pool.inspect(scan)
    child = pool._take()
    pool._give_back(child)
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: not lives(child.pid))
    monkeypatch.setattr(decoders._Child, "alive", True)  # it died right after the look
    assert pool.inspect(scan).pages[0].width == 600


def test_no_child_is_started_when_the_interpreter_ends(pool: Pool, scan: Path):
    pool._starter.shutdown()
    with pytest.raises(Stopped):
        pool.inspect(scan)


def test_a_file_that_takes_too_long_is_given_up(pool: Pool, scan: Path, stuck: Path):
    with pytest.raises(UnreadableImage, match="too long"):
        pool.inspect(stuck, seconds=0.3)
    assert pool.children() == []
    assert pool.inspect(scan).pages[0].width == 600


def test_a_file_that_used_up_its_time_is_not_tried_again(pool: Pool, scan: Path, tmp_path: Path, monkeypatch):
    started: list[int] = []
    real = decoders._Child.ask

    def ask(child: decoders._Child, request: dict[str, object], seconds: float) -> dict[str, object]:
        started.append(child.pid)
        return real(child, request, seconds)

    monkeypatch.setattr(decoders._Child, "ask", ask)
    monkeypatch.setattr(decoders, "DRAW_CPU", 0)  # the rest of a second
    scan = scan.with_suffix(".pdf")
    strokes = pdfs.stream(b"0 0 m 298 420 l 10 10 l h f\n" * 1_000_000, deflate=True)
    scan.write_bytes(pdfs.pages([strokes, pdfs.block()]))
    with pytest.raises(UnreadableImage, match="too long"):
        pool.derive(scan, 1, [target(tmp_path)])
    assert len(started) == 1
    with pytest.raises(UnreadableImage, match="too long"):
        pool.find_cards(scan, 1)
    assert len(started) == 2
    monkeypatch.setattr(decoders, "DRAW_CPU", 20)
    assert pool.derive(scan, 2, [target(tmp_path)]) == (1242, 1750)


def test_a_child_is_replaced_after_its_share_of_files(pool: Pool, scan: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoders, "FILES_PER_CHILD", 3)
    first = [pool.inspect(scan) and pool.children() for _ in range(2)]
    pool.inspect(scan)
    assert pool.children() == []
    pool.inspect(scan)
    assert pool.children() != first[0]


def test_the_memory_of_a_child_is_limited(scan: Path, tmp_path: Path):
    pool = Pool(1, 1_000_000)
    try:
        pool.inspect(scan)
        limits = Path(f"/proc/{pool.children()[0]}/limits").read_text()
    finally:
        pool.close()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
    assert int(line.split()[3]) < 1_000_000_000


def test_no_secret_reaches_a_child(pool: Pool, scan: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CARDOCR_VLM_API_KEY", "canary")
    pool.inspect(scan)
    assert b"canary" not in Path(f"/proc/{pool.children()[0]}/environ").read_bytes()


def test_a_closed_pool_ends_its_children_and_whoever_waits(pool: Pool, scan: Path, stuck: Path):
    pool.inspect(scan)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.inspect, stuck)
        (pid,) = pool.children()
        until(lambda: reads(pid, stuck))
        pool.close()
        with pytest.raises(Stopped):
            waiting.result(10)
    until(lambda: not lives(pid))
    with pytest.raises(Stopped):
        pool.inspect(scan)


PARENT = """
import os, sys, threading, django
os.environ["DJANGO_SETTINGS_MODULE"] = "cardocr_site.settings"
from pathlib import Path
from batches.intake.decoders import Pool
pool = Pool(1, 1_000_000)
starter = threading.Thread(target=pool.inspect, args=(Path(sys.argv[1]),))
starter.start(); starter.join()
first = pool.children()
pool.inspect(Path(sys.argv[1]))
assert pool.children() == first, "the child died with the thread that asked first"
print(first[0], flush=True)
{rest}
"""


def parent(scan: Path, tmp_path: Path, rest: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT.format(rest=rest), str(scan)],
        cwd=settings.BASE_DIR,
        env={**os.environ, "CARDOCR_DATA_DIR": str(tmp_path / "data")},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_children_outlive_threads_but_not_their_parent(scan: Path, stuck: Path, tmp_path: Path):
    rest = "pool.inspect(Path(sys.argv[1]).with_name('pipe'))"  # busy, so that it cannot see its input end
    with parent(scan, tmp_path, rest) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        until(lambda: reads(pid, stuck))
        process.kill()
    until(lambda: not lives(pid))


def test_children_end_with_an_orderly_exit(scan: Path, tmp_path: Path):
    with parent(scan, tmp_path, "") as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
    assert process.returncode == 0
    until(lambda: not lives(pid))


def test_the_process_has_one_pool():
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: decoders.pool(), range(16)))) == 1


def test_damage_anywhere_gives_an_answer(pool: Pool, tmp_path: Path):
    originals = [
        pictures.jpeg((300, 200)),
        pictures.encoded(pictures.marked((300, 200)), "PNG"),
        pictures.encoded(pictures.marked((300, 200)), "WEBP"),
        pictures.tiff([(300, 200), (100, 100)], compression="tiff_lzw"),
    ]
    for number in range(60):
        data = bytearray(originals[number % 4])
        for step in range(1, 6):
            place = 12 + (number * 7919 * step) % (len(data) - 12)
            data[place] ^= 0xFF
        path = tmp_path / f"{number}.bin"
        path.write_bytes(data)
        with contextlib.suppress(UnreadableImage):
            pages = pool.inspect(path).pages
            for page in range(1, len(pages) + 1):
                pool.derive(path, page, [target(tmp_path, f"{number}-{page}.jpg")])
    assert not list(tmp_path.glob("*.part"))
