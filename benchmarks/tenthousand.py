"""Ten thousand small scans to their end by the real processes: `python -m benchmarks.tenthousand [--cards 10000]`.

`manage.py serve` as it comes (SQLite, one consumer) prepares and reads them against the stub; the memory of the web
process and of the consumer is printed as the batch goes on. About ten minutes on two cores.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import common

LOOKS = 10


def upload(cards: int, url: str) -> Any:
    from batches.intake import adding
    from batches.models import Batch

    batch = Batch.objects.create(
        name="Ten thousand",
        owner=common.owner(),
        engine=common.engine(url, 16),
        fields=common.FIELDS,
        options={"rotation": 0},
    )
    picture = common.scan(0, (160, 120))
    for number in range(cards):
        adding.add_file(batch, f"{number}.jpg", [picture, str(number).encode()])
    return batch


def children(pid: int) -> dict[str, int]:
    """The web process and the consumer of a `serve`, by what they are started as."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes().decode()
            found["consumer" if "consumer" in command else "web"] = int(child)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=10_000)
    cards = parser.parse_args().cards
    with common.application() as folder, common.endpoint(0.1) as url:
        batch = upload(cards, url)
        command = [sys.executable, "manage.py", "serve", "--port", str(common.free_port())]
        given = os.environ | {"CARDOCR_ADMIN_PASSWORD": "a long password for a benchmark"}
        with (folder / "serve.log").open("w") as log:
            serve = subprocess.Popen(command, env=given, stdout=log, stderr=subprocess.STDOUT)
        try:
            time.sleep(10)
            common.started(batch)
            watch(batch, serve.pid)
        finally:
            serve.terminate()
            serve.wait(60)
        counts = common.calls(url)
        print(f"{counts['total']} calls for {counts['images']} images, {counts['repeated']} repeated")
        assert (batch.completed, batch.failed) == (cards, 0), "all are read"


def watch(batch: Any, serve: int) -> None:
    """Memory each time that a tenth more is read."""
    began, told = time.monotonic(), -1
    while batch.status != "completed":
        time.sleep(1)
        batch.refresh_from_db()
        if (tenth := LOOKS * batch.completed // batch.total) > told:
            told = tenth
            memory = ", ".join(f"{name} {common.resident(pid):.0f} MB" for name, pid in sorted(children(serve).items()))
            print(f"{batch.completed:6} read after {time.monotonic() - began:.0f} s: {memory}", flush=True)


if __name__ == "__main__":
    main()
