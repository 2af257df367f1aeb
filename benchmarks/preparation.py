"""CPU of making a card's image for the endpoint, against the three lines that people write.

`python -m benchmarks.preparation`: Image.open, thumbnail (Lanczos), save; and the same by Pillow's own defaults.
"""

import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from batches.intake import sandbox
from benchmarks import common

PAGE_PX, QUALITY, TIMES = 1600, 85, 9


def paper(size: tuple[int, int]) -> Image.Image:
    """A scan with grain in three colours."""
    return Image.merge("RGB", [Image.effect_noise(size, sigma) for sigma in (4, 5, 6)])


def plain(source: Path, target: Path, **how: Any) -> None:
    image = Image.open(source)
    image.thumbnail((PAGE_PX, PAGE_PX), **how)
    image.save(target, "JPEG", quality=QUALITY)


def ours(source: Path, target: Path) -> None:
    wanted = {"path": str(target), "part": f"{target}.part", "max_px": PAGE_PX, "rotation": 0, "quality": QUALITY}
    sandbox.derive(str(source), 1, [wanted], 1, 60_000_000)


def cpu(work: Callable[[], None], target: Path) -> float:
    target.unlink(missing_ok=True)  # a scan that fits is linked: it must not be written into
    began = time.process_time()
    work()
    return time.process_time() - began


def compare(name: str, source: Path, goal: str) -> None:
    target = source.with_name("made.jpg")
    ways: dict[str, Callable[[], None]] = {
        "ours": lambda: ours(source, target),
        "lanczos": lambda: plain(source, target, resample=Image.Resampling.LANCZOS),
        "default": lambda: plain(source, target),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(TIMES):
        for way, work in ways.items():
            taken[way].append(cpu(work, target))
    middle = {way: median(seconds) for way, seconds in taken.items()}
    print(
        f"{name}: {1000 * middle['ours']:.0f} ms = {middle['ours'] / middle['lanczos']:.2f} x open, thumbnail, save"
        f" ({1000 * middle['lanczos']:.0f} ms; goal {goal}), {middle['ours'] / middle['default']:.2f} x the same with"
        f" Pillow's default filter ({1000 * middle['default']:.0f} ms)",
        flush=True,
    )


def main() -> None:
    common.print_machine()
    with tempfile.TemporaryDirectory() as folder:
        for name, size, kind, goal in (
            ("12 Mpx JPEG", (4000, 3000), "JPEG", "0.3"),
            ("1512 x 2152 PNG", (1512, 2152), "PNG", "0.75"),
            ("a scan that fits", (1500, 1000), "JPEG", "nothing but the proof that it can be decoded"),
        ):
            buffer = BytesIO()
            paper(size).save(buffer, kind)
            source = Path(folder) / f"scan.{kind.lower()}"
            source.write_bytes(buffer.getvalue())
            compare(name, source, goal)


if __name__ == "__main__":
    main()
