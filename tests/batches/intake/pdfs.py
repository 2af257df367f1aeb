"""PDFs written object by object."""

import hashlib
import struct
import zlib

from PIL import Image

from tests.batches.intake import pictures

A6 = (298, 420)  # points: a card
PAD = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
IMAGE = b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/%s/BitsPerComponent 8/Filter/DCTDecode"
BLOCK = b"0.08 0.08 0.24 rg 0 %d %d %d re f\n"  # as pictures.marked: a dark block in the upper left corner


def block(size: tuple[int, int] = A6) -> bytes:
    width, height = size
    return BLOCK % (height - height // 3, width // 3, height // 3)


def stream(data: bytes, head: bytes = b"", *, deflate: bool = False) -> bytes:
    if deflate:
        data, head = zlib.compress(data, 1), head + b"/Filter/FlateDecode"
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (head, len(data), data)


def written(objects: dict[int, bytes], root: int = 1, trailer: bytes = b"") -> bytes:
    out, places = b"%PDF-1.7\n", {}
    for number, content in sorted(objects.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, last = len(out), max(objects) + 1
    out += b"xref\n0 1\n0000000000 65535 f \n"
    out += b"".join(b"%d 1\n%010d 00000 n \n" % (number, places[number]) for number in sorted(places))
    return out + b"trailer<</Size %d/Root %d 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (last, root, trailer, start)


def pages(contents: list[bytes], *, size: tuple[int, int] = A6, more: bytes = b"", **others: bytes) -> bytes:
    """A page for each content stream. `more` goes into each page, `others` are objects o10, o11, …"""
    return written(tree(contents, size=size, more=more, **others))


def tree(contents: list[bytes], *, size: tuple[int, int] = A6, more: bytes = b"", **others: bytes) -> dict[int, bytes]:
    objects = {1: b"<</Type/Catalog/Pages 2 0 R>>"}
    numbers = range(1000, 1000 + 2 * len(contents), 2)
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects[2] = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(contents))
    for number, content in zip(numbers, contents, strict=True):
        head = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]%s/Contents %d 0 R>>"
        objects[number] = head % (*size, more, number + 1)
        objects[number + 1] = content if content.startswith(b"<<") else stream(content)
    return objects | {int(name[1:]): content for name, content in others.items()}


def scan(image: Image.Image, *, size: tuple[int, int] = A6, text: bytes = b"", turn: int = 0) -> bytes:
    """A page that is one scan, perhaps with text upon it, perhaps turned for the reader."""
    data = pictures.encoded(image, quality=90)
    colours = b"DeviceGray" if image.mode == "L" else b"DeviceRGB"
    return pages(
        [b"q %d 0 0 %d 0 0 cm /I Do Q %s" % (*size, text)],
        size=size,
        more=b"/Rotate %d/Resources<</XObject<</I 10 0 R>>/Font<</F 11 0 R>>>>" % turn,
        o10=stream(data, IMAGE % (*image.size, colours)),
        o11=b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


def rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def encrypted(password: bytes) -> bytes:
    """Opened by the password, or by anybody where it is empty: then only printing and the like is forbidden."""
    user = (password + PAD)[:32]
    owner = rc4(hashlib.md5((b"owner" + PAD)[:32]).digest()[:5], user)
    allowed, name = -64, b"0123456789abcdef"
    key = hashlib.md5(user + owner + struct.pack("<i", allowed) + name).digest()[:5]
    objects = tree([b"placeholder"])
    content = next(number for number, data in objects.items() if b"placeholder" in data)
    salt = struct.pack("<I", content)[:3] + b"\0\0"
    objects[content] = stream(rc4(hashlib.md5(key + salt).digest()[:10], block()))
    lock = b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P %d>>/ID[<%s><%s>]"
    hexed = (owner.hex().encode(), rc4(key, PAD).hex().encode(), allowed, name.hex().encode(), name.hex().encode())
    return written(objects, trailer=lock % hexed)
