"""The web process killed fifty times in mid-upload: `python -m benchmarks.upload_kills 50`.

A file that was answered and is lost, a row without its file, or a file that stands twice ends it with an error.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.processes.test_uploads import upload_through_kills


def main(kills: int) -> None:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        drawer = upload_through_kills(Path(folder), kills)
    files = f"{len(drawer.answered)} files ({drawer.in_parts} in parts)"
    print(f"kills {kills}, {files}, cut off and sent again {drawer.cut_off}")
    print("lost 0, rows without a file 0, twice 0")
    print(
        f"left behind: {drawer.parts} parts (go after a day), {drawer.orphans} files without a row (doctor lists them)"
    )
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
