"""Waiting for what other threads and processes do: on a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 30.0, every: float = 0.02) -> T:
    """Ask until the answer is true and return it; fail when the deadline passes."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {seconds} s: {getattr(condition, '__qualname__', condition)}: {answer!r}")
        time.sleep(every)
