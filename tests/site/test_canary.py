"""A key that an endpoint repeats in all that it answers is found nowhere but in its sealed column."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as site_settings
from django.core.management import call_command
from django.test import Client
from django.utils.module_loading import import_string

from batches.actions import runs
from batches.drain.engines import Engines
from batches.drain.service import Service
from batches.intake import adding
from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site import log_lines, redaction
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests import vlm_server
from tests.batches.api.streamed import Stream, program, token_of
from tests.conftest import FIELDS
from tests.site.everywhere import content, dumped, pages
from tests.waiting import until

CANARY = "canary-0123456789-of-the-house"  # of no known form: a key may be any word


@pytest.fixture(params=[log_lines.TextLine, log_lines.JsonLine])
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Everything that is logged, at the finest level, as the product writes it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(request.param())
    handler.addFilter(log_lines.Told())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def read(transactional_db: None, administrator: User) -> Batch:
    """A batch whose endpoint first refused the key and repeated it, and then wrote it into what it read."""
    with vlm_server.running() as server:
        engine = Engine(name="gpu", kind=Engine.Kind.OPENAI_COMPATIBLE, address=server.url, model="test-model")
        engine.set_key(CANARY)
        engine.set_proxy("")
        engine.save()
        batch = Batch.objects.create(name="Drawer 12", owner=administrator, engine=engine, fields=FIELDS)
        for number in range(2):
            adding.add_file(batch, f"{number}.jpg", [vlm_server.card_image(number, (160, 120))])
        server.key = "another"
        server.answer({"author": f"His key is {CANARY}", "title": CANARY})
        service = Service(threads=4, engines=Engines())
        try:
            runs.start(batch, administrator)
            service.wake(batch.pk)
            until(lambda: Batch.objects.get(pk=batch.pk).pause_reason == "credentials")
            assert "Incorrect API key provided: …" in Batch.objects.get(pk=batch.pk).pause_message
            server.key = ""
            runs.resume(Batch.objects.get(pk=batch.pk))
            service.wake(batch.pk)
            until(lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED, 30)
        finally:
            service.stop(10)
        return batch


async def streamed(batch: Batch, token: str) -> list[str]:
    """What a program that follows the batch is told, as events and over its WebSocket."""
    async with Stream(f"/batches/{batch.pk}/progress", token) as stream:
        told = [str(event) for event in await stream.rest()]
    socket = program(str(batch.pk), token)
    await socket.connect(timeout=10)
    while (said := await socket.receive_output(timeout=10))["type"] == "websocket.send":
        told.append(str(json.loads(said["text"])))
    return told


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_key_is_nowhere(read: Batch, client: Client, administrator: User, lines: io.StringIO):
    client.force_login(administrator)
    client.raise_request_exception = False
    addresses = sorted(set(pages(read)))
    addresses += [f"/api/v1/batches/{read.pk}/export?format={kind}" for kind in ("csv", "json", "xlsx", "txt")]
    shown: list[str] = []
    for address in addresses:
        response = client.get(address)
        shown += [address] if response.status_code == 200 else []
        assert CANARY.encode() not in content(response), address
    assert len(shown) > 60, shown  # or this test looks at nothing
    assert sum("/export?" in address for address in shown) == 4
    told = [*async_to_sync(streamed)(read, token_of(administrator))]
    assert sum("His key is …" in one for one in told) == 4  # two cards, by either stream
    assert not [one for one in told if CANARY in one]
    dump = io.StringIO()
    call_command("dumpdata", stdout=dump)
    assert "His key is …" in dump.getvalue()
    assert CANARY not in dump.getvalue()
    stored = list(dumped())
    assert any("His key is …" in value for *_where, value in stored)
    assert not [f"{table}.{column}" for table, column, value in stored if CANARY in value]
    files = [path for path in site_settings.DATA_DIR.rglob("*") if path.is_file()]
    assert any(path.name.endswith("_ocr_results.json") or path.suffix == ".jpg" for path in files)
    assert not [str(path) for path in files if CANARY.encode() in path.read_bytes()]
    assert CANARY not in lines.getvalue()


@pytest.mark.parametrize(
    "written",
    [
        "Authorization: Bearer {secret}",
        "{{'Authorization': 'Bearer {secret}', 'Accept': '*/*'}}",
        "headers=[(b'authorization', b'Bearer {secret}')]",
        "asked with bearer {secret}",
        "Basic {secret}",
        "Incorrect API key provided: sk-{secret}",
        "GET /ws/batches/1/?token={secret}&x=1",
        "https://example.org/?api_key={secret}",
        "http://user:{secret}@proxy.example.org:3128 does not answer",
        "cardocr_{secret}{secret}",
        "eyJhbGciOi.{secret}.{secret}",
        "Cookie: __Host-sessionid={secret}; other=1",
    ],
)
def test_keys_are_taken_out_of_every_line(written: str, lines: io.StringIO):
    secret = "c4nary0123456789secret"
    try:
        raise ValueError(written.format(secret=secret))
    except ValueError as error:
        logging.getLogger("a.library").exception("It failed: %s", error, extra={"more": 1})
    assert redaction.GONE in lines.getvalue()
    assert secret not in lines.getvalue()
    assert "Traceback" in lines.getvalue()


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEY", "ADMIN_PASSWORD", "VLM_API_KEY"])
def test_secrets_of_the_settings_are_known_by_their_letters(settings: Any, name: str):
    setattr(settings, name, "first-of-them,second-of-them")
    assert "of-them" not in redaction.redacted("They are second-of-them and first-of-them.")


def test_passwords_of_database_and_storage_are_known_by_their_letters(settings: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "of a database")
    settings.STORAGES = {**settings.STORAGES, "scans": {"OPTIONS": {"secret_key": "of/a+storage"}}}
    assert redaction.redacted("Tried 'of a database', then of/a+storage.") == "Tried '[redacted]', then [redacted]."


@pytest.mark.parametrize(
    "line",
    [
        "Batch 12 is paused: The endpoint does not accept the key (401).",
        "cardocr_site.management.commands.serve: token of a sign-in",
        "http://127.0.0.1:8000/batches/12/?page=3&order=author",
        "Card 7: its result files could not be written: [Errno 28] No space left on device",
        "basic checks passed",
    ],
)
def test_ordinary_lines_stay_as_they_are(line: str):
    assert redaction.redacted(line) == line


def test_the_log_of_the_product_is_written_so(settings: Any):
    log = settings.LOGGING
    assert log["handlers"].keys() == {"stderr"}
    assert log["handlers"]["stderr"]["formatter"] == "text"
    assert log["formatters"].keys() == {"text", "json"}
    ours = {log_lines.TextLine, log_lines.JsonLine}
    assert {import_string(formatter["()"]) for formatter in log["formatters"].values()} == ours
    assert log["loggers"]["huey"]["handlers"] == ["stderr"], "or huey would write to one of its own"
