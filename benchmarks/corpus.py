"""Odd, broken, hostile and huge files: cards or refusals as expected, seconds, and the memory that they take.

`python -m benchmarks.corpus`: first the corpus of the tests, with the time limits of every day; then the huge ones.
"""

import io
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import common
from tests.batches.intake import corpus, corpus_zips, pdfs, pictures
from tests.batches.intake.corpus import SIZE, TYPE, File

LARGE = (8900, 6700)  # as many pixels as are read
GROWTH, SECONDS, HUGE_SECONDS = 512, 10, 60  # MB and seconds that are promised
PREPARED = 20  # pages of a huge file that are prepared
PIECE = 1 << 20


def paper(mode: str = "RGB") -> Image.Image:
    """With the grain of paper, which packs badly."""
    grain = Image.effect_noise((890, 670), 12).convert(mode)
    image = Image.new(mode, LARGE)
    for x in range(0, LARGE[0], 890):
        for y in range(0, LARGE[1], 670):
            image.paste(grain, (x, y))
    image.paste(pictures.marked((2900, 2200), mode).crop((0, 0, 900, 700)), (0, 0))
    return image


def zipped(number: int, size: int) -> bytes:
    """So many scans, each with bytes behind its end that do not pack."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for n in range(number):
            archive.writestr(f"box {n // 100}/{n}.jpg", common.scan(n, (600, 400)) + os.urandom(size))
    return buffer.getvalue()


def scanned(pages: int) -> bytes:
    """A PDF as scanners write it: A5 at 300 dots an inch."""
    first, *rest = [Image.effect_noise((1748, 2480), 3) for _ in range(pages)]
    return pictures.encoded(first, "PDF", save_all=True, append_images=rest, resolution=300)


def bomb(number: int) -> bytes:
    """Zeros behind a valid head: a gigabyte of them packs into one megabyte, and the directory says so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for n in range(number):
            with archive.open(f"{n}.tif", "w") as file:
                file.write(pictures.tiff([(60, 40)]))
                for _ in range(1000):
                    file.write(bytes(1_000_000))
    return buffer.getvalue()


def huge() -> Iterator[File]:
    for kind, mode in (("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "L"), ("TIFF", "RGB")):
        yield File(f"60 Mpx {kind} {mode}", lambda k=kind, m=mode: pictures.encoded(paper(m), k))
    packed: tuple[tuple[str, dict[str, Any]], ...] = (("WEBP", {"method": 0}), ("AVIF", {"speed": 10}))
    for kind, options in packed:  # as large as these are taken
        yield File(
            f"25 Mpx {kind} L", lambda k=kind, o=options: pictures.encoded(paper("L").crop((0, 0, 5770, 4330)), k, **o)
        )
    yield File("PDF, 2,000 pages", lambda: pdfs.pages([pdfs.block()] * 2000), 2000)
    yield File("PDF, 300 scans", lambda: scanned(300), 300)
    yield File("PDF, a page of 5 x 5 m", lambda: pdfs.pages([pdfs.block((14_400, 14_400))], size=(14_400, 14_400)))
    yield File("ZIP, 2,000 scans", lambda: zipped(2000, 10_000), 2000)
    yield File("ZIP, 1 GB", lambda: zipped(200, 5_000_000), 200)
    yield File("ZIP, 1 MB for a gigabyte", lambda: bomb(1), 0, TYPE, 1)
    yield File("ZIP, 5 MB for five", lambda: bomb(5), 0, SIZE)
    yield File("ZIP, the same file 50,000 times", lambda: corpus_zips.zips.overlapping(50_000), 0, SIZE)


def chunks(data: bytes) -> Iterable[bytes]:
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))


def taken(file: File) -> tuple[str, Any]:
    """The code of the refusal, and the batch with whatever came of it."""
    from batches.actions import files
    from batches.intake import opening
    from batches.models import Batch

    batch = Batch.objects.create(name=file.id, owner=common.owner(), fields=common.FIELDS)
    upload = files.receive(batch, file.name, chunks(file.make()), client_key=file.id[:60])
    opening.go_on(upload.pk, lambda: True)  # what the consumer does after ten seconds
    upload.refresh_from_db()
    return upload.code if upload.status == "refused" else "", batch


def own_peak(*, anew: bool = False) -> float:
    """Of this process; `anew`: from now on."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))


def peak() -> float:
    """Of the decoders that live."""
    from batches.intake import decoders

    found = [0.0]
    for pid in decoders.pool().children():
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        found += [int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")]
    return max(found)


def go(file: File, allowed: float) -> float:
    """Take and prepare one file; seconds. Says where it is not what was expected."""
    from batches.intake import derive

    data = file.make()
    file = File(file.id, lambda: data, file.cards, file.code, file.refused, file.unreadable, file.name)
    before, began = own_peak(anew=True), time.monotonic()
    code, batch = taken(file)
    took = time.monotonic() - began
    cards = list(batch.cards.order_by("position"))
    derive.prepare_many(cards[:PREPARED])
    prepared = time.monotonic() - began - took
    right = (code, len(cards)) == (file.code, file.cards)
    grown = own_peak() - before
    if not right or took > allowed or grown > GROWTH or allowed > SECONDS:
        what = "" if right else f" NOT AS EXPECTED: {code or 'no refusal'}, {len(cards)} cards"
        print(
            f"{file.id}: {len(data) / 1e6:.1f} MB, {len(cards)} cards {code}, taken in {took:.1f} s,"
            f" {min(len(cards), PREPARED)} prepared in {prepared:.1f} s, grown by {grown:.0f} MB,"
            f" decoders' peak {peak():.0f} MB{what}",
            flush=True,
        )
    assert right, file.id
    assert grown <= GROWTH, file.id
    return took + prepared


def all_of(parts: Iterable[Callable[[], Iterator[File]]]) -> list[File]:
    return [file for part in parts for file in part() if file.id != "too-large"]  # that one needs a lower limit


def main() -> None:
    with common.application():
        parts = (corpus.images, corpus.tiffs, corpus.broken, corpus.bombs, corpus.documents)
        files = all_of((*parts, corpus_zips.archives, corpus_zips.named))
        files = [file for file in files if file.id != "zip-too-large-image"]
        seconds = {file.id: go(file, SECONDS) for file in files}
        slowest = sorted(seconds, key=lambda name: -seconds[name])[:3]
        print(
            f"{len(files)} files: all as expected in {sum(seconds.values()):.0f} s, decoders {peak():.0f} MB; slowest: "
            + ", ".join(f"{name} {seconds[name]:.1f} s" for name in slowest),
            flush=True,
        )
        for file in huge():
            go(file, HUGE_SECONDS)


if __name__ == "__main__":
    main()
