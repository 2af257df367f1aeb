import io
from typing import Any

import pytest

from batches.intake import jpeg2000, pixels, sandbox
from tests.batches.intake import pictures


@pytest.mark.parametrize(
    ("size", "wanted", "halvings"),
    [
        ((4000, 3000), (1600, 1200), 1),
        ((4000, 3000), (320, 240), 3),
        ((4000, 3000), (4000, 3000), 0),
        ((9, 1), (3, 1), 0),
    ],
)
def test_sides_stay_as_long_as_wanted(size: tuple[int, int], wanted: tuple[int, int], halvings: int):
    data = pictures.encoded(pictures.marked((64, 64)), "JPEG2000")
    assert jpeg2000.halvings(io.BytesIO(data), size, wanted) == halvings


@pytest.mark.parametrize(("options", "levels"), [({}, 5), ({"num_resolutions": 3}, 2), ({"num_resolutions": 1}, 0)])
@pytest.mark.parametrize("bare", [True, False])
def test_the_file_says_how_far_it_goes(options: dict[str, Any], levels: int, bare: bool):
    data = pictures.encoded(pictures.marked((512, 512)), "JPEG2000", no_jp2=bare, **options)
    file = io.BytesIO(data)
    assert jpeg2000.halvings(file, (2**20, 2**20), (1, 1)) == levels
    assert file.tell() == 0


@pytest.mark.parametrize("data", [b"", b"\xff\x4f\xff\x51", b"\xff\x4f" + b"\xff\x51\0\0" * 100, bytes(100_000)])
def test_nonsense_is_decoded_whole(data: bytes):
    assert jpeg2000.halvings(io.BytesIO(data), (4000, 3000), (100, 75)) == 0


def test_a_large_one_is_decoded_at_a_fraction(tmp_path, monkeypatch: pytest.MonkeyPatch):
    sizes: list[tuple[int, int]] = []
    real = pixels.resizable
    monkeypatch.setattr(pixels, "resizable", lambda image: sizes.append(image.size) or real(image))
    (tmp_path / "scan").write_bytes(pictures.encoded(pictures.marked((1200, 800)), "JPEG2000"))
    target = {"path": f"{tmp_path}/out", "part": f"{tmp_path}/part", "max_px": 150, "rotation": 0, "quality": 80}
    request = {"do": "derive", "path": f"{tmp_path}/scan", "page": 1, "max_pages": 1, "targets": [target]}
    assert sandbox.answer(request, 60_000_000) == {"ok": True, "size": (1200, 800)}
    assert sizes[0] == (150, 100)
