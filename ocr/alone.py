"""One card, read alone in a child process: for a card that was being read when its process died, twice.

The child imports no Django. It asks its parent before a request leaves, as `base.sending` demands.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Event
from time import monotonic
from typing import Any

from ocr import pipeline
from ocr.engines.base import CALLS_LONG, EngineAdapter, EngineConfig, Prepared, ReadTask, gated, sending
from ocr.errors import CallWithheld, EngineCrashed, ExtractionError
from ocr.reading import Reading

TRIES = 2
LONGEST = 600.0  # seconds, unless the engine may take longer; then the child hangs
START = 60.0  # seconds for the child's own start
_LOOK_EVERY = 0.5

Build = Callable[[EngineConfig], EngineAdapter]


def read(image: Prepared, task: ReadTask, config: EngineConfig, build: Build, stopping: Event) -> Reading:
    """Raises what the engine raises; EngineCrashed once the child has died twice; CallWithheld on a stop."""
    for _ in range(TRIES):
        with suppress(EOFError, ConnectionError, TimeoutError):
            return _ask((image, task, config, build), stopping)
    raise EngineCrashed("Reading this card ended the process that read it, twice.")


def _ask(request: tuple[Any, ...], stopping: Event) -> Reading:
    ours, theirs = Pipe()
    command = (sys.executable, "-m", "ocr.alone", str(theirs.fileno()))
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as child:  # noqa: S603
        try:
            theirs.close()  # now the child's alone: its death is an end of file
            ours.send(request)
            return _converse(ours, stopping, max(LONGEST, CALLS_LONG * request[2].timeout + START))
        finally:
            child.kill()


def _converse(ours: Connection, stopping: Event, longest: float) -> Reading:
    deadline = monotonic() + longest
    while True:
        if not ours.poll(_LOOK_EVERY):
            if stopping.is_set():
                raise CallWithheld
            if monotonic() > deadline:
                raise TimeoutError
            continue
        kind, content = ours.recv()
        if kind == "reading":
            return content  # type: ignore[no-any-return]
        if kind == "error":
            raise _rebuilt(*content)
        with sending():
            ours.send(True)
            ours.recv()


def _rebuilt(kind: type[ExtractionError], state: dict[str, Any]) -> ExtractionError:
    error = kind(state["message"])
    error.__dict__.update(state)
    return error


def main(descriptor: int) -> None:
    """In the child: one request, perhaps a question, one answer."""
    with Connection(descriptor) as parent:

        @contextmanager
        def ask() -> Iterator[None]:
            parent.send(("sending", None))
            parent.recv()  # where the call is withheld, the parent ends this process
            try:
                yield
            finally:
                parent.send(("sent", None))

        image, task, config, build = parent.recv()
        try:
            with gated(ask):
                parent.send(("reading", pipeline.read(image, task, build(config))))
        except ExtractionError as error:
            parent.send(("error", (type(error), error.__dict__)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
