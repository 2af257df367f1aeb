import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr.engines.local import ocr
from ocr.engines.local.ocr import Ocr
from ocr.engines.local.rows import Read
from ocr.errors import EngineFailed, EngineMissing, UnreadableImage
from tests.ocr.local.typed import box
from tests.site.processes import ROOT

RED = (200, 10, 20)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_an_image_is_read_as_blue_green_red(tmp_path: Path) -> None:
    pixels = ocr.load(saved(Image.new("RGB", (30, 20), RED), tmp_path / "card.png"))
    assert pixels.shape == (20, 30, 3)
    assert tuple(pixels[5, 5]) == RED[::-1]


def test_the_orientation_of_the_camera_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    pixels = ocr.load(saved(Image.new("RGB", (30, 20), RED), tmp_path / "card.jpg", exif=exif))
    assert pixels.shape == (30, 20, 3)


def test_a_huge_scan_is_made_smaller(tmp_path: Path) -> None:
    pixels = ocr.load(saved(Image.new("L", (5000, 1000), 255), tmp_path / "card.png"))
    assert pixels.shape == (800, 4000, 3)


def test_what_shines_through_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert ocr.load(saved(image, tmp_path / "card.png"))[5, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("values", [[[0, 65535], [30000, 65535]], [[7, 7], [7, 7]]])
def test_sixteen_bits_become_eight(tmp_path: Path, values: list[list[int]]) -> None:
    image = Image.fromarray(np.array(values, dtype=np.uint16))
    pixels = ocr.load(saved(image, tmp_path / "card.tif"))
    assert pixels.dtype == np.uint8
    assert pixels[0, 1, 0] == (255 if values[0][1] > 7 else 0)


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "LA"])
def test_other_kinds_of_pixels_are_read(tmp_path: Path, mode: str) -> None:
    kind = "tif" if mode in ("CMYK", "LA") else "png"
    assert ocr.load(saved(Image.new(mode, (20, 10)), tmp_path / f"card.{kind}")).shape == (10, 20, 3)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_file_is_named_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "card.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImage):
        ocr.load(path)


def test_a_fault_of_the_disk_is_not_the_images(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed):
        ocr.load(tmp_path / "moved.png")


@pytest.mark.parametrize("fault", [ValueError, SyntaxError, Image.DecompressionBombError])
def test_whatever_a_decoder_says_the_image_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise fault

    path = saved(Image.new("L", (5, 5)), tmp_path / "card.png")
    monkeypatch.setattr(Image.Image, "thumbnail", refuse)
    with pytest.raises(UnreadableImage):
        ocr.load(path)


def test_half_a_file_is_unreadable(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    path = saved(Image.fromarray(noise), tmp_path / "card.png")
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(UnreadableImage):
        ocr.load(path)


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_turning_is_clockwise(rotation: int, corner: tuple[int, int]) -> None:
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[0, 0] = 255
    assert ocr.turned(image, rotation)[corner].tolist() == [255, 255, 255]


def test_one_engine_serves_the_process() -> None:
    assert ocr.shared() is ocr.shared()


def test_its_makers_are_told_nothing(tmp_path: Path) -> None:
    """The library that runs the models sends events, under a name for this machine that it keeps at home."""
    code = "from ocr.engines.local import ocr; ocr.shared()"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-B", "-c", code], env=environment, cwd=ROOT, check=True, timeout=120)
    assert list(tmp_path.rglob("*")) == []


def test_a_missing_model_shows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_shared", None)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(EngineMissing):
        ocr.shared()


def test_nothing_is_read_where_there_are_no_boxes() -> None:
    assert ocr.shared().texts(np.zeros((20, 20, 3), dtype=np.uint8), []) == []


def test_an_image_of_one_colour_has_no_boxes() -> None:
    assert ocr.shared().boxes(np.full((300, 500, 3), 230, dtype=np.uint8)) == []
    assert ocr.shared().boxes(np.full((3, 900, 3), 230, dtype=np.uint8)) == []


def test_a_fault_of_the_models_is_an_engine_that_failed() -> None:
    broken: Any = np.zeros((20, 20), dtype=np.uint8)  # not three colours
    with pytest.raises(EngineFailed):
        ocr.shared().boxes(broken)
    with pytest.raises(EngineFailed):
        Ocr.texts(ocr.shared(), broken, [box(0, 0, 10, 0)])


def test_the_place_of_each_character_is_known() -> None:
    """A label in narrow letters before a value in wide ones: the value is found where it stands."""
    image = Image.new("RGB", (900, 80), "white")
    draw = ImageDraw.Draw(image)
    draw.text((20, 20), "illl:", fill="black", font=ImageFont.load_default(40))
    draw.text((200, 20), "WWMMWW", fill="black", font=ImageFont.load_default(40))
    pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
    [read] = ocr.shared().texts(pixels, [box(10, 10, 440, 60)])
    assert len(read.middles) == len(read.text)
    first = read.text.index("W")
    assert 200 < 10 + 440 * read.middles[first] < 260


def test_a_line_whose_characters_cannot_be_placed_has_no_places() -> None:
    lost = SimpleNamespace(word_cols=[[3]], line_txt_len=40.0)
    assert ocr._read("abc", 0.9, lost) == Read("abc", 0.9)
    assert ocr._read("", 0.0, SimpleNamespace(word_cols=[], line_txt_len=0.0)) == Read("", 0.0)
