"""`manage.py doctor`: its lines, its advice, and how it ends."""

import io
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings as site
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from batches.intake import decoders, durable, store
from batches.models import Batch, Card, Worker
from cardocr_site import doctor
from cardocr_site.accounts.models import User
from cardocr_site.doctor import installation, records, storage
from cardocr_site.doctor.told import Told, some
from ocr.models import Engine
from ocr.probe.findings import State
from tests import vlm_server

KEY = "sk-canary-0123456789"


class Visit(NamedTuple):
    status: int
    text: str

    def line(self, about: str) -> str:
        """The first line about this."""
        return next(line for line in self.text.splitlines() if f" {about}:" in line)


@pytest.fixture
def visit(transactional_db: None) -> Callable[..., Visit]:
    def run(*arguments: str) -> Visit:
        out = io.StringIO()
        status = 0
        try:
            call_command("doctor", *arguments, stdout=out, no_color=True)
        except SystemExit as end:
            status = int(end.code or 0)
        assert KEY not in out.getvalue()
        return Visit(status, out.getvalue())

    return run


@pytest.fixture
def endpoint(vlm: vlm_server.Server) -> Engine:
    vlm.models = [{"id": "stub"}]
    Engine.objects.filter(name="local").update(enabled=False)
    Engine.objects.exclude(name__in=["local", "stub"]).delete()
    engine = Engine.objects.get(name="stub")
    engine.set_key(KEY)
    engine.max_in_flight = 1
    engine.save()
    return engine


def only(told: Any) -> Told:
    (one,) = list(told)
    assert isinstance(one, Told)
    return one


def test_a_sound_installation_ends_with_nothing_failed(visit: Callable[..., Visit], endpoint: Engine) -> None:
    now = timezone.now()
    Worker.objects.create(uid="w", host="h", pid=1, started_at=now, seen_at=now)
    seen = visit()
    assert seen.status == 0, seen.text
    assert "FAILED" not in seen.text
    assert seen.line("database").startswith("OK ")
    assert seen.line("stub: Sees pictures") == "OK       stub: Sees pictures: It read the code that was drawn for it."
    assert "0 failed." in seen.text.splitlines()[-1]


def test_every_line_that_is_not_ok_says_what_to_do(visit: Callable[..., Visit], endpoint: Engine) -> None:
    lines = [line for line in visit("--no-calls").text.splitlines()[:-1] if not line.startswith("OK")]
    assert lines
    assert all(" → " in line for line in lines)


def test_a_failed_engine_ends_with_one_and_advice(
    visit: Callable[..., Visit], endpoint: Engine, vlm: vlm_server.Server
) -> None:
    vlm.key = "sk-another"
    seen = visit()
    assert seen.status == 1
    assert seen.line("stub: Key").startswith("FAILED")
    assert "→ Enter the key again" in seen.line("stub: Key")
    assert "1 failed." in seen.text


def test_without_calls_an_engine_is_asked_for_its_list_alone(
    visit: Callable[..., Visit], endpoint: Engine, vlm: vlm_server.Server
) -> None:
    seen = visit("--no-calls")
    assert seen.status == 0
    assert seen.line("stub: Model").startswith("OK")
    assert vlm.calls == []
    assert "probe" not in str(Engine.objects.get(pk=endpoint.pk).profile)


def test_one_engine_alone_is_tested_even_out_of_use(
    visit: Callable[..., Visit], endpoint: Engine, vlm: vlm_server.Server
) -> None:
    Engine.objects.filter(name="local").update(enabled=True)
    Engine.objects.filter(pk=endpoint.pk).update(enabled=False)
    seen = visit("--engine", "stub")
    assert seen.line("stub: Answers").startswith("OK")
    assert "local:" not in seen.text
    assert Engine.objects.get(pk=endpoint.pk).profile["stub"]["probe"]["calls"] == len(vlm.calls)


def test_an_engine_that_there_is_not_is_refused_with_the_names(visit: Callable[..., Visit], endpoint: Engine) -> None:
    with pytest.raises(CommandError, match=r"There are: local, stub"):
        visit("--engine", "nope")


def test_without_an_engine_in_use_it_says_so(visit: Callable[..., Visit]) -> None:
    Engine.objects.update(enabled=False)
    assert "Administration, Engines, Add" in visit().line("engines")


def test_words_of_an_endpoint_stay_on_one_line(
    visit: Callable[..., Visit], endpoint: Engine, vlm: vlm_server.Server
) -> None:
    vlm.key = "x"
    assert all(line[:8].strip() in ("OK", "warning", "FAILED") for line in visit().text.splitlines()[:-1])


def test_a_check_that_breaks_is_a_failure_and_the_others_go_on(
    visit: Callable[..., Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError("odd")
        yield

    monkeypatch.setattr(storage, "space", broken)
    seen = visit("--no-calls")
    assert seen.status == 1
    assert "RuntimeError: odd" in seen.line("broken")
    assert seen.line("opening images").startswith("OK")


def test_without_a_database_what_needs_one_is_not_asked(
    visit: Callable[..., Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable() -> Any:
        yield doctor.failed("database", "gone", "bring it back")

    monkeypatch.setattr(records, "database", unreachable)
    seen = visit()
    assert seen.status == 1
    assert "consumer" not in seen.text
    assert seen.line("data folder").startswith("OK")


def test_a_database_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    def cursor() -> Any:
        raise DatabaseError("unable to open database file")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", cursor)
        told = only(records.database())
    assert (told.state, "unable to open" in told.meaning) == (State.FAILED, True)


def test_migrations_that_are_left_are_named(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app='batches' AND name >= '0002'")
    told = next(records.database())
    assert told.state == State.FAILED
    assert "batches.0002_extraction" in told.meaning


def test_a_database_of_a_newer_version_is_said_to_be_one(db: None) -> None:
    MigrationRecorder(connection).record_applied("batches", "9999_later")
    told = next(records.database())
    assert told.state == State.FAILED
    assert "of a newer version: batches.9999_later" in told.meaning
    assert "Install that one" in told.advice


def test_damage_is_told(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    class Cursor:
        def __enter__(self) -> "Cursor":
            return self

        def __exit__(self, *_error: object) -> None: ...

        def execute(self, statement: str) -> "Cursor":
            self.rows = [("delete",)] if "journal" in statement else [("row 7 missing from index card_place",)]
            return self

        def fetchone(self) -> Any:
            return self.rows[0]

        def fetchall(self) -> Any:
            return self.rows

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", Cursor)
        journal, damage = records._sqlite("database")
    assert (journal.state, damage.state) == (State.WARNING, State.FAILED)
    assert "row 7 missing" in damage.meaning


def test_a_consumer_that_does_not_run_matters_where_batches_wait(batch: Batch) -> None:
    assert only(records.consumer()).state == State.WARNING
    long_ago = timezone.now() - timedelta(minutes=2)
    Worker.objects.create(uid="w", host="h", pid=1, started_at=long_ago, seen_at=long_ago)
    Batch.objects.update(status="queued")
    told = only(records.consumer())
    assert (told.state, "serve" in told.advice) == (State.FAILED, True)
    Worker.objects.update(seen_at=timezone.now())
    assert only(records.consumer()).state == State.OK


def test_a_queue_that_nobody_takes_from_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records.HUEY, "pending_count", lambda: 5000)
    assert "5000 doorbells" in only(records.queue()).meaning


def test_a_queue_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise RuntimeError("Connection refused.")

    monkeypatch.setattr(records.HUEY, "pending_count", refused)
    told = only(records.queue())
    assert (told.state, told.meaning) == (State.FAILED, "It cannot be reached: Connection refused.")


@pytest.mark.parametrize(
    ("ahead", "state", "said"),
    [(4, State.OK, "agree"), (-6, State.WARNING, "6 s behind"), (90, State.WARNING, "90 s ahead of")],
)
def test_a_clock_that_is_not_the_databases_is_told(
    monkeypatch: pytest.MonkeyPatch, ahead: int, state: State, said: str
) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    monkeypatch.setattr(records.clock, "learn", timezone.now)
    monkeypatch.setattr(records.clock, "skew", lambda: timedelta(seconds=ahead))
    (told,) = records.time_of_day()
    assert (told.state, said in told.meaning) == (state, True)


def test_a_key_that_others_may_read_is_told(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "encryption-key").write_text("x")
    (tmp_path / "encryption-key").chmod(0o644)
    settings.SECRET_KEY = "short"
    readable, short = installation.secrets()
    assert "chmod 600 encryption-key" in readable.advice
    assert "short" in short.meaning


def test_an_encryption_key_that_is_none_is_a_failure(settings: Any) -> None:
    settings.ENCRYPTION_KEY = "no key at all"
    told = list(installation.secrets())[-1]
    assert told.state == State.FAILED
    assert "no key at all" not in told.meaning + told.advice


@pytest.mark.parametrize(
    ("url", "state"),
    [
        ("http://127.0.0.1:8000", State.OK),
        ("http://localhost:8000", State.OK),
        ("https://cards.example.org", State.OK),
        ("http://cards.example.org", State.WARNING),
    ],
)
def test_an_address_without_https_is_told_unless_it_is_this_machine(settings: Any, url: str, state: State) -> None:
    from cardocr_site import public

    settings.PUBLIC_URLS, settings.SITE = [url], public.site([url])
    assert only(installation.address()).state == state


def test_debug_mode_is_told(settings: Any) -> None:
    settings.DEBUG = True
    assert "CARDOCR_DEBUG" in only(installation.debug()).advice


def test_a_channel_layer_that_loses_messages_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(installation.channel_layer()).state == State.OK
    monkeypatch.setattr(installation, "get_channel_layer", lambda: None)
    assert only(installation.channel_layer()).state == State.FAILED


@pytest.mark.parametrize(
    ("free", "state"), [(80_000_000_000, State.OK), (2_000_000_000, State.WARNING), (1000, State.FAILED)]
)
def test_little_room_is_told(monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": free}))
    assert only(storage.space()).state == state


def test_room_that_the_settings_keep_back_is_none(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.MIN_FREE_BYTES = 90_000_000_000
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 80_000_000_000}))
    told = only(storage.space())
    assert (told.state, "CARDOCR_MIN_FREE_MB" in told.meaning) == (State.FAILED, True)


def test_an_inbox_that_nobody_owns_or_may_empty_is_told(
    administrator: User, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INBOX_DIR = tmp_path / "inbox"
    (settings.INBOX_DIR / "Drawer 12").mkdir(parents=True)
    assert only(storage.watched_inbox()).state == State.OK
    settings.INBOX_OWNER = "nobody"
    assert "nobody" in only(storage.watched_inbox()).meaning
    settings.INBOX_OWNER = ""
    User.objects.update(is_active=False)
    assert only(storage.watched_inbox()).state == State.WARNING
    User.objects.update(is_active=True)
    monkeypatch.setattr(storage.os, "access", lambda path, _how: Path(path).name != "Drawer 12")
    told = only(storage.watched_inbox())
    assert (told.state, "Drawer 12" in told.meaning) == (State.FAILED, True)


def test_a_folder_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(durable, "write", refused)
    told = only(storage.writable())
    assert (told.state, "Permission denied" in told.meaning) == (State.FAILED, True)


def test_a_decoder_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders.sys, "executable", "/bin/false")
    assert only(storage.decoders()).state == State.FAILED


def test_the_decoders_check_leaves_nothing_behind() -> None:
    before = store.parts()
    assert only(storage.decoders()).state == State.OK
    assert store.parts() == before


def test_old_parts_are_told() -> None:
    part = store.part()
    part.write_bytes(b"x")
    assert only(storage.leftovers()).state == State.OK
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(part, (two_days_ago, two_days_ago))
    assert only(storage.leftovers()).state == State.WARNING


def test_scans_that_are_gone_are_named(make_cards: Callable[..., list[Card]]) -> None:
    make_cards(12)
    told = only(storage.missing())
    assert told.state == State.FAILED
    assert "12 are gone: Drawer 12: card-0001.jpg" in told.meaning
    assert "(+2)" in told.meaning


def test_a_long_list_is_cut() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(["a", "b", "c"], 2) == "a, b … (+1)"


def test_it_looks_at_the_folder_of_the_settings() -> None:
    assert str(site.DATA_DIR) in only(storage.writable()).meaning
