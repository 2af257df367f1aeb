"""A child of `serve` never outlives it: the kernel tells it, and so does a pipe that closes with the parent."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

VARIABLE = "SERVE_LIFELINE"  # the number of the pipe's reading end, from parent to child
GRACE = 30.0
PR_SET_PDEATHSIG = 1


def hold() -> None:
    """Called first by each child. Where nobody holds the other end (started by hand), it does nothing."""
    number = os.environ.pop(VARIABLE, "")
    if not number:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_watch, args=(int(number),), name="lifeline", daemon=True).start()


def _watch(number: int) -> None:
    with contextlib.suppress(OSError):
        os.read(number, 1)  # returns when the last writer, the parent, has gone, however it went
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
