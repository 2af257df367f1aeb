"""Every file of the corpus goes through the real upload, and its scans through the real decoders."""

import io
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from PIL import Image

from batches.intake import decoders, derive, names, sandbox, store
from batches.models import Batch
from batches.states import UploadStatus
from batches.views.uploads import RAW
from cardocr_site.accounts.models import User
from tests.batches.intake import corpus, corpus_zips, pictures
from tests.batches.intake.corpus import File

FILES = [
    file
    for files in (corpus.images, corpus.tiffs, corpus.broken, corpus.bombs, corpus.documents, corpus_zips.archives)
    for file in files()
]
STATUS = {"": 200, corpus.TYPE: 415, corpus.SIZE: 413}
LARGEST = 512_000_000  # bytes that a child may take
_written: list[str] | None = None
_numbers = itertools.count()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Every place that this process writes to."""
    if _written is None:
        return
    if event == "open":
        path, _mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if isinstance(path, str | bytes | os.PathLike) and writes and not Path(os.fsdecode(path)).is_dir():
            # What is "opened" as a folder is a temporary file without a name.
            _written.append(os.fsdecode(path))
    elif event in {"os.rename", "os.link", "os.symlink"}:
        _written.append(os.fsdecode(arguments[1]))
    elif event == "os.mkdir":
        _written.append(os.fsdecode(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture
def written() -> Iterator[list[str]]:
    global _written
    _written = []
    yield _written
    _written = None


@pytest.fixture(scope="module", autouse=True)
def _short_time() -> Iterator[None]:
    """Files that take minutes are given up sooner here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoders, "DRAW_CPU", 1)
        yield


@pytest.fixture
def upload(client: Client, user: User, batch: Batch, settings) -> Callable[[File], int]:
    settings.MAX_IMAGE_BYTES = 1_900_000
    client.force_login(user)

    def send(file: File) -> int:
        data = file.make()
        about = {
            "Content-Type": RAW,
            "X-File-Path": quote(file.name, errors="replace"),
            "X-Client-Key": str(next(_numbers)),
        }
        address = reverse("card_add", args=[batch.pk])
        status: int = client.post(address, data, RAW, headers=about).status_code
        return 200 if status == 204 else status

    return send


def outside(written: list[str]) -> list[str]:
    places = (str(settings.DATA_DIR), "/dev/null")
    return [path for path in written if not path.startswith(places) and ".upload" not in path]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.id)
def test_each_file_gives_its_cards_or_its_refusal(batch: Batch, upload, written: list[str], file: File):
    status = upload(file)
    cards = list(batch.cards.order_by("position"))
    assert (status, len(cards)) == (STATUS[file.code], file.cards)
    refused = batch.uploads.exclude(parent=None)
    assert refused.count() == file.refused
    assert all(member.status == UploadStatus.REFUSED and member.message for member in refused)
    assert len({card.filename.lower() for card in cards}) == len(cards)
    if file.names:
        assert tuple(card.original_name for card in cards) == file.names
    derive.prepare_many(cards)
    unreadable = [card for card in cards if card.error]
    assert len(unreadable) == file.unreadable, [card.error_message for card in unreadable]
    for card in cards:
        if not card.error:
            seen(card)
    if cards and not cards[0].error and file.corner:
        assert pictures.dark_corner(opened(store.derived(cards[0], "page"))) == file.corner
    assert outside(written) == []
    assert store.parts() == []


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def seen(card: Any) -> None:
    """A person sees the card, whatever the format, and an engine gets what it can open."""
    page, thumb = opened(store.derived(card, "page")), opened(store.derived(card, "thumb"))
    assert (page.format, thumb.format) == ("JPEG", "JPEG")
    assert max(page.size) <= derive.PAGE_PX
    assert max(thumb.size) <= derive.THUMB_PX
    assert card.width > 0
    full = derive.prepared(card, full_resolution=True, max_px=1600)
    image = opened(full.path)
    assert image.format in {"JPEG", "PNG", "WEBP"}
    assert image.size == (full.width, full.height)


@pytest.mark.parametrize("file", list(corpus_zips.named()), ids=lambda file: file.id)
def test_each_name_is_kept_and_harms_nothing(batch: Batch, upload, written: list[str], file: File):
    assert upload(file) == 200
    (card,) = batch.cards.all()
    if file.names:
        assert card.original_name == file.names[0]
    folder = store.folder(batch)
    assert [path.name for path in folder.iterdir() if path.is_file()] == [card.filename]
    assert len(card.filename.encode()) <= names.MAX_BYTES
    assert card.filename.split(".")[0].lower() not in names._RESERVED
    assert set(card.filename) & set('/\\:*?"<>|\n\0 ') == set()
    assert outside(written) == []


def test_no_child_has_taken_more_than_its_share():
    """After all of the above; those that were killed are not here any more, and could not take more either."""
    peaks = []
    for pid in decoders.pool().children():
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        peaks += [int(line.split()[1]) * 1000 for line in lines if line.startswith("VmHWM")]
    assert all(peak < LARGEST for peak in peaks), peaks
    assert sandbox.BASE_MEMORY + sandbox.BYTES_PER_PIXEL * settings.MAX_IMAGE_PIXELS < 3 * LARGEST
