import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from batches import exports
from batches.models import Batch, Card


def export(*arguments: str, **options: object) -> str:
    told = io.StringIO()
    call_command("export", *arguments, stderr=told, **options)
    return told.getvalue()


@pytest.mark.parametrize("attribute", ["uid", "label", "pk"])
def test_a_batch_is_named_by_label_uid_or_number(batch: Batch, card: Card, tmp_path: Path, attribute: str) -> None:
    Batch.objects.filter(pk=batch.pk).update(label="Drawer_12_x")
    batch.refresh_from_db()
    told = export(str(getattr(batch, attribute)), out=str(tmp_path / "out.csv"))
    assert "Cards of “Drawer 12” written to" in told
    assert "card-0001.jpg" in (tmp_path / "out.csv").read_text()


def test_json_goes_to_standard_output(batch: Batch, card: Card, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    export(batch.uid, format="json")
    assert json.loads(capfdbinary.readouterr().out)["cards"][0]["filename"] == "card-0001.jpg"


def test_excel_gets_its_mark_and_semicolons(batch: Batch, card: Card, tmp_path: Path) -> None:
    export(batch.uid, out=str(tmp_path / "out.csv"), bom=True, delimiter=";")
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfcard_id;version;file;")


def test_an_unknown_batch_is_told(db: None) -> None:
    with pytest.raises(CommandError, match="no batch with the label"):
        export("away")


def test_a_file_that_cannot_be_written_is_told(batch: Batch, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        export(batch.uid, out=str(tmp_path / "away" / "out.csv"))


def test_an_export_that_breaks_off_leaves_the_old_file(
    batch: Batch, make_cards: Callable[..., list[Card]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cards(2)
    out = tmp_path / "out.csv"
    out.write_text("the old one")

    def broken(batch: Batch, options: exports.Options) -> object:
        yield b"half a"
        raise MemoryError

    monkeypatch.setitem(exports.FORMATS, "csv", exports.Format("csv", "text/csv", broken))  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        export(batch.uid, out=str(out))
    assert out.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
