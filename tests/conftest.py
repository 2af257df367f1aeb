"""Fixtures by noun, shared by all tests."""

import gc
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client
from PIL import Image

from batches.models import Batch, Card
from batches.states import CardStatus, SkipReason
from cardocr_site.accounts import audit, tokens
from cardocr_site.accounts.models import User
from cardocr_site.contract import STATUS_OF
from ocr.models import Engine
from tests import described, made

CARDS = Path(os.environ.get("CARDOCR_TEST_CARDS") or Path(__file__).resolve().parents[2] / "shared" / "cards")

gc.set_threshold(100_000, 10, 10)  # looking for garbage after each 700 objects was a fifth of the tests' time


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright keeps a loop running in this thread, in which no other test may start one."""
    items.sort(key=lambda item: "tests/e2e/" in item.nodeid)
    if connection.vendor == "postgresql":
        for item in items:
            if item.get_closest_marker("embedded"):
                item.add_marker(pytest.mark.skip(reason="about the embedded database"))


def pytest_collection_finish() -> None:
    """The tests themselves are no garbage: none of them is looked at again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def cards_folder() -> Path:
    """The 60 real cards; skipped, with a message, where they are missing (in CI they never are)."""
    if not (CARDS / "truth.jsonl").is_file():
        if os.environ.get("CARDOCR_REQUIRE_CARDS"):
            pytest.fail("The real test cards cannot be read: set CARDOCR_TEST_CARDS to their folder.")
        pytest.skip("The real test cards are not here: set CARDOCR_TEST_CARDS to their folder.")
    return CARDS


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    made.copy(connection)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What empties the tables after a test with threads writes Django's permissions anew, which nothing here asks for.

    They took nine tenths of its time.
    """
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    emptied = connection.ops.sql_flush

    def sql_flush(*args: Any, **kwargs: Any) -> list[str]:
        """The audit log cannot be emptied; its triggers are set up again by what follows a flush."""
        if connection.vendor == "postgresql":
            drop = [f"DROP TRIGGER IF EXISTS {name} ON {audit.TABLE};" for name in audit.POSTGRES_TRIGGERS]
        else:
            drop = [f"DROP TRIGGER IF EXISTS {name}" for name in audit.TRIGGERS]
        return [*drop, *emptied(*args, **kwargs)]

    connection.ops.sql_flush = sql_flush  # type: ignore[method-assign]
    yield
    if connection.vendor == "postgresql":  # threads that have ended may have left theirs
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


@pytest.fixture(autouse=True)
def _clean_data_folder() -> Iterator[None]:
    yield
    caches["rates"].clear()
    for name in ("temp", "batches", "trash"):
        shutil.rmtree(settings.DATA_DIR / name, ignore_errors=True)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> float:
    """The clock stands, so that no minute of the limits ends within a test."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    return now


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ingrid", first_name="Ingrid", last_name="Solberg", password="curator-of-cards")


@pytest.fixture
def other_user(db: None) -> User:
    return User.objects.create_user("magnus", first_name="Magnus", last_name="Berg", password="curator-of-cards")


@pytest.fixture
def viewer(other_user: User) -> User:
    """Magnus, where he may only look."""
    other_user.role = User.Role.VIEWER
    other_user.save()
    return other_user


@pytest.fixture
def administrator(db: None) -> User:
    return User.objects.create_superuser("admin", password="administrator-of-cards")


@pytest.fixture
def engine(db: None) -> Engine:
    """The local engine, as prepare_database makes it."""
    return Engine.objects.get_or_create(
        kind=Engine.Kind.LOCAL,
        defaults={"name": "local", "place": Engine.Place.INSIDE, "is_default": True},
    )[0]


FIELDS = [
    {"key": "author", "label": "Author", "type": "text", "required": True},
    {"key": "title", "label": "Title", "type": "text"},
    {"key": "year", "label": "Year", "type": "year"},
]


@pytest.fixture
def batch(user: User, engine: Engine) -> Batch:
    """A draft of Ingrid's with three fields, read by the local engine, without cards; its scans lie as they are."""
    return Batch.objects.create(
        name="Drawer 12", collection="Music", owner=user, engine=engine, fields=FIELDS, options={"rotation": 0}
    )


@pytest.fixture
def make_cards(batch: Batch) -> Callable[..., list[Card]]:
    """Cards as rows alone, without files; statuses are set directly and counted, which only a test may."""

    def make(number: int, status: str = CardStatus.PENDING, **fields: Any) -> list[Card]:
        start = batch.cards.count()
        cards = Card.objects.bulk_create(
            Card(
                batch=batch,
                position=start + n,
                filename=f"card-{start + n:04d}.jpg",
                source=f"card-{start + n:04d}.jpg",
                original_name=f"card-{start + n:04d}.jpg",
                status=status,
                **fields,
            )
            for n in range(1, number + 1)
        )
        batch.refresh_from_db()
        batch.total += number
        setattr(batch, status, getattr(batch, status) + number)
        batch.blank += number if fields.get("skip_reason") == SkipReason.BLANK else 0
        batch.not_chosen += number if fields.get("skip_reason") == SkipReason.NOT_CHOSEN else 0
        batch.save()
        return cards

    return make


@pytest.fixture
def card(make_cards: Callable[..., list[Card]]) -> Card:
    return make_cards(1)[0]


def image_bytes(size: tuple[int, int] = (600, 400), colour: str = "ivory", kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def jpeg() -> bytes:
    return image_bytes()


class ApiClient:
    """Calls as a program makes them: JSON in, the envelope out, signed in by a token."""

    def __init__(self, client: Client, user: User | None = None) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {tokens.sign_in(user)[0]}"} if user else {}

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The response, checked for the envelope; `.data` and `.error` of it."""
        headers = self.headers | more.pop("headers", {})
        if body is not None:
            more |= {"data": json.dumps(body), "content_type": "application/json"}
        elif method == "post" and "data" not in more:
            more |= {"data": b"", "content_type": "application/json"}  # otherwise Django's client sends a form
        response: Any = getattr(self.client, method)(f"/api/v1{path}", headers=headers, **more)
        told = response.json()
        assert response.headers["X-Request-ID"]
        described.check(response, method, told)
        if response.status_code < 400:
            assert (set(told), told["success"]) == ({"success", "data"}, True)
            response.data = told["data"]
        else:
            assert (set(told), told["success"]) == ({"success", "error"}, False)
            assert set(told["error"]) == {"code", "message", "details"}
            assert STATUS_OF[told["error"]["code"]] == response.status_code
            response.error = told["error"]
        return response

    def refused(self, code: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """The error's details, once it has that code."""
        response = self(method, path, body, **more)
        assert response.status_code >= 400, response.content
        assert response.error["code"] == code
        details: dict[str, Any] = response.error["details"]
        return details


@pytest.fixture
def api(client: Client, user: User) -> ApiClient:
    """Ingrid's."""
    return ApiClient(client, user)


@pytest.fixture
def anonymous(client: Client) -> ApiClient:
    return ApiClient(client)


@pytest.fixture
def others_api(client: Client, other_user: User) -> ApiClient:
    return ApiClient(client, other_user)


@pytest.fixture
def admins_api(client: Client, administrator: User) -> ApiClient:
    return ApiClient(client, administrator)
