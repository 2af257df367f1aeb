import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from batches.management.commands import error_table
from ocr import errors


def test_the_page_in_the_repository_is_up_to_date(capsys):
    call_command("error_table", "--check")
    assert "up to date" in capsys.readouterr().out


def test_every_code_stands_in_the_page_with_its_words():
    for kind in errors.catalogue():
        assert f"| `{kind.reason}` | {kind.sentence} | {kind.advice} |" in error_table.page()


def test_a_page_that_is_out_of_date_is_told_and_written_anew(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()
    with pytest.raises(CommandError, match="out of date"):
        call_command("error_table", "--check")
    call_command("error_table", verbosity=0)
    assert (tmp_path / "docs" / "errors.md").read_text() == error_table.page()
