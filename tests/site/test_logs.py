"""Each line of the log is one line, and tells whose it is."""

import io
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError, ProgrammingError, connection
from django.test import Client

from batches.drain import asked
from batches.models import Batch
from cardocr_site import access_log, log_context, log_lines, redaction
from cardocr_site.accounts.models import User
from ocr.errors import ExtractionError
from tests.batches.api.streamed import token_of

HOSTILE = [
    'Drawer 12\n2026-11-28T00:00:00.000Z ERROR root [-]: {"level": "ERROR"}',
    "Drawer\r\n\x1b[31mred\x1b[0m\x07",
    "\u202egpj.drac \u2066\u200b\u2028\u2029\x85",
    'quotes " and \\ and \ud83d half',
    "\x00\x1c\x0b",
]
log = logging.getLogger("tests.lines")


class Written:
    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(formatter)
        self.handler.addFilter(log_lines.Told())

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def _writing(formatter: logging.Formatter) -> Iterator[Written]:
    written, root = Written(formatter), logging.getLogger()
    root.addHandler(written.handler)
    yield written
    root.removeHandler(written.handler)


@pytest.fixture
def as_json() -> Iterator[Written]:
    yield from _writing(log_lines.JsonLine())


@pytest.fixture
def as_text() -> Iterator[Written]:
    yield from _writing(log_lines.TextLine())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_is_one_object_whatever_a_name_holds(as_json: Written, name: str):
    with log_context.of(batch=12, engine=name):
        log.warning("Batch %s is paused.", name)
        try:
            raise ValueError(name)
        except ValueError:
            log.exception("It failed: %s", name)
    first, second = as_json.objects
    assert len(as_json.lines) == 2
    assert all(line.isascii() and line.isprintable() for line in as_json.lines)
    shown = name.encode("utf-8", "backslashreplace").decode()
    assert (first["message"], first["batch"], first["engine"]) == (f"Batch {shown} is paused.", 12, shown)
    assert (second["level"], second["exception"]["type"]) == ("ERROR", "ValueError")
    assert second["exception"]["message"] == shown
    assert "raise ValueError(name)" in second["exception"]["traceback"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_ends_a_line_of_text_or_paints_a_terminal(as_text: Written, name: str):
    with log_context.of(batch=12):
        log.warning("Batch %s is paused.", name)
        try:
            raise ValueError(name)
        except ValueError:
            log.exception("It failed.")
    first, second, *trace = as_text.stream.getvalue().rstrip("\n").split("\n")
    assert " WARNING tests.lines [- batch=12]: Batch " in first
    assert second.endswith("[- batch=12]: It failed.")
    assert all(line.startswith("  ") for line in trace)
    assert any("ValueError" in line for line in trace)
    assert all(line.isprintable() for line in as_text.stream.getvalue().rstrip("\n").split("\n"))


def test_time_is_universal_with_milliseconds(as_json: Written, as_text: Written):
    record = log.makeRecord(log.name, logging.WARNING, "", 1, "Now", (), None)
    record.created, record.msecs = 1_795_000_000.25, 250.0
    log.handle(record)
    assert as_json.objects[0]["time"] == "2026-11-18T11:06:40.250Z"
    assert as_text.lines[0].startswith("2026-11-18T11:06:40.250Z WARNING ")


def test_a_message_whose_placeholders_do_not_fit_is_told_all_the_same(as_json: Written):
    as_json.handler.handle(log.makeRecord(log.name, logging.WARNING, "", 1, "Of %s and %s", ("one",), None))
    assert as_json.objects[0]["message"] == "Of %s and %s ('one',)"


class Driver(Exception):
    """What a driver of PostgreSQL raises: with a SQLSTATE where the server has answered."""

    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "cause", "is_short"),
    [
        (OperationalError("server closed\nthe connection"), Driver(None), True),
        (InterfaceError("the connection is closed"), Driver(None), True),
        (OperationalError("the database system is starting up"), Driver("57P03"), True),
        (OperationalError("out of memory"), Driver("53200"), False),
        (ProgrammingError("no such column"), Driver(None), False),
        (OperationalError("database is locked"), sqlite3.OperationalError(), False),
        (OperationalError("of nobody"), None, False),
    ],
)
def test_an_outage_of_the_database_is_told_without_where_it_was_noticed(
    as_text: Written, as_json: Written, error: Exception, cause: Exception | None, is_short: bool
):
    try:
        raise error from cause
    except Exception:
        log.exception("A round of sweep failed.")
    (told,) = as_json.objects
    assert told["exception"]["message"] == str(error)
    shown = f"{type(error).__name__}: {error}".splitlines()
    assert as_text.lines[-1].endswith(shown[-1])
    assert ("Traceback" not in told["exception"]["traceback"]) is is_short
    assert (len(as_text.lines) == 1 + len(shown)) is is_short


def test_a_connection_that_is_ended_is_such_an_outage(transactional_db, as_json: Written):
    if connection.vendor != "postgresql":
        pytest.skip("about connections of a PostgreSQL")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    except OperationalError as error:
        log.exception("A round of sweep failed.")
        log.error("The watcher cannot look.", exc_info=error.__cause__)  # it asks past Django
    connection.close()
    for told in as_json.objects[:2]:
        assert "Traceback" not in told["exception"]["traceback"]
        assert "terminating connection" in told["exception"]["traceback"]


def test_keys_are_in_no_part_of_an_object(as_json: Written):
    with log_context.of(engine="sk-c4nary0123456789"):
        try:
            raise ValueError("Bearer c4nary0123456789secret")
        except ValueError:
            log.exception("Authorization: Bearer %s", "c4nary0123456789secret")
    assert "c4nary" not in as_json.stream.getvalue()
    assert as_json.objects[0]["exception"]["message"] == f"Bearer {redaction.GONE}"


@pytest.fixture
def each_query_tells() -> Iterator[None]:
    def tell(execute: Callable[..., Any], *given: Any) -> Any:
        log.warning("A query.")
        return execute(*given)

    with connection.execute_wrapper(tell):
        yield


@pytest.mark.usefixtures("each_query_tells")
def test_lines_of_a_view_tell_request_user_and_batch(client: Client, user: User, batch: Batch, as_json: Written):
    client.force_login(user)
    client.get(f"/batches/{batch.pk}/", headers={"X-Request-ID": "harvest-2026.1"})
    first, *_, last = [line for line in as_json.objects if "request" in line]
    assert first["request"] == "harvest-2026.1"
    assert "user" not in first, "it is not looked up for the log's sake"
    assert (last["user"], last["batch"]) == (str(user.pk), batch.pk)
    as_json.stream.truncate(0)
    log.warning("Later, for nobody.")
    assert "request" not in as_json.stream.getvalue()


@pytest.mark.usefixtures("each_query_tells")
def test_lines_of_a_call_tell_whose_token_it_was(client: Client, user: User, batch: Batch, as_json: Written):
    token = token_of(user)
    client.get(f"/api/v1/batches/{batch.pk}", headers={"Authorization": f"Bearer {token}"})
    last = as_json.objects[-1]
    assert (last["user"], last["batch"]) == (str(user.pk), batch.pk)
    assert token not in as_json.stream.getvalue()


def test_what_an_address_stands_for():
    values = {"pk": 3, "card_pk": 7, "scan_pk": 9}
    assert log_lines.of_address("batches/<int:pk>/cards/<int:card_pk>/scans/<int:scan_pk>/", values) == {
        "batch": 3,
        "card": 7,
    }
    assert log_lines.of_address("api/v1/engines/<int:engine_id>/test", {"engine_id": 4}) == {"engine": 4}
    words = {"batch_id": "4" * 5000, "card_id": "12"}
    found = log_lines.of_address("api/v1/batches/{batch_id}/cards/{card_id}", words)
    assert found == {"batch": "4" * 5000, "card": 12}
    assert log_lines.of_address("templates/<int:pk>/", values) == {}


def test_a_request_that_nobody_signed_in_for_has_no_user(rf):
    request = rf.get("/")
    request.user = AnonymousUser()
    assert log_lines.of_request(request) == {}
    assert log_lines.of_request(None) == {}


def test_a_thread_that_was_not_expected_to_end_tells_so_in_the_log(monkeypatch, as_json: Written):
    import sys
    import threading

    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logging, "captureWarnings", lambda on: None)
    log_lines.take_over()
    thread = threading.Thread(target=lambda: 1 / 0, name="a\nb")
    thread.start()
    thread.join()
    sys.excepthook(ExtractionError, ExtractionError("no"), None)
    first, second = as_json.objects
    assert (first["message"], first["exception"]["type"]) == ("Thread a\nb ended.", "ZeroDivisionError")
    assert (second["level"], second["exception"]["message"]) == ("CRITICAL", "no")


class Answered:
    method, uri, code, sentLength, client_addr = b"GET", b"/batches/?q=Grieg", 200, 512, ["192.0.2.1", 5000]

    def duration(self) -> float:
        return 0.12345


def test_the_access_log_holds_no_words_that_were_looked_for(monkeypatch, as_json: Written, as_text: Written):
    monkeypatch.setattr(access_log._log, "level", logging.INFO)
    access_log.answered(Answered(), {"user": 3, "request": "harvest-2026.1", "client": ""})
    access_log.socket("websocket", "connected", {"path": "/ws/batches/?token=x", "client": "192.0.2.1:5000"})
    access_log.socket("http", "complete", {})
    page, socket = as_json.objects
    assert {name: page[name] for name in ("method", "path", "status", "bytes", "seconds", "client", "user")} == {
        "method": "GET",
        "path": "/batches/",
        "status": 200,
        "bytes": 512,
        "seconds": 0.123,
        "client": "192.0.2.1",
        "user": 3,
    }
    assert (socket["message"], socket["path"]) == ("WebSocket /ws/batches/ opened for 192.0.2.1", "/ws/batches/")
    assert (
        " INFO cardocr.access [harvest-2026.1 user=3]: GET /batches/ 200 512 bytes in 0.123 s for 192.0.2.1"
        in (as_text.lines[0])
    )


def test_only_the_last_requests_are_remembered(monkeypatch):
    monkeypatch.setattr(asked, "MOST", 2)
    monkeypatch.setattr(asked, "_requests", asked.OrderedDict())
    for batch in (1, 2, 3):
        with log_context.of(request=f"request-{batch}"):
            asked.note(batch)
    asked.note(3)  # a bell of nobody's
    assert [asked.by(batch) for batch in (1, 2, 3)] == [None, "request-2", "request-3"]


def test_what_is_begun_for_others_does_not_tell_of_who_began_it():
    with log_context.of(user=3):
        assert log_context.apart().run(log_context.told) == {}
        assert log_context.told() == {"user": 3}
