"""Scans in formats and modes that Pillow reads and does not write: made here, byte by byte."""

import io
import struct
import zlib

from PIL import Image

from tests.batches.intake import pictures


def sixteen(data: bytes) -> list[int]:
    """Eight bits stretched to sixteen."""
    return [value * 257 for value in data]


def tiff(
    image: Image.Image,
    *,
    bits: int = 8,
    planar: bool = False,
    big: bool = False,
    order: str = "<",
    deflate: bool = False,
    size: tuple[int, int] | None = None,
) -> bytes:
    """One strip for each plane, or one for all. `size`: what the header says instead of the truth."""
    bands = image.split() if planar else (image,)
    strips = [_samples(band.tobytes(), bits, order) for band in bands]
    if deflate:
        strips = [zlib.compress(strip) for strip in strips]
    number = len(image.getbands())
    width, height = size or image.size
    photometric = {1: 1, 3: 2, 4: 5}[number]
    head = 16 if big else 8
    offsets = [head + sum(len(strip) for strip in strips[:n]) for n in range(len(strips))]
    entries: list[tuple[int, str, list[int]]] = [
        (256, "L", [width]),
        (257, "L", [height]),
        (258, "H", [bits] * number),
        (259, "H", [8 if deflate else 1]),
        (262, "H", [photometric]),
        (273, "L", offsets),
        (277, "H", [number]),
        (278, "L", [height]),
        (279, "L", [len(strip) for strip in strips]),
        (284, "H", [2 if planar else 1]),
    ]
    place = head + sum(len(strip) for strip in strips)
    start = b"II" if order == "<" else b"MM"
    if big:
        start += struct.pack(order + "HHHQ", 43, 8, 0, place)
    else:
        start += struct.pack(order + "HL", 42, place)
    return start + b"".join(strips) + _directory(entries, place, big, order)


def pages(number: int) -> bytes:
    """So many directories, all of the same small strip."""
    data = tiff(Image.new("L", (1, 1)))
    start = struct.unpack_from("<L", data, 4)[0]
    one, out = data[start:], bytearray(data[:start])
    for page in range(1, number + 1):
        following = start + page * len(one) if page < number else 0
        out += one[:-4] + struct.pack("<L", following)
    return bytes(out)


def _samples(data: bytes, bits: int, order: str) -> bytes:
    if bits == 8:
        return data
    values = sixteen(data)
    return struct.pack(f"{order}{len(values)}H", *values)


def _directory(entries: list[tuple[int, str, list[int]]], place: int, big: bool, order: str) -> bytes:
    count, room = ("Q", 8) if big else ("L", 4)
    table = struct.pack(order + ("Q" if big else "H"), len(entries))
    extra_at = place + len(table) + len(entries) * (20 if big else 12) + room
    extra = b""
    for tag, kind, values in entries:
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        table += struct.pack(f"{order}HH{count}", tag, {"H": 3, "L": 4}[kind], len(values))
        if len(data) > room:
            table += struct.pack(order + count, extra_at + len(extra))
            extra += data
        else:
            table += data.ljust(room, b"\0")
    return table + struct.pack(order + count, 0) + extra


def png(image: Image.Image, bits: int = 16) -> bytes:
    """Sixteen bits a sample, in grey, colour, with transparency or without."""
    kind = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}[image.mode]
    width, height = image.size
    values = sixteen(image.tobytes())
    row = width * len(image.getbands())
    rows = b"".join(b"\0" + struct.pack(f">{row}H", *values[n * row : (n + 1) * row]) for n in range(height))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunk = pictures.chunk
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    )


def heic(image: Image.Image, **options: object) -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.register_heif_opener()
    image.save(buffer, "HEIF", **options)
    return buffer.getvalue()
