"""Pages over many cards: as many queries as over few, each by an index."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from batches.models import Batch, Card
from batches.queries import sorting
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored
from tests.batches.views.test_collection_review import add

Make = Callable[..., list[Card]]
PAGES = [
    "/batches/{batch}/cards/",
    "/batches/{batch}/cards/?filter=check",
    "/batches/{batch}/cards/?sort=field.author",
    "/batches/{batch}/cards/?sort=-field.author&page=2",
    "/batches/{batch}/cards/?sort=confidence",
    "/batches/{batch}/cards/?sort=name",
    "/batches/{batch}/cards/?sort=-status",
    "/batches/{batch}/cards/?q=grieg",
    "/batches/{batch}/cards/?q=grieg&in=author",
    "/batches/{batch}/cards/{card}/?sort=-field.author",
    "/batches/{batch}/review/?card={card}",
    "/batches/{batch}/review/?queue=&sort=field.author&card={card}",
    "/search/?q=grieg",
    "/batches/{batch}/",
    "/batches/{batch}/live/?after=0.0&view=grid&lang=en",
    "/batches/",
]


def read(batch: Batch, make_cards: Make, number: int) -> list[Card]:
    cards = make_cards(number, CardStatus.COMPLETED, to_check=True, severity=3)
    for card in cards:
        give_result(card, {"author": stored(f"Grieg {card.position}", confidence=card.position / 1000)})
    total = batch.cards.count()
    Batch.objects.filter(pk=batch.pk).update(status="completed", total=total, completed=total, to_check=total)
    return cards


def asked(client: Client, address: str) -> list[str]:
    client.get(address, follow=True)  # what is read once per process has been
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address, follow=True).status_code == 200
    return [query["sql"] for query in queries.captured_queries]


def test_a_page_asks_as_often_whatever_the_number_of_cards_and_by_indexes(
    client: Client, user: User, batch: Batch, make_cards: Make
) -> None:
    client.force_login(user)
    middle = read(batch, make_cards, 110)[30]
    pages = [pattern.format(batch=batch.pk, card=middle.pk) for pattern in PAGES]
    few = {page: len(asked(client, page)) for page in pages}
    read(batch, make_cards, 60)
    for page in pages:
        many = asked(client, page)
        assert len(many) == few[page], page
        by_indexes(many)


@pytest.mark.parametrize("queue", ["queue=check&sort=-severity", "queue=", "queue=check&q=grieg"])
def test_the_next_card_of_a_collection_costs_the_same_whatever_the_number_of_its_batches(
    client: Client, user: User, queue: str
) -> None:
    client.force_login(user)
    add(user, "Drawer 1", [1] * 3)
    here = add(user, "Drawer 5", [1] * 3)
    for name in ("Drawer 6", "Drawer 9"):
        add(user, name, [1] * 3)
    address = f"/batches/{here.pk}/review/?collection=Music&since=1&{queue}&card={here.cards.get(position=3).pk}"
    few = len(asked(client, address))
    for n in range(4):
        add(user, f"Drawer {n}.1", [1] * 8)
        add(user, f"Drawer 6.{n}", [1] * 8)
    many = asked(client, address)
    assert len(many) <= few + 1  # those between the first and the last of the film are asked for together
    by_indexes(many)


COLLECTION = [
    "",
    "sort=-position",
    "sort=field.author",
    "sort=-field.author&page=2",
    "sort=field.author&filter=check",
    "sort=field.author&below=99",
    "sort=confidence",
    "sort=name",
    "sort=-status",
    "sort=name&q=grieg",
    "sort=field.author&q=grieg",
]


@pytest.mark.parametrize("few", [0, sorting.FEW])
def test_the_table_of_a_collection_asks_as_often_whatever_the_number_of_its_batches(
    client: Client, user: User, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(sorting, "FEW", few)
    client.force_login(user)
    for n in range(6):
        add(user, f"Drawer {n}", [1] * 20)
    addresses = [f"/collections/Music/cards/?{query}" for query in COLLECTION]
    asked_of_few = {address: len(asked(client, address)) for address in addresses}
    for n in range(6, 9):
        add(user, f"Drawer {n}", [1] * 20)
    for address in addresses:
        many = asked(client, address)
        assert len(many) == asked_of_few[address], address
        by_indexes(many)


def by_indexes(queries: list[str]) -> None:
    """On the embedded database: which way PostgreSQL goes depends on how many rows there are, and here are few."""
    if connection.vendor != "sqlite":
        return
    for sql in queries:
        if not sql.startswith("SELECT"):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = [str(step[3]) for step in cursor.fetchall()]
        scanned = [step for step in plan if step.startswith("SCAN batches_card") and "VIRTUAL" not in step]
        assert not scanned, (sql, plan)
        if (
            '"batches_card"."id" IN (' in sql and "MATCH" not in sql
        ):  # cards that are known: not looked for in the batch
            assert not [step for step in plan if "batches_card USING INDEX card_position" in step], (sql, plan)
        if "LIMIT 50" in sql and "batches_card" in sql and "MATCH" not in sql:
            assert not [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step], (sql, plan)
