"""Pages of a PDF, drawn by PDFium. For the sandbox alone: nothing else may import this. Imports no Django."""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from batches.intake.refusal import Refusal

POINTS = 72  # to an inch
DPI = 300  # keeps type of five points legible
MAX_SIDE = 32_000  # PDFium draws no more
_SHARE = 0.5  # of the page that an image must cover, for the page to be a scan
_OBJECTS = 2_000  # looked through for it


@contextmanager
def opened(path: str) -> Iterator[pypdfium2.PdfDocument]:
    """Raises Refusal."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}
        raise Refusal("encrypted" if locked else "damaged", str(error)) from error
    try:
        yield document
    finally:
        document.close()


def number_of_pages(path: str) -> int:
    """Without drawing any. Raises Refusal."""
    with opened(path) as document:
        number = len(document)
    if number < 1:
        raise Refusal("empty", "no page")
    return number


@contextmanager
def _page(path: str, number: int) -> Iterator[pypdfium2.PdfPage]:
    with opened(path) as document:
        if number > len(document):
            raise Refusal("no_page", str(number))
        try:
            page = document[number - 1]
        except pypdfium2.PdfiumError as error:
            raise Refusal("damaged", str(error)) from error
        try:
            yield page
        finally:
            page.close()


def size(path: str, number: int, max_pixels: int) -> tuple[int, int]:
    """Pixels of a page as `draw` makes them. `number` counts from 1. Raises Refusal."""
    with _page(path, number) as page:
        scale = _scale(page, max_pixels)
        return _pixels(page, scale)


def draw(path: str, number: int, max_pixels: int) -> Image.Image:
    """A page at 300 dots an inch, or as fine as the scan on it, within the limit. Raises Refusal."""
    with _page(path, number) as page:
        bitmap = page.render(scale=_scale(page, max_pixels), rev_byteorder=True)
        image: Image.Image = bitmap.to_pil()
        image.load()
        return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def _pixels(page: pypdfium2.PdfPage, scale: float) -> tuple[int, int]:
    width, height = page.get_size()
    return max(1, math.ceil(width * scale)), max(1, math.ceil(height * scale))


def _scale(page: pypdfium2.PdfPage, max_pixels: int) -> float:
    """Pixels for each point."""
    width, height = page.get_size()
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise Refusal("damaged", f"a page of {width} by {height}")
    # A little below the limit, since sides are rounded up.
    allowed = min(math.sqrt(0.99 * max_pixels / (width * height)), MAX_SIDE / max(width, height))
    return float(min(max(DPI / POINTS, _of_scan(page, width * height)), allowed))


def _of_scan(page: pypdfium2.PdfPage, area: float) -> float:
    """As fine as the image that covers the page, 0 where none does."""
    finest = 0.0
    for index in range(min(raw.FPDFPage_CountObjects(page), _OBJECTS)):
        found = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(found) == raw.FPDF_PAGEOBJ_IMAGE:
            finest = max(finest, _fineness(found, area))
    return finest


def _fineness(image: "raw.FPDF_PAGEOBJECT", area: float) -> float:
    matrix = raw.FS_MATRIX()
    width, height = ctypes.c_uint(), ctypes.c_uint()
    if not raw.FPDFPageObj_GetMatrix(image, matrix) or not raw.FPDFImageObj_GetImagePixelSize(image, width, height):
        return 0.0
    # The image is the unit square, turned and stretched.
    across, along = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
    if not across or not along or across * along < _SHARE * area:
        return 0.0
    return float(max(width.value / across, height.value / along))
