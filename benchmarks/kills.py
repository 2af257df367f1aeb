"""A hundred `kill -9` of consumer, web process and everything in one batch: `python -m benchmarks.kills 100`.

Real processes against the test server. Any card lost, failed, doubled, given another card's answer or asked more often
than once more for each kill that it was in flight at ends it with an error; what is printed is what the kills cost.
"""

import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from tests import vlm_server
from tests.processes.test_kills import AT_A_TIME, kill_in_mid_batch

CARDS_A_KILL = 13


def main(kills: int) -> None:
    # Everything dies last in each group of three, so that every site ends by a kill; the last one lives to the end.
    victims = [*islice(cycle(["consumer", "web", "everything"]), kills - 1), "consumer"]
    number = CARDS_A_KILL * kills
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, vlm_server.running(delay=0.3) as server:
        bill = kill_in_mid_batch(Path(folder), server, victims, number)
    unwritten = sum(map(len, bill.in_flight))
    print(f"kills {kills}, cards {number}: lost 0, failed 0, doubled 0, mixed up 0")
    print(f"in flight at a kill: {unwritten / bill.kills:.2f} cards ({AT_A_TIME} calls at a time)")
    print(f"calls too many: {bill.extra}, {bill.extra / bill.kills:.2f} a kill; never two for a card and a kill")
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
