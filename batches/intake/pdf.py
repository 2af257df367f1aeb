"""Pages of a PDF, drawn by PDFium. For the sandbox alone: nothing else may import this. Imports no Django."""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from batches.intake.refusal import Refusal

POINTS = 72  # to an inch
DPI = 300  # keeps type of five points legible
MAX_SIDE = 32_000  # PDFium draws no more
_SHARE = 0.5  # of the page that an image must cover, for the page to be a scan
_OBJECTS, _DEPTH = 2_000, 3  # looked through for it
MAX_LOOK = 2_000  # pages
ROUNDING = 1e-5  # sides are given in 32 bits: 2480.0001 pixels are not 2481
_KINDS = {raw.FPDF_ERR_PASSWORD: "encrypted", raw.FPDF_ERR_SECURITY: "encrypted", raw.FPDF_ERR_FILE: "empty"}


@contextmanager
def opened(path: str) -> Iterator[pypdfium2.PdfDocument]:
    """Raises Refusal."""
    # A document without pages fails and leaves the error of an earlier one: this sets one that no file here can have.
    raw.FPDF_LoadDocument(b"", None)
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise Refusal(_KINDS.get(error.err_code, "damaged"), str(error)) from error
    try:
        yield document
    finally:
        document.close()


def number_of_pages(path: str) -> int:
    """Without drawing any. Those that are lost are counted, as long as one is there. Raises Refusal."""
    with opened(path) as document:
        number = len(document)
        if not any(_is_there(document, index) for index in range(min(number, MAX_LOOK))):
            raise Refusal("damaged", "no page can be found")
    return number


def _is_there(document: pypdfium2.PdfDocument, index: int) -> bool:
    return bool(raw.FPDF_GetPageSizeByIndexF(document, index, raw.FS_SIZEF()))


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


def draw(path: str, number: int, max_pixels: int) -> Image.Image:
    """A page as fine as the scan on it, or at 300 dots an inch; within the limit. Raises Refusal."""
    with _page(path, number) as page:
        bitmap = page.render(scale=_scale(page, max_pixels), rev_byteorder=True)
        image: Image.Image = bitmap.to_pil()
        image.load()
        return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def _scale(page: pypdfium2.PdfPage, max_pixels: int) -> float:
    """Pixels for each point."""
    width, height = page.get_size()
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise Refusal("damaged", f"a page of {width} by {height}")
    area, sides = width * height, width + height
    # Sides are rounded up: (width x scale + 1) x (height x scale + 1) pixels at most.
    allowed = (math.sqrt(sides**2 + 4 * area * (max_pixels - 1)) - sides) / (2 * area)
    return float(min(_wanted(page, area), allowed, MAX_SIDE / max(width, height))) * (1 - ROUNDING)


def _wanted(page: pypdfium2.PdfPage, area: float) -> float:
    """As fine as the scan that covers the page; and where there is more than a scan, fine enough for small type."""
    finest, drawn = 0.0, raw.FPDFPage_GetAnnotCount(page) > 0
    for number, (found, stretched) in enumerate(_objects(page, raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject)):
        kind = raw.FPDFPageObj_GetType(found)
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            finest = max(finest, _fineness(found, stretched, area))
        else:
            drawn = drawn or kind != raw.FPDF_PAGEOBJ_TEXT or not _is_hidden(found)
        if number == _OBJECTS:
            break
    return finest if finest and not drawn else max(DPI / POINTS, finest)


def _objects(holder: Any, count: Any, get: Any, stretch: float = 1.0, depth: int = 0) -> Iterator[tuple[Any, float]]:
    """What is on the page, and by how much the forms around it enlarge it."""
    for index in range(min(count(holder), _OBJECTS)):
        found = get(holder, index)
        if raw.FPDFPageObj_GetType(found) == raw.FPDF_PAGEOBJ_FORM and depth < _DEPTH:
            across, along = _sides(found)
            inner = stretch * math.sqrt(across * along)
            yield from _objects(found, raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject, inner, depth + 1)
        else:
            yield found, stretch


def _sides(found: Any) -> tuple[float, float]:
    """What becomes of the unit square, turned and stretched."""
    matrix = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(found, matrix):
        return 0.0, 0.0
    return math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)


def _fineness(image: Any, stretched: float, area: float) -> float:
    """Pixels for each point of an image that covers the page, 0 of another."""
    across, along = _sides(image)
    width, height = ctypes.c_uint(), ctypes.c_uint()
    if across * along * stretched**2 < _SHARE * area or not raw.FPDFImageObj_GetImagePixelSize(image, width, height):
        return 0.0
    return max(width.value / across, height.value / along) / stretched


def _is_hidden(text: Any) -> bool:
    """Text behind a scan, for searching."""
    return bool(raw.FPDFTextObj_GetTextRenderMode(text) == raw.FPDF_TEXTRENDERMODE_INVISIBLE)
