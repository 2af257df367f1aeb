"""Whether each real card is turned upright from all four directions: `python -m benchmarks.orientation`."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.accuracy import CARDS, truth
from ocr.engines.local import ocr, reading

TURNS = (0, 90, 180, 270)


def right_turns(card: dict[str, Any]) -> dict[int, bool]:
    """Of each direction in which the scan may lie: whether it is found."""
    scan, wanted = ocr.load(CARDS / card["file"]), card["rotate_cw_to_upright"]
    engine = ocr.shared()
    return {turn: reading.find_rotation(engine, ocr.turned(scan, turn)) == (wanted - turn) % 360 for turn in TURNS}


def main() -> None:
    cards = truth(CARDS)
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        found = dict(zip((card["file"] for card in cards), threads.map(right_turns, cards), strict=True))
    kinds = sorted({name.split("_")[0] for name in found})
    print(f"{'cards':<10}{'number':>8}" + "".join(f"{turn:>7}°" for turn in TURNS) + f"{'upright':>12}")
    for kind in [*kinds, "all"]:
        here = [turns for name, turns in found.items() if kind in ("all", name.split("_")[0])]
        right = Counter(turn for turns in here for turn, good in turns.items() if good)
        each = "".join(f"{right[turn]:>8}" for turn in TURNS)
        print(f"{kind:<10}{len(here):>8}{each}{right.total():>8}/{4 * len(here)}")
    for name, turns in found.items():
        if wrong := [turn for turn, good in turns.items() if not good]:
            print(f"not found: {name} turned by {wrong}")
    pace = 4 * len(cards) / (time.perf_counter() - started)
    print(f"{pace:.2f} decisions/s, two at a time ({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main()
