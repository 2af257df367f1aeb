"""Starts the processes of `serve`, restarts those that end, and stops them in an orderly way."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cardocr_site import lifeline

logger = logging.getLogger(__name__)

STOP_WITHIN = 30.0
LONGEST_PAUSE = 30.0
STEADY_AFTER = 60.0  # a process that ran so long starts afresh with its back-off
POLL = 0.1


@dataclass
class Child:
    name: str
    module: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    ends: int = 0  # in a row
    start_at: float = 0.0

    def start(self, lifeline_end: int) -> None:
        self.process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", *self.module],
            env={**os.environ, lifeline.VARIABLE: str(lifeline_end)},
            stdin=subprocess.DEVNULL,
            pass_fds=(lifeline_end,),
            start_new_session=True,  # Ctrl-C reaches `serve` alone, which then stops its children in order
        )
        self.started = time.monotonic()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        if self.process is not None and self.running():
            self.process.send_signal(number)

    def ended(self, now: float) -> float:
        """Note that it ended; return the seconds until it may start again."""
        self.ends = 1 if now - self.started > STEADY_AFTER else self.ends + 1
        pause = min(2.0 ** (self.ends - 1), LONGEST_PAUSE)
        self.process, self.start_at = None, now + pause
        return pause


class Supervisor:
    def __init__(self, children: Sequence[Child], *, tick: Callable[[], None] = lambda: None) -> None:
        self.children = children
        self.tick = tick
        self._stopping = False
        self._reading, self._writing = os.pipe()

    def stop(self, *_: object) -> None:
        self._stopping = True  # and no event: a signal may come while its lock is held, by what the signal interrupts

    def run(self) -> None:
        """Returns once a stop was asked for and every child has gone."""
        before = {number: signal.signal(number, self.stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not self._stopping:
                self._keep_running()
                self.tick()
                threading.Event().wait(POLL)  # under libfaketime, which the tests use, time.sleep() never ends
        finally:
            self._stop_children()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._reading)
            os.close(self._writing)

    def _keep_running(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and not child.running():
                code = child.process.returncode
                logger.warning("The %s ended (%s); it starts again in %.0f s.", child.name, code, child.ended(now))
            if child.process is None and now >= child.start_at:
                child.start(self._reading)

    def _stop_children(self) -> None:
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN
        for child in self.children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("The %s did not stop within %.0f s and was ended.", child.name, STOP_WITHIN)
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
