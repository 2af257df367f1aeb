import csv
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from PIL import Image

from batches import drain
from batches.management.commands import extract as extract_command
from batches.models import Batch
from batches.states import BatchStatus, CardStatus
from ocr.models import Engine
from templates_app.models import FieldTemplate
from tests import vlm_server
from tests.batches.intake import odd, zips

FIELDS = "Author,Title,Year"


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


def extract(*arguments: object, **options: object) -> str:
    told = io.StringIO()
    call_command("extract", *map(str, arguments), stderr=told, **options)
    return told.getvalue()


def test_a_folder_becomes_a_table_in_natural_order(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    scans = folder(card_10=10, card_2=2, below__card_1=1)
    told = extract(scans, fields=FIELDS, out=str(tmp_path / "out.csv"))
    rows = table(tmp_path / "out.csv")
    assert [row["file"] for row in rows] == ["below/card_1.png", "card_2.png", "card_10.png"]
    assert [row["Author"] for row in rows] == ["author 1", "author 2", "author 10"]
    assert "3 of 3 cards read, 0 not read" in told
    assert Batch.objects.get().status == BatchStatus.COMPLETED
    assert Batch.objects.get().name == "drawer"


@pytest.mark.parametrize(("how", "calls"), [("skip", 1), ("overwrite", 3)])
def test_what_was_read_before_is_paid_for_again_only_where_that_is_wanted(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path, how: str, calls: int
) -> None:
    out = str(tmp_path / "out.csv")
    extract(folder(card_1=1, card_2=2), fields=FIELDS, out=out)
    before = len(vlm.calls)
    extract(folder(card_1=1, card_2=2, card_3=3), fields=FIELDS, out=out, on_duplicate=how)
    assert len(vlm.calls) == before + calls
    assert [row["Author"] for row in table(tmp_path / "out.csv")] == ["author 1", "author 2", "author 3"]
    assert Batch.objects.first().completed == 3


def test_a_folder_that_was_read_before_as_a_whole_is_a_table_at_once(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    for _time in range(2):
        told = extract(folder(card_1=1), fields=FIELDS, out=str(tmp_path / "out.csv"))
        assert "1 of 1 cards read" in told
    assert len(vlm.calls) == 1
    assert table(tmp_path / "out.csv")[0]["Author"] == "author 1"


def test_a_refused_file_is_named_and_the_rest_is_read(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    scans = folder(card_1=1)
    (scans / "notes.txt").write_text("not a scan")
    (scans / ".hidden").write_text("left out")
    told = extract(scans, fields=FIELDS, out=str(tmp_path / "out.csv"))
    assert "Refused: notes.txt: This is not an image" in told
    assert ".hidden" not in told
    assert len(table(tmp_path / "out.csv")) == 1


def test_scans_come_in_any_format(vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path) -> None:
    scans = folder(card_1=1)
    cards = {n: Image.open(io.BytesIO(vlm_server.card_image(n))) for n in range(2, 6)}
    (scans / "2.heic").write_bytes(odd.heic(cards[2]))
    cards[3].save(scans / "3.pdf", save_all=True, append_images=[cards[4]])
    (scans / "4.zip").write_bytes(zips.ordinary({"in/5.png": vlm_server.card_image(5), "in/list.csv": b"a;b"}))
    told = extract(scans, fields=FIELDS, out=str(tmp_path / "out.csv"))
    assert "Refused: 4.zip: in/list.csv: This is not an image" in told
    rows = {row["file"]: row["Author"] for row in table(tmp_path / "out.csv")}
    assert rows == {
        "card_1.png": "author 1",
        "2.heic": "author 2",
        "3.pdf#1": "author 3",
        "3.pdf#2": "author 4",
        "in/5.png": "author 5",
    }


def test_a_card_that_is_not_read_has_its_row_and_the_exit_code_says_so(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vlm.fail(2, "400")
    with pytest.raises(SystemExit) as left:
        extract(folder(card_1=1, card_2=2), fields=FIELDS, out=str(tmp_path / "out.csv"))
    assert left.value.code == 1
    rows = table(tmp_path / "out.csv")
    assert [row["status"] for row in rows] == ["completed", "failed"]
    assert rows[1]["error"]


def test_a_refused_key_pauses_and_the_line_printed_goes_on(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    vlm.fail(1, "401")
    out = str(tmp_path / "out.csv")
    told = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("extract", str(folder(card_1=1)), fields=FIELDS, out=out, stderr=told)
    batch = Batch.objects.get()
    assert f"manage.py extract --resume {batch.label} --out {out}" in told.getvalue()
    vlm.heal()
    extract(resume=batch.label, out=out)
    assert table(tmp_path / "out.csv")[0]["Author"] == "author 1"


def test_ctrl_c_gives_leases_back_and_says_how_to_go_on(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm.delay = 0.5
    run_here = drain.run_here

    def interrupted(batch: Batch, **options: object) -> None:
        def stop(batch: Batch) -> None:
            if batch.completed:
                raise KeyboardInterrupt

        run_here(batch, on_change=stop)

    monkeypatch.setattr(drain, "run_here", interrupted)
    told = io.StringIO()
    numbers = {f"card_{n}": n for n in range(1, 31)}
    with pytest.raises(SystemExit) as left:
        call_command("extract", str(folder(**numbers)), fields=FIELDS, out=str(tmp_path / "a.csv"), stderr=told)
    batch = Batch.objects.get()
    assert left.value.code == 130
    assert f"--resume {batch.label}" in told.getvalue()
    assert batch.pending
    assert not batch.processing
    assert not batch.cards.exclude(worker=None).exists()
    monkeypatch.undo()
    vlm.delay = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.VLM_URL", vlm.url)
        extract(resume=batch.uid, out=str(tmp_path / "a.csv"))
    assert [row["Author"] for row in table(tmp_path / "a.csv")] == [f"author {n}" for n in range(1, 31)]
    assert len(vlm.calls) == 30


def test_a_template_gives_the_fields_by_name_or_as_a_file(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    scans = folder(card_1=1)
    version = FieldTemplate.objects.create(name="Music").versions.create(number=1, instruction="Read all.")
    version.fields.create(key="author", label="Composer")
    extract(scans, template="Music", out=str(tmp_path / "a.csv"))
    assert table(tmp_path / "a.csv")[0]["Composer"] == "author 1"
    file = tmp_path / "fields.json"
    said = {
        "name": "x",
        "fields": [{"key": "title", "label": "Titel"}],
        "instruction": "Hm.",
        "scans": {"rotation": 90},
    }
    file.write_text(json.dumps(said))
    extract(scans, template=str(file), out=str(tmp_path / "b.csv"))
    assert table(tmp_path / "b.csv")[0]["Titel"] == "title 1"
    batch = Batch.objects.get(instruction="Hm.")
    assert batch.option("rotation") == batch.cards.get().rotation == 90


def test_the_engine_is_chosen_by_name_and_model(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    Engine.objects.update(is_default=False)
    extract(folder(card_1=1), fields="Author", engine="stub", model="large", out=str(tmp_path / "a.csv"))
    assert Batch.objects.get().model == "large"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "Say which fields"),
        ({"fields": FIELDS, "template": "Music"}, "Say which fields"),
        ({"template": "Nothing"}, "There is no template"),
        ({"fields": FIELDS, "engine": "nobody"}, "There is no engine “nobody”"),
        ({"fields": " , "}, "at least one field"),
        ({"resume": "nothing"}, "leave the files out"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    vlm: vlm_server.Server, folder: Callable[..., Path], options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        extract(folder(card_1=1), **options)


def test_nothing_to_read_is_a_mistake(vlm: vlm_server.Server, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing to read"):
        extract(fields=FIELDS)
    with pytest.raises(CommandError, match="is not there"):
        extract(tmp_path / "away", fields=FIELDS)
    with pytest.raises(CommandError, match="no batch"):
        extract(resume="away")


def test_a_broken_template_file_is_told_with_its_name(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(CommandError, match=r"broken\.json"):
        extract(folder(card_1=1), template=str(tmp_path / "broken.json"))


def test_a_draft_and_a_finished_batch_cannot_be_gone_on_with_blindly(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    extract(folder(card_1=1), fields=FIELDS, out=str(tmp_path / "a.csv"))
    batch = Batch.objects.get()
    extract(resume=str(batch.pk), out=str(tmp_path / "b.csv"))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert len(vlm.calls) == 1
    Batch.objects.update(status=BatchStatus.DRAFT)
    with pytest.raises(CommandError, match="not started"):
        extract(resume=batch.uid)


def test_a_terminal_gets_a_bar_and_a_log_plain_lines(batch: Batch) -> None:
    batch.total, batch.pending, batch.completed, batch.status = 4, 2, 2, BatchStatus.RUNNING
    screen = io.StringIO()

    class Out:
        def write(self, text: str, ending: str = "\n") -> None:
            screen.write(text + ending)

        def flush(self) -> None:
            screen.flush()

    live = extract_command.Meter(Out(), live=True)
    live.show(batch)
    live.end()
    assert "\r[###############...............] 50 %" in screen.getvalue()
    screen.truncate(0)
    plain = extract_command.Meter(Out(), live=False)
    plain.show(batch)
    plain.show(batch)
    assert screen.getvalue().count("50 %") == 1


def test_two_that_drain_one_batch_read_each_card_once(
    vlm: vlm_server.Server, folder: Callable[..., Path], tmp_path: Path
) -> None:
    """The command waits for cards that another process holds, here a second drain in a thread."""
    vlm.delay = 0.05
    numbers = {f"card_{n:02d}": n for n in range(1, 21)}
    other: list[threading.Thread] = []
    run_here = drain.run_here

    def beside(batch: Batch) -> None:
        try:
            run_here(batch, on_change=lambda batch: None)
        finally:
            connection.close()

    def both(batch: Batch, **options: object) -> None:
        other.append(threading.Thread(target=beside, args=(batch,)))
        other[0].start()
        run_here(batch, on_change=lambda batch: None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drain, "run_here", both)
        extract(folder(**numbers), fields=FIELDS, out=str(tmp_path / "a.csv"))
    other[0].join(30)
    assert len(vlm.calls) == 20
    assert [row["Author"] for row in table(tmp_path / "a.csv")] == [f"author {n}" for n in range(1, 21)]
    assert set(Batch.objects.get().cards.values_list("status", flat=True)) == {CardStatus.COMPLETED}
