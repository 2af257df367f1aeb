"""The children that open images: one per core, kept alive, replaced after a kill or 200 files."""

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from batches.intake import sniff
from ocr.errors import UnreadableImage

FILES_PER_CHILD = 200  # whatever a decoder leaks goes with its process
INSPECT_SECONDS, DERIVE_SECONDS = 30, 90  # wall clock
INSPECT_CPU, DERIVE_CPU = 10, 40
DRAW_CPU = 6  # a page of a PDF: of the largest it takes 3, and a few kilobytes may ask for hours
PIECE = 65_536


class StorageFailed(OSError):
    """The disk, not the scan: nothing is known about the image."""


class Stopped(RuntimeError):
    """The process is ending: nothing is known about the image."""


class _Crashed(Exception):
    pass


class _TimedOut(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Page:
    width: int  # EXIF orientation applied; 0: not known before it is drawn
    height: int
    orientation: int
    mode: str
    plain: bool  # any decoder reads the file as it is


@dataclass(frozen=True, slots=True)
class Inspection:
    format: str
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A JPEG to make: written as `part`, then renamed to `path`."""

    path: str
    part: str
    max_px: int | None  # None: full size
    rotation: int = 0
    quality: int = 85


@dataclass(frozen=True, slots=True)
class Examined:
    blank: bool
    looks: dict[int, int]  # 64 bits of what it looks like, for each turn in degrees
    codes: list[dict[str, str]]


def _cpu(path: Path) -> int:
    return DRAW_CPU if path.suffix == sniff.PDF.extension else DERIVE_CPU


class _Child:
    def __init__(self, max_pixels: int) -> None:
        self.served = 0
        command = [sys.executable, "-s", "-E", "-X", "utf8", "-m", "batches.intake.sandbox"]
        self._process = subprocess.Popen(  # noqa: S603
            [*command, str(os.getpid()), str(max_pixels)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=settings.BASE_DIR,
            env={"PATH": os.defpath, "OPENBLAS_NUM_THREADS": "1"},  # no secrets where hostile files are opened
        )
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def ran_out_of_time(self) -> bool:
        """Ended by its own limit of CPU time."""
        return self._process.returncode == -signal.SIGXCPU

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Raises _Crashed or _TimedOut; after either the child must be killed."""
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self.served += 1
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise _Crashed from error
        return _answer(self._process.stdout.fileno(), time.monotonic() + seconds)

    def end(self) -> None:
        self._process.kill()

    def kill(self) -> None:
        self.end()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # a request that the child never took
                    continue


def _answer(descriptor: int, deadline: float) -> dict[str, Any]:
    reply = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not reply.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _TimedOut
            try:
                piece = os.read(descriptor, PIECE)
            except OSError as error:
                raise _Crashed from error
            if not piece:
                raise _Crashed
            reply += piece
    try:
        answer: dict[str, Any] = json.loads(reply)
    except ValueError as error:
        raise _Crashed from error
    return answer


class Pool:
    """Asks children from any number of threads, as many at once as there are children.

    One more is there for what takes a millisecond, so that a file being added does not wait for pictures being made.
    """

    def __init__(self, size: int, max_pixels: int, *, max_pages: int = 2000) -> None:
        self.size, self.max_pixels, self.max_pages = size, max_pixels, max_pages
        self._room, self._quick_room = threading.Semaphore(size), threading.Semaphore(1)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False
        # A child dies with the *thread* that started it (PR_SET_PDEATHSIG): one thread, for good, starts them all.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="decoders")

    def inspect(self, path: Path, *, seconds: float = INSPECT_SECONDS) -> Inspection:
        """Format and pages from the headers. Raises UnreadableImage. Lists at most max_pages + 1 pages."""
        request = {"do": "inspect", "path": str(path), "max_pages": self.max_pages, "cpu": INSPECT_CPU}
        reply = self._ask(request, seconds, quick=True)
        return Inspection(reply["format"], tuple(Page(*page) for page in reply["pages"]))

    def derive(
        self,
        path: Path,
        page: int,
        targets: Sequence[Target],
        *,
        crop: Sequence[int] | None = None,
        seconds: float = DERIVE_SECONDS,
    ) -> tuple[int, int]:
        """Write the targets, each whole or not at all. `page` from 1; `crop`: left, top, width, height on it.

        Gives the size of the scan, EXIF applied, cut out. Raises UnreadableImage or StorageFailed.
        """
        request = {
            "do": "derive",
            "path": str(path),
            "page": page,
            "targets": [asdict(target) for target in targets],
            "crop": crop,
            "max_pages": self.max_pages,
            "cpu": _cpu(path),
        }
        width, height = self._ask(request, seconds)["size"]
        return width, height

    def examine(self, path: Path, *, seconds: float = INSPECT_SECONDS) -> Examined:
        """What a page image shows. Raises UnreadableImage."""
        reply = self._ask({"do": "examine", "path": str(path), "cpu": INSPECT_CPU}, seconds)
        return Examined(reply["blank"], {int(turn): bits for turn, bits in reply["looks"].items()}, reply["codes"])

    def find_frame(
        self, path: Path, rotation: int, *, trim: bool, straighten: bool, seconds: float = INSPECT_SECONDS
    ) -> tuple[list[float], float] | None:
        """The card's box on the scan, and how far it is askew; see frame.find. Raises UnreadableImage."""
        request = {"do": "frame", "path": str(path), "rotation": rotation, "trim": trim, "straighten": straighten}
        found = self._ask({**request, "cpu": INSPECT_CPU}, seconds)["frame"]
        return (found[0], found[1]) if found else None

    def compare(self, path: Path, others: Sequence[Path], *, seconds: float = INSPECT_SECONDS) -> list[float]:
        """How far a thumbnail agrees with each of the others, 1.0 at most. Raises UnreadableImage."""
        request = {"do": "compare", "path": str(path), "others": [str(other) for other in others], "cpu": INSPECT_CPU}
        agreements: list[float] = self._ask(request, seconds)["agreements"]
        return agreements

    def find_cards(
        self, path: Path, page: int, *, seconds: float = DERIVE_SECONDS
    ) -> tuple[tuple[int, int], list[list[int]]]:
        """Size of a page, EXIF applied, and the regions of it where cards lie. Raises UnreadableImage."""
        request = {
            "do": "find_cards",
            "path": str(path),
            "page": page,
            "max_pages": self.max_pages,
            "cpu": _cpu(path),
        }
        reply = self._ask(request, seconds)
        width, height = reply["size"]
        return (width, height), reply["found"]

    def children(self) -> list[int]:
        """Their process ids."""
        with self._lock:
            return [child.pid for child in (*self._idle, *self._busy)]

    def close(self) -> None:
        """Ends the children; whoever waits for one gets Stopped."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for child in self._busy:  # whoever waits for it sees its end and clears up
                child.end()
        for child in idle:
            child.kill()
        self._starter.shutdown(wait=False)

    @contextmanager
    def _turn(self, *, quick: bool) -> Iterator[None]:
        room = self._room
        if not room.acquire(blocking=not quick):
            room = self._quick_room
            room.acquire()
        try:
            yield
        finally:
            room.release()

    def _ask(self, request: dict[str, Any], seconds: float, *, quick: bool = False) -> dict[str, Any]:
        with self._turn(quick=quick):
            try:
                reply = self._once(request, seconds)
            except _Crashed:
                # The child may have been killed for another's sake: the file is asked once more, in a fresh one.
                try:
                    reply = self._once(request, seconds)
                except _Crashed as error:
                    raise UnreadableImage(_sentence("crashed")) from error
        if reply["ok"]:
            return reply
        if reply["kind"] == "storage":
            raise StorageFailed(reply["text"])
        raise UnreadableImage(_sentence(reply["kind"]), raw=reply["text"])

    def _once(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        child = self._take()
        try:
            reply = child.ask(request, seconds)
        except BaseException as error:
            self._drop(child)
            if self._closed:
                raise Stopped from error
            if isinstance(error, _TimedOut) or child.ran_out_of_time:
                raise UnreadableImage(_sentence("slow")) from error
            raise
        if child.served >= FILES_PER_CHILD or reply.get("kind") == "memory":
            self._drop(child)
        else:
            self._give_back(child)
        return reply

    def _take(self) -> _Child:
        with self._lock:
            while self._idle and not self._closed:
                child = self._idle.pop()
                if child.alive:
                    self._busy.add(child)
                    return child
                child.kill()
            if self._closed:
                raise Stopped
        try:
            child = self._starter.submit(_Child, self.max_pixels).result()
        except RuntimeError as error:  # the interpreter is ending
            raise Stopped from error
        with self._lock:
            self._busy.add(child)
        if self._closed:
            self._drop(child)
            raise Stopped
        return child

    def _give_back(self, child: _Child) -> None:
        with self._lock:
            self._busy.discard(child)
            if not self._closed:
                self._idle.append(child)

    def _drop(self, child: _Child) -> None:
        child.kill()
        with self._lock:
            self._busy.discard(child)


def _sentence(kind: str) -> str:
    return {
        "truncated": _("The file is cut off: its end is missing."),
        "too_large": _("The image has more pixels than allowed."),
        "memory": _("The image needs too much memory to be opened."),
        "missing": _("The file is missing."),
        "encrypted": _("The file is encrypted. Send it without a password."),
        "no_library": _("This server's installation is not complete: it cannot open such files."),
        "no_page": _("The file does not have this page any more."),
        "empty": _("The file has no page."),
        "slow": _("The image took too long to be opened."),
        "crashed": _("The image cannot be opened: the decoder broke off."),
    }.get(kind, _("The file is damaged and cannot be opened."))


_shared: Pool | None = None
_shared_lock = threading.Lock()


def pool() -> Pool:
    """The process's own; its children end with the process."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Pool(os.cpu_count() or 1, settings.MAX_IMAGE_PIXELS, max_pages=settings.MAX_FILE_PAGES)
            atexit.register(_shared.close)
        return _shared
