"""A card that was being read when its process died, twice, is read alone: in a child process of its own."""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from threading import Event as Flag
from typing import Any

from ocr import pipeline
from ocr.engines.base import EngineConfig, Prepared, ReadTask
from ocr.errors import CallWithheld, EngineCrashed, ExtractionError
from ocr.reading import Reading

TRIES = 2
LONGEST = 600.0  # seconds
_COMMAND = (sys.executable, "-m", "batches.drain.solo")


def read(image: Prepared, task: ReadTask, config: EngineConfig, build: Any, stopping: Flag) -> Reading:
    """Raises what the engine raises; EngineCrashed once the child has died twice; CallWithheld on a stop."""
    request = pickle.dumps((image, task, config, build))
    for _ in range(TRIES):
        answer = _ask(request, stopping)
        if answer is None:
            continue
        kind, payload = pickle.loads(answer)  # noqa: S301 our own child wrote it
        if kind == "error":
            raise _rebuilt(*payload)
        return payload  # type: ignore[no-any-return]
    raise EngineCrashed("Reading this card ended the process that read it, twice.")


def _ask(request: bytes, stopping: Flag) -> bytes | None:
    """The child's answer; None where it died or hung."""
    with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603
        waited = 0.0
        pending: bytes | None = request
        while True:
            try:
                answer, _ = child.communicate(pending, timeout=0.5)
            except subprocess.TimeoutExpired:
                pending, waited = None, waited + 0.5
                if stopping.is_set() or waited > LONGEST:
                    child.kill()
                    child.communicate()
                    if stopping.is_set():
                        raise CallWithheld from None
                    return None
            else:
                return answer if child.returncode == 0 and answer else None


def _rebuilt(kind: type[ExtractionError], state: dict[str, Any]) -> ExtractionError:
    error = kind(state["message"])
    error.__dict__.update(state)
    return error


def main() -> None:
    """In the child: one request on stdin, one answer on stdout, which nothing else may write to."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    image, task, config, build = pickle.load(sys.stdin.buffer)  # noqa: S301 our own parent wrote it
    answer: tuple[str, Any]
    try:
        adapter = build(config)
        answer = ("reading", pipeline.read(image, task, adapter))
    except ExtractionError as error:
        answer = ("error", (type(error), error.__dict__))
    with suppress(BrokenPipeError), os.fdopen(answer_to, "wb") as out:
        pickle.dump(answer, out)


if __name__ == "__main__":
    main()
