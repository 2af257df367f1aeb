"""The child's own functions, called here in the test's process, on images that it can open safely."""

import io
import json
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from batches.intake import sandbox
from tests.batches.intake import pictures

PIXELS = 60_000_000


@pytest.fixture(autouse=True)
def _as_in_the_child(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


@pytest.fixture
def made(tmp_path: Path):
    """Derives from these bytes; gives back the image that was made."""

    def make(data: bytes, *, page: int = 1, max_px: int | None = 1600, rotation: int = 0) -> Image.Image:
        source, target = tmp_path / "source", tmp_path / "out.jpg"
        source.write_bytes(data)
        request = {
            "do": "derive",
            "path": str(source),
            "page": page,
            "max_pages": 2000,
            "targets": [
                {
                    "path": str(target),
                    "part": str(tmp_path / "part"),
                    "max_px": max_px,
                    "rotation": rotation,
                    "quality": 90,
                }
            ],
        }
        answer = sandbox.answer(request, PIXELS)
        assert answer["ok"], answer
        assert not (tmp_path / "part").exists()
        return Image.open(io.BytesIO(target.read_bytes()))

    return make


def inspect(tmp_path: Path, data: bytes, max_pages: int = 2000) -> dict[str, Any]:
    (tmp_path / "source").write_bytes(data)
    return sandbox.answer({"do": "inspect", "path": str(tmp_path / "source"), "max_pages": max_pages}, PIXELS)


def test_no_django_is_imported():
    code = "import batches.intake.sandbox, sys; print(any(name.startswith('django') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_a_plain_scan_is_told_from_the_others(tmp_path: Path):
    assert inspect(tmp_path, pictures.jpeg()) == {"ok": True, "format": "JPEG", "pages": [[600, 400, 1, "RGB", True]]}
    for odd in (
        pictures.turned_by_exif(3),
        pictures.encoded(pictures.marked(mode="CMYK")),
        pictures.encoded(pictures.marked(mode="P"), "PNG"),
        pictures.encoded(pictures.marked(mode="RGBA"), "PNG"),
        pictures.encoded(pictures.marked(), "PNG", transparency=(1, 2, 3)),
        pictures.encoded(Image.new("I;16", (20, 20), 40_000), "PNG"),
        pictures.encoded(pictures.marked(), "WEBP", save_all=True, append_images=[pictures.marked(mode="L")]),
        pictures.tiff([(20, 20)]),
    ):
        assert inspect(tmp_path, odd)["pages"][0][4] is False


def test_sizes_have_the_exif_turn_applied(tmp_path: Path):
    assert inspect(tmp_path, pictures.turned_by_exif(6))["pages"] == [[400, 600, 6, "RGB", False]]
    assert inspect(tmp_path, pictures.turned_by_exif(99))["pages"][0][:3] == [600, 400, 1]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_block_does_not_cost_the_scan(tmp_path: Path):
    data = pictures.jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert inspect(tmp_path, data)["pages"][0][:3] == [600, 400, 1]


def test_pages_of_different_sizes_are_found(tmp_path: Path):
    pages = inspect(tmp_path, pictures.tiff([(60, 40), (30, 80), (50, 50)], compression="tiff_lzw"))["pages"]
    assert [page[:2] for page in pages] == [[60, 40], [30, 80], [50, 50]]


def test_a_big_tiff_is_read(tmp_path: Path, made):
    data = pictures.tiff([(60, 40), (30, 80)], big_tiff=True)
    assert len(inspect(tmp_path, data)["pages"]) == 2
    assert made(data, page=2).size == (30, 80)


def test_reduced_copies_in_a_tiff_are_no_pages(tmp_path: Path, made):
    pages = [pictures.marked((600, 400)), pictures.marked((60, 40)), pictures.marked((300, 500))]
    for page, kind in zip(pages, (0, 1, 0), strict=True):
        page.encoderinfo = {"tiffinfo": {254: kind}}
    data = pictures.encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], tiffinfo={254: 0})
    assert [page[:2] for page in inspect(tmp_path, data)["pages"]] == [[600, 400], [300, 500]]
    assert made(data, page=2).size == (300, 500)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_inspecting_reads_headers_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str):
    data = pictures.encoded(pictures.marked(), kind)

    def decoded(image: Image.Image) -> None:
        raise AssertionError("pixels were decoded")

    for plugin in (JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, WebPImagePlugin.WebPImageFile):
        monkeypatch.setattr(plugin, "load", decoded)
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", decoded)
    assert inspect(tmp_path, data)["pages"][0][:2] == [600, 400]


def test_a_png_may_be_turned_by_exif_too(tmp_path: Path, made):
    exif = Image.Exif()
    exif[0x0112] = 8
    data = pictures.encoded(pictures.marked(), "PNG", exif=exif)
    assert inspect(tmp_path, data)["pages"] == [[400, 600, 8, "RGB", False]]
    assert pictures.dark_corner(made(data)) == "bottom left"


def test_the_size_of_a_bomb_is_told_without_opening_it(tmp_path: Path):
    assert inspect(tmp_path, pictures.png_bomb())["pages"][0][:2] == [50_000, 50_000]


def test_no_more_pages_are_listed_than_one_too_many(tmp_path: Path):
    assert len(inspect(tmp_path, pictures.tiff([(8, 8)] * 9), max_pages=3)["pages"]) == 4


def test_the_size_keeps_its_proportions_and_never_grows(made):
    assert made(pictures.jpeg((4000, 3000))).size == (1600, 1200)
    assert made(pictures.jpeg((300, 200))).size == (300, 200)
    assert made(pictures.jpeg((3000, 20)), max_px=320).size == (320, 2)
    assert made(pictures.encoded(Image.new("L", (1, 70_000)), "PNG")).size == (1, 1600)
    assert made(pictures.encoded(Image.new("L", (1, 70_000)), "PNG"), max_px=None).size == (1, 65_000)


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, "top left"), (90, "top right"), (180, "bottom right"), (270, "bottom left")]
)
def test_turns_are_clockwise(made, rotation: int, corner: str):
    image = made(pictures.jpeg((900, 600)), rotation=rotation, max_px=300)
    assert pictures.dark_corner(image) == corner
    assert image.size == ((300, 200) if rotation in {0, 180} else (200, 300))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_exif_turn_is_applied_as_viewers_do(made, orientation: int):
    upright = {2: "top right", 3: "bottom right", 4: "bottom left", 5: "top left"} | {
        6: "top right", 7: "bottom right", 8: "bottom left",
    }  # fmt: skip
    image = made(pictures.turned_by_exif(orientation), max_px=300)
    assert pictures.dark_corner(image) == upright[orientation]
    assert image.size == ((300, 200) if orientation < 5 else (200, 300))
    assert not image.getexif()


def test_a_turned_tiff_is_turned_once(tmp_path: Path, made):
    data = pictures.encoded(pictures.marked(), "TIFF", tiffinfo={274: 6})
    assert inspect(tmp_path, data)["pages"][0][:2] == [400, 600]
    image = made(data, max_px=300)
    assert image.size == (200, 300)
    assert pictures.dark_corner(image) == "top right"


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (pictures.encoded(pictures.marked(mode="CMYK")), "RGB"),
        (pictures.encoded(pictures.marked(mode="L")), "L"),
        (pictures.encoded(pictures.marked(mode="1"), "TIFF", compression="group4"), "L"),
        (pictures.encoded(pictures.marked(mode="P"), "PNG"), "RGB"),
        (pictures.encoded(pictures.marked(mode="LAB"), "TIFF"), "RGB"),
        (pictures.encoded(pictures.marked(mode="YCbCr"), "TIFF"), "RGB"),
        (pictures.encoded(pictures.marked(mode="F"), "TIFF"), "L"),
        (pictures.encoded(pictures.marked(mode="I"), "TIFF"), "L"),
        (pictures.encoded(pictures.marked(mode="LA"), "PNG"), "RGB"),
        (pictures.encoded(pictures.marked(mode="L").convert("I;16"), "PNG"), "L"),
    ],
)
@pytest.mark.parametrize("max_px", [None, 150])
def test_every_mode_becomes_grey_or_colour(made, data: bytes, mode: str, max_px: int | None):
    image = made(data, max_px=max_px)
    assert image.mode == mode
    assert pictures.dark_corner(image) == "top left"
    low, high = image.convert("L").getextrema()
    assert low < 80
    assert high > 220


def test_sixteen_bits_are_not_cut_off(made):
    rows = (struct.pack("<100H", *[8000] * 100) + struct.pack("<200H", *[60_000] * 200)) * 200
    deep = Image.frombytes("I;16", (300, 200), rows)
    image = made(pictures.encoded(deep, "PNG"))
    assert abs(image.getpixel((250, 150)) - 233) < 4
    assert abs(image.getpixel((40, 30)) - 31) < 6


def test_what_is_transparent_is_white(made):
    glass = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    glass.paste((10, 10, 10, 255), (0, 0, 100, 66))
    image = made(pictures.encoded(glass, "PNG"))
    assert image.getpixel((250, 150)) == (255, 255, 255)
    assert pictures.dark_corner(image) == "top left"


def test_transparent_colours_of_a_palette_are_white(made):
    image = Image.new("P", (300, 200), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    assert made(pictures.encoded(image, "PNG", transparency=0)).getpixel((150, 100)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "damaged"),
        (b"just text, called card.jpg", "damaged"),
        (b"\xff\xd8\xff\xe0 and then nothing of use", "damaged"),
        (b"\x89PNG\r\n\x1a\n\0\0", "damaged"),
        (b"II*\0\xff\xff\xff\xff", "damaged"),
        (pictures.truncated(pictures.jpeg((900, 900), quality=95)), "truncated"),
        (pictures.truncated(pictures.encoded(pictures.marked(), "PNG")), "truncated"),
        (pictures.png_bomb(), "too_large"),
    ],
)
def test_what_cannot_be_opened_is_answered(tmp_path: Path, data: bytes, kind: str):
    (tmp_path / "source").write_bytes(data)
    target = {"path": str(tmp_path / "out"), "part": str(tmp_path / "part"), "max_px": 99, "rotation": 0, "quality": 80}
    request = {"do": "derive", "path": str(tmp_path / "source"), "page": 1, "max_pages": 9, "targets": [target]}
    answer = sandbox.answer(request, PIXELS)
    assert (answer["ok"], answer["kind"]) == (False, kind), answer
    assert not (tmp_path / "out").exists()


def test_a_missing_file_page_and_folder_are_told_apart(tmp_path: Path):
    target = {"path": "/", "part": str(tmp_path / "no" / "part"), "max_px": 99, "rotation": 0, "quality": 80}
    request = {"do": "derive", "path": str(tmp_path / "gone"), "page": 1, "max_pages": 9, "targets": [target]}
    assert sandbox.answer(request, PIXELS)["kind"] == "missing"
    (tmp_path / "gone").write_bytes(pictures.jpeg())
    assert sandbox.answer(request, PIXELS)["kind"] == "storage"
    assert sandbox.answer(request | {"page": 2}, PIXELS)["kind"] == "no_page"


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(sandbox, "open_image", full)
    assert inspect(tmp_path, pictures.jpeg())["kind"] == "memory"


def test_a_library_that_is_missing_is_not_the_files_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "batches.intake.pdf", None)
    assert inspect(tmp_path, b"%PDF-1.7")["kind"] == "no_library"


def test_the_program_answers_line_by_line_until_its_input_ends(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path):
    limits: list[int] = []
    monkeypatch.setattr(sandbox, "confine", lambda pixels: None)
    monkeypatch.setattr(sandbox.warnings, "simplefilter", lambda *_: None)
    monkeypatch.setattr(sandbox, "limit_cpu", limits.append)
    request = json.dumps({"do": "inspect", "path": str(tmp_path / "gone"), "max_pages": 1, "cpu": 7})
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{request}\n{request}\n"))
    sandbox.main(sandbox.os.getppid(), PIXELS)
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["kind"] for answer in answers] == ["missing", "missing"]
    assert limits == [7, 7]


def test_the_program_ends_at_once_where_its_parent_is_gone(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(sandbox, "confine", lambda pixels: None)
    sandbox.main(-1, PIXELS)
    assert capsys.readouterr().out == ""


def test_the_limits_are_set(monkeypatch: pytest.MonkeyPatch):
    limits: dict[int, int] = {}
    monkeypatch.setattr(resource, "setrlimit", lambda what, pair: limits.update({what: pair[0]}))
    monkeypatch.setattr(sandbox.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sandbox.ctypes, "CDLL", lambda _: type("Library", (), {"prctl": lambda *_: 0})())
    sandbox.confine(PIXELS)
    sandbox.limit_cpu(10)
    assert limits[resource.RLIMIT_AS] < 2_000_000_000
    assert limits[resource.RLIMIT_CORE] == 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    assert 9 <= limits[resource.RLIMIT_CPU] - used.ru_utime - used.ru_stime <= 12
