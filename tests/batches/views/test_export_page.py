import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from batches.exports import table
from batches.models import Activity, Batch, Card, ExportSettings
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
    for words in ("Export 1 card", "The batch is being read", 'value="csv" checked', 'value="json"', "As on the card"):
        assert words in page


def test_every_card_has_its_row_while_the_batch_runs(user: User, done: Batch) -> None:
    response, body = download(user, done, "?separator=semicolon&bom=1")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="Drawer-12_2026-11-20_14-05_abc.csv"'
    lines = body.decode().splitlines()
    assert lines[0] == "\ufeffcard_id;version;file;status;error;Author;Title;Year;confidence;transcription"
    assert lines[1].split(";")[5:8] == ["'=1+1", "-5", "1981"]
    assert [line.split(";")[3] for line in lines[1:]] == ["completed", "failed", "pending"]


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

    monkeypatch.setattr(table.Table, "_row", row)

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


def test_an_export_is_written_down_with_its_size_and_checksum_and_can_be_made_again(
    client: Client, user: User, done: Batch
) -> None:
    _response, body = download(user, done, "?format=csv&which=read")
    entry = Activity.objects.get(kind="export")
    assert entry.what["size"] == len(body)
    assert entry.what["sha256"] == hashlib.sha256(body).hexdigest()
    client.force_login(user)
    page = client.get(f"/batches/{done.pk}/export/").text
    assert entry.what["sha256"][:16] in page
    assert "Changed since my last export" in page
    again = client.get(f"/batches/{done.pk}/export/?{entry.what['settings']}").text
    assert 'value="read" checked' in again


def test_what_changed_since_ones_own_last_export_comes_alone(user: User, other_user: User, done: Batch) -> None:
    download(user, done)
    Batch.objects.update(version=9)
    Card.objects.filter(status=CardStatus.COMPLETED).update(version=9)
    for one, number in ((user, 1), (other_user, 1)):
        _response, body = download(one, done, "?format=jsonl&which=changed")
        assert len(body.splitlines()) == number
    _response, body = download(user, done, "?format=jsonl&which=changed")
    assert body == b""  # that last one was an export, too


def test_the_first_rows_are_shown_as_the_form_stands(client: Client, user: User, done: Batch) -> None:
    client.force_login(user)
    headers = {"HX-Request": "true", "HX-Target": "export-seen"}
    seen = client.get(
        f"/batches/{done.pk}/export/?columns=1&value=author&names=keys&which=all&format=csv", headers=headers
    ).text
    assert seen.lstrip().startswith('<div id="export-seen"')
    assert '<th scope="col" class="value">author</th>' in seen
    assert "Year" not in seen
    assert "Export 3 cards" in seen
    assert "open the CSV file in no spreadsheet" in seen
    assert "First rows" not in client.get(f"/batches/{done.pk}/export/?columns=1&format=json", headers=headers).text


def test_the_page_offers_the_cards_of_the_filter_one_came_from(client: Client, user: User, done: Batch) -> None:
    client.force_login(user)
    page = client.get(f"/batches/{done.pk}/export/?filter=problems").text
    assert 'name="which" value="found" checked' in page
    assert "Export 1 card" in page
    assert "problems" in page


def test_settings_are_saved_shared_used_and_removed(client: Client, user: User, other_user: User, done: Batch) -> None:
    client.force_login(user)
    where = f"/batches/{done.pk}/export/settings/"
    form = {
        "settings-name": "Museum",
        "settings": "columns=1&value=author&separator=tab&evil=1",
        "settings-shared": "1",
    }
    client.post(where, form)
    kept = ExportSettings.objects.get()
    assert (kept.name, kept.shared) == ("Museum", True)
    assert "evil" not in kept.query
    client.post(where, form | {"settings": "columns=1&value=year"})
    assert ExportSettings.objects.get().query != kept.query  # the same name: replaced
    client.force_login(other_user)
    page = client.get(f"/batches/{done.pk}/export/").text
    assert "Museum" in page
    assert client.post(f"{where}{kept.pk}/delete/").status_code == 404
    client.force_login(user)
    client.post(f"{where}{kept.pk}/delete/")
    assert not ExportSettings.objects.exists()
    assert "Give these settings a name" in client.post(where, {"settings-name": " "}, follow=True).text


def test_what_the_columns_are_is_told_in_a_file(client: Client, user: User, done: Batch) -> None:
    client.force_login(user)
    text = client.get(f"/batches/{done.pk}/export/about/?columns=1&value=year&guard=1").text
    assert "formulas in CSV\ttext that looks like one has an apostrophe in front" in text
    assert "Year\tyear\tyear\tvalue" in text
