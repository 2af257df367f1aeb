"""ZIPs as they come, and ZIPs that lie."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from batches.intake import adding, containers, durable, receiving, store
from batches.models import Batch
from tests.batches.intake import pictures, zips
from tests.batches.intake.test_adding import files

Send = Callable[..., adding.Outcome]


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture
def send(batch: Batch) -> Send:
    def add(data: bytes, name: str = "box.zip", **options: str) -> adding.Outcome:
        return adding.add_file(batch, name, [data], **options)

    return add


def test_each_file_in_a_zip_becomes_a_card(batch: Batch, send: Send):
    outcome = send(
        packed({"Kasten A/Kärtchen 1.jpg": pictures.jpeg(), "b/2.png": pictures.encoded(pictures.marked(), "PNG")}),
        "Box 7/box.zip",
    )
    assert outcome.refusals == []
    assert [(card.original_name, card.filename, card.page) for card in outcome.cards] == [
        ("Box 7/Kasten A/Kärtchen 1.jpg", "Kärtchen-1.jpg", 0),
        ("Box 7/b/2.png", "2.png", 0),
    ]
    assert store.find(outcome.cards[0]).read_bytes() == pictures.jpeg()
    assert files(batch) == ["2.png", "Kärtchen-1.jpg"]
    assert store.parts() == []


def test_one_bad_file_spoils_no_other(batch: Batch, send: Send):
    outcome = send(
        packed(
            {
                "1.jpg": pictures.jpeg(),
                "list.csv": b"Shelfmark;Author\n",
                "2.jpg": pictures.truncated(pictures.jpeg(), 0.01),
                "3.tif": pictures.tiff([(60, 40), (30, 80)]),
            }
        )
    )
    assert [card.display_name for card in outcome.cards] == ["1.jpg", "3.tif#1", "3.tif#2"]
    assert [(one.index, one.name, one.code) for one in outcome.refusals] == [
        (1, "list.csv", "FILE_TYPE_INVALID"),
        (2, "2.jpg", "FILE_TYPE_INVALID"),
    ]


def test_a_zip_is_taken_in_steps_and_resumed(batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adding, "GROUP_CARDS", 2)
    members = {f"{n}.jpg": pictures.jpeg((60 + n, 40)) for n in range(1, 6)} | {"notes.txt": b"none"}
    received = receiving.receive(tmp_path / "part", [packed(members)])
    steps = adding.steps(batch, "box.zip", received, client_key="k" * 64)
    assert [(step.done, step.total, len(step.cards)) for step in (next(steps), next(steps))] == [(0, 6, 0), (2, 6, 2)]
    steps.close()
    again = list(adding.steps(batch, "box.zip", received, client_key="k" * 64))
    assert sum(len(step.cards) for step in again) == 5
    assert (again[-1].done, again[-1].total) == (6, 6)
    assert [one.name for step in again for one in step.refusals] == ["notes.txt"]
    assert batch.cards.count() == 5
    assert store.parts() == []
    assert received.path.is_file()


def test_each_card_gets_the_columns_that_are_wanted(batch: Batch, tmp_path: Path):
    received = receiving.receive(tmp_path / "part", [packed({"1.jpg": pictures.jpeg()})])
    steps = list(adding.steps(batch, "box.zip", received, columns={"tries": 1}))
    assert [card.tries for step in steps for card in step.cards] == [1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed({"1.jpg": pictures.jpeg(), "in.zip": packed({"2.jpg": b""})}), "An archive inside an archive"),
        (zips.written([zips.card(), zips.card(b"2.jpg", flags=1)]), "It is encrypted"),
        (zips.written([zips.card(), zips.link()]), "Links are not followed"),
        (zips.written([zips.card(), zips.card(b"2.jpg", local_name=b"3.jpg")]), "contradicts itself"),
        (zips.written([zips.card(), zips.card(b"2.jpg", crc=1)]), "damaged"),
        (zips.written([zips.card(), zips.card(b"2.jpg", size=50, local_size=50)]), "contradicts itself"),
        (zips.written([zips.card(), zips.card(b"2.jpg", size=50_000, local_size=50_000)]), "contradicts itself"),
        (zips.written([zips.card(), zips.card(b"2.jpg", method=99)]), "Pack it as an ordinary ZIP"),
        (zips.written([zips.card(), zips.card(b"2.jpg", packed_as=b"")]), "damaged"),
    ],
)
def test_each_refusal_in_a_zip_says_why(send: Send, data: bytes, words: str):
    outcome = send(data)
    assert len(outcome.cards) == 1
    assert [words in one.message for one in outcome.refusals] == [True], outcome.refusals


def opened(data: bytes) -> containers.Archive:
    return containers.Archive(io.BytesIO(data), len(data))


def test_no_more_is_unpacked_than_the_directory_says():
    archive = opened(zips.written([zips.Entry(b"1.bmp", bytes(50_000_000), size=1_000_000, local_size=1_000_000)]))
    pieces: list[bytes] = []
    with pytest.raises(receiving.Refused, match="contradicts itself"):
        pieces.extend(archive.unpack(archive.members[0]))
    assert sum(len(piece) for piece in pieces) <= 1_000_000


def test_all_members_together_unpack_to_no_more_than_the_limit(settings):
    archive = opened(zips.written(zips.Entry(b"%d" % n, bytes(100_000)) for n in range(5)))
    settings.MAX_UNPACKED_BYTES = 250_000  # the directory said less, say
    pieces: list[bytes] = []
    with pytest.raises(receiving.Refused, match="The ZIP unpacks to more than"):
        pieces.extend(piece for member in archive.members for piece in archive.unpack(member))
    assert 200_000 <= sum(len(piece) for piece in pieces) <= 250_000
    with pytest.raises(receiving.Refused) as caught:
        opened(zips.written(zips.Entry(b"%d" % n, bytes(100_000)) for n in range(5)))
    assert caught.value.code == "FILE_TOO_LARGE"


def test_what_follows_the_end_of_a_member_is_not_kept():
    entry = zips.card()
    archive = opened(zips.written([replace(entry, packed_as=entry.packed() + bytes(5_000_000))]))
    assert b"".join(archive.unpack(archive.members[0])) == entry.data


def test_a_batch_that_is_full_refuses_the_rest_alone(batch: Batch, send: Send, settings):
    settings.MAX_BATCH_CARDS = 2
    outcome = send(packed({f"{n}.jpg": pictures.jpeg() for n in range(4)}))
    assert len(outcome.cards) == 2
    assert [(one.name, one.code) for one in outcome.refusals] == [
        ("2.jpg", "VALIDATION_ERROR"),
        ("3.jpg", "VALIDATION_ERROR"),
    ]
    assert store.parts() == []


def test_a_failure_keeps_what_was_received(batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever holds the file can try again: nothing is in the folder, no row is made."""
    received = receiving.receive(tmp_path / "part", [pictures.jpeg()])

    def fail(path: Path) -> None:
        raise OSError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "sync_folder", fail)
        with pytest.raises(OSError, match="broken"):
            list(adding.steps(batch, "card.jpg", received))
    assert received.path.is_file()
    assert (files(batch), batch.cards.count()) == ([], 0)
    (step,) = adding.steps(batch, "card.jpg", received)
    assert len(step.cards) == 1
