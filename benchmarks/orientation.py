"""Whether preparation turns each real card upright from all four directions: `python -m benchmarks.orientation`."""

import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from batches.intake import sandbox
from benchmarks.accuracy import CARDS, truth
from ocr.engines.local import ocr, reading

PAGE_PX, PAGE_QUALITY = 1600, 85
TURNS = (0, 90, 180, 270)


def page_image(source: Path, folder: str) -> Path:
    """As preparation makes it, and looks at it."""
    page = Path(folder) / f"{source.name}-page.jpg"
    target = {"path": str(page), "part": f"{page}.part", "max_px": PAGE_PX, "rotation": 0, "quality": PAGE_QUALITY}
    sandbox.derive(str(source), 1, [target], 1, 60_000_000)
    return page


def right_turns(card: dict[str, Any], folder: str) -> dict[int, bool]:
    """Of each direction in which the scan may lie: whether it is found."""
    page, wanted = ocr.load(page_image(CARDS / card["file"], folder)), card["rotate_cw_to_upright"]
    engine = ocr.shared()
    return {turn: reading.find_rotation(engine, ocr.turned(page, turn)) == (wanted - turn) % 360 for turn in TURNS}


def main() -> None:
    cards = truth(CARDS)
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as threads:
        turns = threads.map(lambda card: right_turns(card, folder), cards)
        found = dict(zip((card["file"] for card in cards), turns, strict=True))
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
    decisions = 4 * len(cards)
    pace, each = decisions / (time.perf_counter() - started), (time.process_time() - cpu) / decisions
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{pace:.2f} decisions/s, two at a time, {each:.2f} CPU-s each ({machine})")


if __name__ == "__main__":
    main()
