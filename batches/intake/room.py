"""Room on the disk: what is sent is refused politely before nothing can be written any more."""

import shutil

from django.conf import settings

LOOK_EVERY = 16_000_000  # bytes received from one look at the disk to the next


def free() -> int:
    """Bytes that may still be taken; what the application itself needs to go on is kept back."""
    kept: int = settings.MIN_FREE_BYTES
    return max(0, shutil.disk_usage(settings.DATA_DIR).free - kept)
