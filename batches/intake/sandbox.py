"""The child program that opens images: `python -m batches.intake.sandbox PARENT MAX_PIXELS`.

Hostile files are opened here alone, under memory and CPU limits. Imports no Django. One JSON request a line on
standard input, one JSON reply a line on standard output, until the input ends.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from PIL import Image, TiffImagePlugin

from batches.intake import pixels, sniff
from batches.intake.refusal import Refusal
from batches.intake.sizes import MAX_JPEG_SIDE

ORIENTATION, SUBFILE_TYPE = 0x0112, 254
REDUCED_OR_MASK = 0b101
PROOF_PX = 320  # a JPEG is decoded at a fraction of its size for it
BASE_MEMORY = 400_000_000  # interpreter and libraries, address space
PLAIN = frozenset({"JPEG", "MPO", "PNG", "WEBP"})
BYTES_PER_PIXEL = 16  # scan, converted copy and turned copy at four bytes each, and some room

_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
_EXIF_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _pillow_names(found: sniff.Format) -> list[str]:
    """What Pillow calls it; a JPEG may be followed by others. HEIC is read by a library of its own."""
    Image.init()
    if found is sniff.HEIC and found.name not in Image.OPEN:
        pillow_heif = importlib.import_module("pillow_heif")
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    # Image.open raises KeyError for a name that is not registered, on every file that the others refuse.
    return [name for name in (found.name, *(["MPO"] if found is sniff.JPEG else [])) if name in Image.OPEN]


def sniffed(path: str) -> sniff.Format:
    with open(path, "rb") as file:
        found = sniff.sniff(file.read(sniff.HEAD))
    if found is None:
        raise Refusal("damaged", "not an image that is read")
    return found


def open_image(path: str) -> Image.Image:
    """Reads the header alone. The format must be the one that the first bytes say."""
    return Image.open(path, formats=_pillow_names(sniffed(path)))


def scans(image: Image.Image, limit: int) -> list[int]:
    """Frames that are scans, at most limit + 1. Reduced copies and masks in a TIFF are none."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return [image.tell()]
    found: list[int] = []
    with contextlib.suppress(EOFError):
        for index in range(4 * limit + 4):
            image.seek(index)
            if not int(image.tag_v2.get(SUBFILE_TYPE, 0)) & REDUCED_OR_MASK:
                found.append(index)
            if len(found) > limit:
                break
    return found or [0]


def _mend_planes(image: Image.Image) -> None:
    """Pillow takes the one plane of a grey TIFF in planes for the first letter of its mode."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode.startswith("I;16"):
        image.tile = [
            tile._replace(args=(image.mode, *tile.args[1:])) if tile.args and tile.args[0] == "I" else tile
            for tile in image.tile
        ]


def orientation(image: Image.Image) -> int:
    """As EXIF says, 1 where it says nothing. A TIFF is turned by Pillow itself, its size too."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return 1
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode the whole image to look behind it
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged EXIF block must not cost the scan
        return 1
    return value if value in _EXIF_TURNS else 1


def is_plain(image: Image.Image) -> bool:
    """Any decoder reads this file as it is: one frame, 8 bits, grey or RGB, nothing to turn."""
    if image.format not in PLAIN or image.mode not in {"L", "RGB"}:
        return False
    if image.format not in {"JPEG", "MPO"} and getattr(image, "n_frames", 1) != 1:
        return False
    wide = any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))
    return orientation(image) == 1 and not image.has_transparency_data and not wide


def inspect(path: str, max_pages: int) -> dict[str, Any]:
    """Format and pages, from the headers: [[width, height, orientation, mode, plain], …], EXIF applied to the size.

    Pages of a PDF have no size until they are drawn: 0.
    """
    if sniffed(path) is sniff.PDF:
        number = _pdf().number_of_pages(path)
        return {"format": sniff.PDF.name, "pages": [[0, 0, 1, "RGB", False]] * min(number, max_pages + 1)}
    pages: list[list[Any]] = []
    with open_image(path) as image:
        for frame in scans(image, max_pages):
            image.seek(frame)  # the walk to the end has left the first page too
            turned = orientation(image)
            width, height = image.size[::-1] if turned >= 5 else image.size
            pages.append([width, height, turned, image.mode, is_plain(image)])
        name = "JPEG" if image.format == "MPO" else str(image.format)
    return {"format": name, "pages": pages}


def _pdf() -> ModuleType:
    """Imported for the first PDF, in this process alone."""
    return importlib.import_module("batches.intake.pdf")


def _examining() -> ModuleType:
    """Imported for the first page image, in this process alone."""
    return importlib.import_module("batches.intake.examining")


def write(image: Image.Image, target: Mapping[str, Any]) -> None:
    turn = _TURNS.get(target["rotation"])
    turned = image.transpose(turn) if turn is not None else image
    save(target, lambda file: turned.save(file, "JPEG", quality=target["quality"]))


def save(target: Mapping[str, Any], fill: Callable[[IO[bytes]], object]) -> None:
    """What `fill` writes into the part, then under its own name: never half a file there."""
    try:
        with open(target["part"], "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _storage(error) from error
    put(target)


def put(target: Mapping[str, Any]) -> None:
    """The part under its own name, and that on the disk."""
    try:
        Path(target["part"]).replace(target["path"])
        folder = os.open(Path(target["path"]).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _storage(error) from error


def _storage(error: OSError) -> Refusal:
    return Refusal("storage", f"{error.errno} {error.strerror}")


def is_ready(image: Image.Image, target: Mapping[str, Any]) -> bool:
    """Whether the scan may be the target as it is: a plain JPEG that fits is what an endpoint may get."""
    fits = not target["rotation"] and max(image.size) <= (target["max_px"] or 0)
    return fits and image.format in {"JPEG", "MPO"} and is_plain(image)


def keep(path: str, target: Mapping[str, Any]) -> None:
    """The scan itself under the target's name."""
    try:
        os.link(path, target["part"])
    except OSError:  # not every file system can: a second copy
        save(target, lambda file: file.write(Path(path).read_bytes()))
    else:
        put(target)


def derive(
    path: str,
    page: int,
    targets: list[dict[str, Any]],
    max_pages: int,
    max_pixels: int,
    crop: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Make each target; the largest is made from the scan, the others from that one. `page` counts from 1.

    Tells the size of the scan, EXIF applied, cut out.
    """
    scan, size, ready = _scan(path, page, targets if crop is None else None, max_pages, max_pixels)
    if crop is not None:
        scan = pixels.cut_out(scan, crop)
        size = scan.size
    for target in _largest_first(targets):
        if target not in ready:
            scan = pixels.reduced(scan, target["max_px"])
            write(scan, target)
    for target in ready:
        keep(path, target)
    return {"size": size}


def _largest_first(targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(targets, key=lambda target: -(target["max_px"] or MAX_JPEG_SIDE))


def find_cards(path: str, page: int, max_pages: int, max_pixels: int) -> dict[str, Any]:
    """Size of the page, and where on it cards lie."""
    from batches.intake import sheets  # OpenCV: for those alone who cut sheets

    scan, size, _ready = _scan(path, page, None, max_pages, max_pixels)
    return {"size": size, "found": sheets.find(pixels.reduced(scan, sheets.LOOK_PX), size)}


def _scan(
    path: str, page: int, targets: list[dict[str, Any]] | None, max_pages: int, max_pixels: int
) -> tuple[Image.Image, tuple[int, int], list[dict[str, Any]]]:
    """The scan, upright by EXIF and no larger than needed; its own size; the targets that it is already.

    Without targets all of its pixels.
    """
    if sniffed(path) is not sniff.PDF:
        return _opened_scan(path, page, targets, max_pages, max_pixels)
    drawn = _pdf().draw(path, page, max_pixels)
    return drawn, drawn.size, []


def _opened_scan(
    path: str, page: int, targets: list[dict[str, Any]] | None, max_pages: int, max_pixels: int
) -> tuple[Image.Image, tuple[int, int], list[dict[str, Any]]]:
    with open_image(path) as image:
        frames = scans(image, min(page, max_pages)) if page > 1 else scans(image, 1)
        if page > len(frames):
            raise Refusal("no_page", str(page))
        image.seek(frames[page - 1])
        if image.size[0] * image.size[1] > max_pixels:
            raise Refusal("too_large")
        _mend_planes(image)
        turned = orientation(image)
        size = image.size[::-1] if turned >= 5 else image.size
        ready = [target for target in targets or () if is_ready(image, target)]
        made = [target for target in _largest_first(targets or []) if target not in ready]
        # Headers say nothing about the pixels: what is kept as it is, is decoded too.
        scan = pixels.reduced(image, None if targets is None else made[0]["max_px"] if made else PROOF_PX)
        turn = _EXIF_TURNS.get(turned)
        return (scan.transpose(turn) if turn is not None else scan), size, ready


def _refusal(error: Exception) -> dict[str, Any]:
    kind, text = "damaged", f"{type(error).__name__}: {error}"
    if isinstance(error, Refusal):
        kind = error.kind
    elif isinstance(error, ImportError):
        kind = "no_library"
    elif isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, FileNotFoundError):
        kind = "missing"
    elif "truncated" in text:
        kind = "truncated"
    return {"ok": False, "kind": kind, "text": text[:300]}


def answer(request: Mapping[str, Any], max_pixels: int) -> dict[str, Any]:
    commands: dict[str, Callable[[], dict[str, Any]]] = {
        "inspect": lambda: inspect(request["path"], request["max_pages"]),
        "derive": lambda: derive(
            request["path"],
            request["page"],
            request["targets"],
            request["max_pages"],
            max_pixels,
            request.get("crop"),
        ),
        "examine": lambda: _examining().examine(request["path"]),
        "frame": lambda: _examining().find_frame(
            request["path"], request["rotation"], request["trim"], request["straighten"]
        ),
        "compare": lambda: _examining().compare(request["path"], request["others"]),
        "find_cards": lambda: find_cards(request["path"], request["page"], request["max_pages"], max_pixels),
    }
    try:
        return {"ok": True, **commands[request["do"]]()}
    except Exception as error:  # whatever a decoder throws is the file's fault, and answered
        return _refusal(error)


def confine(max_pixels: int) -> None:
    """Memory for the largest scan allowed, no core files, no large output, no life without the parent."""
    memory = BASE_MEMORY + BYTES_PER_PIXEL * max_pixels
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 4 * max_pixels + 64_000_000),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with contextlib.suppress(ValueError, OSError):  # a lower limit holds already
            resource.setrlimit(what, (limit, limit))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this input
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error to answer instead of an end
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def limit_cpu(seconds: int) -> None:
    """So many seconds from now on; then SIGXCPU ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def main(parent: int, max_pixels: int) -> None:
    confine(max_pixels)
    if os.getppid() != parent:  # it died before it could be watched
        return
    Image.MAX_IMAGE_PIXELS = None  # `inspect` tells the size, `derive` refuses by it before a pixel is decoded
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        request = json.loads(line)
        limit_cpu(request["cpu"])
        sys.stdout.write(json.dumps(answer(request, max_pixels)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
