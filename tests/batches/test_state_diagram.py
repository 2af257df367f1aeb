import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from batches.management.commands import state_diagram
from batches.states import BatchStatus, CardStatus


def test_the_page_in_the_repository_is_up_to_date(capsys):
    call_command("state_diagram", "--check")
    assert "up to date" in capsys.readouterr().out


def test_every_status_stands_in_the_page():
    for status in (*BatchStatus, *CardStatus):
        assert f"| {status.value} |" in state_diagram.page()


def test_a_page_that_is_out_of_date_is_told_and_written_anew(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()
    with pytest.raises(CommandError, match="out of date"):
        call_command("state_diagram", "--check")
    call_command("state_diagram", verbosity=0)
    assert (tmp_path / "docs" / "states.md").read_text() == state_diagram.page()
