import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from batches.exports import csv
from batches.models import Batch, Card
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def done(batch: Batch, make_cards: Make) -> Batch:
    card = make_cards(1, CardStatus.COMPLETED)[0]
    give_result(card, {"author": stored("=1+1"), "title": stored("-5"), "year": stored("1981", verbatim="'81")})
    make_cards(1, CardStatus.FAILED, error="engine_timeout")
    make_cards(1)
    Batch.objects.update(status=BatchStatus.RUNNING, label="Drawer-12_2026-11-20_14-05_abc")
    batch.refresh_from_db()
    return batch


def download(user: User, batch: Batch, query: str = "") -> tuple[Any, bytes]:
    async def scenario() -> tuple[Any, bytes]:
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get(f"/batches/{batch.pk}/export/download/{query}")
        body = b"".join([part async for part in response]) if response.streaming else response.content
        return response, body

    return async_to_sync(scenario)()


def test_the_page_says_what_is_taken_along(client: Client, user: User, done: Batch) -> None:
    client.force_login(user)
    page = client.get(f"/batches/{done.pk}/export/").text
    for words in ("Export 3 cards", "The batch is being read", 'value="csv" checked', 'value="json"', "As on the card"):
        assert words in page


def test_every_card_has_its_row_while_the_batch_runs(user: User, done: Batch) -> None:
    response, body = download(user, done, "?separator=semicolon&bom=1")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="Drawer-12_2026-11-20_14-05_abc.csv"'
    lines = body.decode().splitlines()
    assert lines[0] == "\ufeffcard_id;file;status;error;Author;Title;Year;confidence;transcription"
    assert lines[1].split(";")[4:7] == ["'=1+1", "-5", "1981"]
    assert [line.split(";")[2] for line in lines[1:]] == ["completed", "failed", "pending"]


def test_as_on_the_card_and_both(user: User, done: Batch) -> None:
    _response, body = download(user, done, "?values=verbatim")
    assert "'81" in body.decode()
    _response, body = download(user, done, "?values=both&separator=nonsense")
    assert "Year,Year (as on the card)" in body.decode()


def test_json_is_whole(user: User, done: Batch) -> None:
    response, body = download(user, done, "?format=json")
    assert response["Content-Disposition"].endswith('.json"')
    assert [card["status"] for card in json.loads(body)["cards"]] == ["completed", "failed", "pending"]


def test_the_first_bytes_come_before_the_last_row_is_made(
    user: User, done: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def row(_table: object, card: Card, _entry: int) -> list[str]:
        made.append(card.pk)
        return [str(card.pk)]

    monkeypatch.setattr(csv.Table, "row", row)

    async def scenario() -> int:
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get(f"/batches/{done.pk}/export/download/")
        parts = aiter(response)
        await anext(parts)
        first = len(made)
        async for _part in parts:
            continue
        return first

    assert async_to_sync(scenario)() < 3
    assert len(made) == 3


def test_head_unknown_formats_and_drafts(client: Client, user: User, done: Batch) -> None:
    client.force_login(user)
    where = f"/batches/{done.pk}/export/download/"
    assert client.head(where)["Content-Type"] == "text/csv; charset=utf-8"
    assert client.get(f"{where}?format=exe").status_code == 404
    Batch.objects.update(status=BatchStatus.DRAFT)
    assert client.get(where).status_code == 404
