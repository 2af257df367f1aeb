"""RapidOCR with the models that lie in its wheel: finds lines of text and reads them. No network, ever."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ocr.engines.local import words
from ocr.engines.local.rows import Box, Read
from ocr.errors import EngineFailed, EngineMissing, UnreadableImage

Pixels = NDArray[np.uint8]

MAX_SIDE = 4000  # px; a larger scan is made smaller first
SETTINGS = {
    "Global.log_level": "critical",
    # 960 reads best and costs a quarter of the default; never set model_type, lang_type or ocr_version: they download.
    "Det.limit_type": "max",
    "Det.limit_side_len": 960,
    "Global.max_side_len": MAX_SIDE,
    "Rec.rec_batch_num": 1,  # more would be padded to the longest: a quarter more CPU and 130 MB
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


class Ocr:
    """Detector and recogniser, loaded once. Safe from several threads: no option is ever passed with a call."""

    def __init__(self) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would send its maker events, and looks when imported
        # Imported here: the web process knows this module, but must not carry 200 MB of it.
        import cv2
        from rapidocr import RapidOCR
        from rapidocr.ch_ppocr_rec import TextRecInput
        from rapidocr.utils.process_img import get_rotate_crop_image

        cv2.setNumThreads(1)
        whole: Any = RapidOCR(params=SETTINGS)
        self._detector: Any = whole._load_det_model()  # RapidOCR loads lazily: a fault would show at the first card
        self._recogniser: Any = whole._load_rec_model()
        self._input: Any = TextRecInput
        self._crop: Any = get_rotate_crop_image

    def boxes(self, image: Pixels) -> list[Box]:
        """Where lines of text stand, each as its four corners, clockwise from the top left."""
        try:
            found = self._detector(image).boxes
        except Exception as error:
            raise EngineFailed("Text could not be looked for in this image.") from error
        return [] if found is None else [tuple((float(x), float(y)) for x, y in box) for box in found]

    def texts(self, image: Pixels, boxes: Sequence[Box], *, upside_down: bool = False) -> list[Read]:
        """What stands in each box."""
        if not boxes:
            return []
        try:
            crops = [self._crop(image, np.array(box, dtype=np.float32)) for box in boxes]
            if upside_down:
                crops = [np.ascontiguousarray(crop[::-1, ::-1]) for crop in crops]
            out = self._recogniser(self._input(img=crops, return_word_box=True))
        except Exception as error:
            raise EngineFailed("The lines of this image could not be read.") from error
        return [_read(*each) for each in zip(out.txts, out.scores, out.word_results, strict=True)]


def _read(raw: str, score: float, steps: Any) -> Read:
    """`steps`: at which step of the recogniser each character came; a space lies between its neighbours."""
    text = words.tidy(str(raw))
    places = [place for place, letter in enumerate(raw) if not letter.isspace()]
    columns = [column for word in steps.word_cols for column in word]
    if len(text) != len(raw) or len(columns) != len(places) or not columns:
        return Read(text, float(score))
    middles = np.interp(range(len(raw)), places, columns)
    return Read(text, float(score), tuple(min(1.0, (float(each) + 0.5) / steps.line_txt_len) for each in middles))


_lock = threading.Lock()
_shared: Ocr | None = None


def shared() -> Ocr:
    """The one engine of this process. Its models are loaded here, so that a broken installation shows at once."""
    global _shared
    with _lock:
        if _shared is None:
            try:
                _shared = Ocr()
            except Exception as error:
                raise EngineMissing("The OCR models of this installation cannot be loaded.") from error
        return _shared


def load(path: Path) -> Pixels:
    """The image as BGR, EXIF orientation applied. Raises UnreadableImage; EngineFailed where the disk is at fault."""
    try:
        with Image.open(path) as opened:
            opened.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=2.0)
            return _bgr(ImageOps.exif_transpose(opened))
    except OSError as error:
        if error.errno is not None:  # the system's, not the decoder's: another time it may go well
            raise EngineFailed("The file cannot be read from the disk.") from error
        raise UnreadableImage("The image cannot be decoded.") from error
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableImage("The image cannot be decoded.") from error


def _bgr(image: Image.Image) -> Pixels:
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel: what is there, spread over 0 to 255
        grey = np.asarray(image, dtype=np.float64)
        low, high = float(grey.min()), float(grey.max())
        image = Image.fromarray(((grey - low) * (255.0 / ((high - low) or 1.0))).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def turned(image: Pixels, rotation: int) -> Pixels:
    """The image turned clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(image, k=-(rotation // 90)))
