import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import Error, transaction
from django.utils import timezone

from batches.models import Batch, Clearing
from batches.states import BatchStatus
from cardocr_site.accounts import audit
from cardocr_site.accounts.models import AuditEntry

pytestmark = pytest.mark.django_db


def retention(*arguments: str) -> str:
    told = io.StringIO()
    call_command("retention", *arguments, stdout=told)
    return told.getvalue()


@pytest.fixture
def finished(batch: Batch) -> Batch:
    past = timezone.now() - timedelta(days=1000)
    Batch.objects.update(status=BatchStatus.COMPLETED, changed_at=past, total=0)
    return Batch.objects.get()


def test_it_lists_and_deletes_nothing(finished: Batch):
    found = json.loads(retention("--json"))["found"]
    assert (found["finished"], found["drafts"], found["trash"]) == (1, 0, 0)
    assert {"replies", "readings", "sessions", "tokens", "notices"} <= found.keys()
    assert "1  Finished batches (finished)" in retention()
    assert "0  Finished batches (finished)" in retention("--months", "40")
    assert Batch.objects.exists()


def test_only_what_a_preview_named_is_deleted(finished: Batch, monkeypatch: pytest.MonkeyPatch):
    told = json.loads(retention("--preview", "finished", "--json"))
    assert (told["batches"], told["items"][0]["name"], told["items"][0]["state"]) == (1, "Drawer 12", "waiting")
    assert f"Token: {Clearing.objects.last().token}" not in retention("--preview", "finished")
    with pytest.raises(CommandError, match="There is no preview"):
        retention("--delete", "0" * 16, "--yes")
    monkeypatch.setattr("builtins.input", lambda asked: "7")
    with pytest.raises(CommandError, match="That is not the number"):
        retention("--delete", told["token"])
    assert Batch.objects.exists()
    done = json.loads(retention("--delete", told["token"], "--yes", "--json"))
    assert done["items"][0]["state"] == "done"
    assert not Batch.objects.exists()
    assert json.loads(retention("--delete", told["token"], "--yes", "--json")) == done, "again is harmless"


def test_entries_of_the_audit_log_go_by_command_alone_and_one_says_so(
    administrator: Any, monkeypatch: pytest.MonkeyPatch
):
    now = timezone.now()
    for days in (2000, 1500, 10):
        AuditEntry.objects.create(act="sign_in", at=now - timedelta(days=days))
    before = AuditEntry.objects.count()
    monkeypatch.setattr("builtins.input", lambda asked: "no")
    with pytest.raises(CommandError, match="Nothing was deleted"):
        retention("--audit", "--months", "36")
    assert "2 entries" in retention("--audit", "--months", "36", "--yes")
    assert AuditEntry.objects.count() == before - 2 + 1
    told = AuditEntry.objects.get(act="audit_pruned").details
    assert told["number"] == 2
    assert told["from"].startswith((now - timedelta(days=2000)).date().isoformat())
    assert told["to"].startswith((now - timedelta(days=1500)).date().isoformat())
    assert "0 entries" in retention("--audit", "--months", "36", "--yes")
    assert AuditEntry.objects.filter(act="audit_pruned").count() == 1
    with pytest.raises(Error), transaction.atomic():  # as before
        AuditEntry.objects.filter(act="sign_in")._raw_delete("default")


def test_a_pruning_that_fails_leaves_the_log_as_it_was(administrator: Any, monkeypatch: pytest.MonkeyPatch):
    AuditEntry.objects.create(act="sign_in", at=timezone.now() - timedelta(days=2000))
    before = AuditEntry.objects.count()
    monkeypatch.setattr(audit, "record", lambda *given, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        retention("--audit", "--yes")
    assert AuditEntry.objects.count() == before
    with pytest.raises(Error), transaction.atomic():
        AuditEntry.objects.filter(act="sign_in")._raw_delete("default")


@pytest.mark.parametrize("months", ["0", "601"])
def test_a_number_of_months_that_makes_no_sense(db: None, months: str):
    with pytest.raises(CommandError, match="from 1 to 600"):
        retention("--months", months)
