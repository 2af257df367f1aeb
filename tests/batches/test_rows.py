"""Rows that are written and loaded without the ORM are those that it would write and load."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone as here

from batches import rows
from batches.models import Attempt, Batch, Card, CardResult, Spending, Worker
from batches.states import BatchStatus, CardStatus, ResultState
from ocr.models import Engine

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 3, 1, 0, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
MODELS = (Card, CardResult, Attempt, Batch, Spending)


def stored(model: type[Any], pk: int) -> dict[str, Any]:
    """As it lies in the database, without any conversion."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE id = %s", [pk])
        row = cursor.fetchone()
        return {column[0]: value for column, value in zip(cursor.description, row, strict=True) if column[0] != "id"}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    kinds = [{name: type(value) for name, value in row.items()} for row in (one, other)]
    return one == other and kinds[0] == kinds[1]


@pytest.fixture
def engine(db) -> Engine:
    return Engine.objects.create(name="One", kind=Engine.Kind.OPENAI_COMPATIBLE, model="reader")


def results(card: Card, engine: Engine) -> list[dict[str, Any]]:
    full = {
        "card_id": card.pk,
        "state": ResultState.CANDIDATE,
        "engine_id": engine.pk,
        "engine_name": 'Grüße "und" %s',
        "model": "reader",
        "read_key": "a" * 64,
        "fields": {"author": {"verbatim": "Grièg", "value": None, "regions": [[0.1, 0.2, 0.3, 0.4]], "issues": []}},
        "values": {"author": "Grièg\n"},
        "confidence": 0.25,
        "transcription": "a'b",
        "entries": [{"author": {"value": "x"}}, {}],
        "search": "grièg",
    }
    return [full, {"card_id": card.pk}, {"card_id": card.pk, "confidence": 1, "fields": {}, "entries": []}]


def attempts(card: Card, engine: Engine) -> list[dict[str, Any]]:
    full = {
        "card_id": card.pk,
        "claim": 3,
        "worker_uid": "abc",
        "engine_id": engine.pk,
        "engine_name": "One",
        "started_at": MOMENT,
        "duration": 1.5,
        "error": "RATE_LIMIT",
        "counted": False,
        "raw_reply": '{"author": "%d"}',
        "tokens_in": 10,
        "cost": Decimal("0.00039"),
    }
    return [full, {"card_id": card.pk, "engine_name": "", "started_at": MOMENT.astimezone(UTC), "duration": 0}]


@pytest.mark.parametrize(("model", "made"), [(CardResult, results), (Attempt, attempts)])
def test_every_column_is_stored_as_the_orm_stores_it(model, made, card, engine, monkeypatch):
    monkeypatch.setattr(here, "now", lambda: MOMENT)
    given = made(card, engine)
    ours = [rows.fresh(model, **values) for values in given]
    rows.insert(ours)
    theirs = [model.objects.create(**values) for values in given]
    for one, other in zip(ours, theirs, strict=True):
        assert same(stored(model, one.pk), stored(model, other.pk))
        told = {column.attname: getattr(other, column.attname) for column in model._meta.concrete_fields}
        assert {name: getattr(one, name) for name in told} == told | {"id": one.pk}


def test_each_row_knows_its_own_key(card, engine, monkeypatch):
    monkeypatch.setattr(rows, "AT_ONCE", 2)
    made = [rows.fresh(CardResult, card_id=card.pk, search=str(number)) for number in range(5)]
    rows.insert(made)
    found = CardResult.objects.in_bulk([result.pk for result in made])
    assert [found[result.pk].search for result in made] == list("01234")
    made[0].search = "changed"
    made[0].save()
    assert CardResult.objects.count() == 5, "they count as stored"


def test_two_new_rows_share_no_value():
    one, other = rows.fresh(CardResult), rows.fresh(CardResult)
    one.values["author"] = "Grieg"
    assert other.values == {}


def test_every_column_is_loaded_as_the_orm_loads_it(batch, card, engine):
    worker = Worker.objects.create(uid="w", host="h", pid=1, started_at=MOMENT, seen_at=MOMENT)
    Card.objects.filter(pk=card.pk).update(worker=worker, lease_until=MOMENT, called_at=MOMENT, duration=0.5)
    changed = {"pace": [[1, 2]], "cost": Decimal("1.5"), "started_at": MOMENT, "options": {"retries": 1}}
    Batch.objects.filter(pk=batch.pk).update(engine=engine, **changed)
    Spending.objects.create(engine=engine, month=MOMENT.date(), cost=Decimal("0.000001"))
    rows.insert([rows.fresh(CardResult, **values) for values in results(card, engine)])
    rows.insert([rows.fresh(Attempt, **values) for values in attempts(card, engine)])
    for model in MODELS:
        theirs = model.objects.in_bulk()
        ours = rows.fetch(model, theirs)
        assert ours == theirs
        for pk, other in theirs.items():
            names = [column.attname for column in model._meta.concrete_fields]
            assert same({n: getattr(ours[pk], n) for n in names}, {n: getattr(other, n) for n in names})


def test_what_was_not_loaded_is_loaded_when_it_is_asked_for(card, django_assert_num_queries):
    found = rows.fetch(Card, [card.pk], ["status", "claim"])[card.pk]
    with django_assert_num_queries(0):
        assert (found.pk, found.status, found.claim) == (card.pk, CardStatus.PENDING, 0)
    with django_assert_num_queries(1):
        assert found.sha256 == card.sha256
    assert found.batch == card.batch


def test_nothing_is_asked_for_no_rows(card, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert rows.fetch(Card, []) == {}
        rows.insert([])
        rows.update_each(Card, [])


def test_columns_are_set_and_raised_as_the_orm_does(user, engine):
    ours, theirs = (Batch.objects.create(name="a", owner=user) for _ in range(2))
    to = {"status": BatchStatus.RUNNING, "engine": engine, "pace": [[1, 2]], "retry_at": MOMENT, "pilot": None}
    for cost in (Decimal("0.00039"), Decimal("12.3"), Decimal("-0.1")):
        assert rows.update(Batch, {"id": ours.pk}, to=to, by={"completed": 2, "cost": cost}) == 1
        Batch.objects.filter(pk=theirs.pk).update(**to, completed=F("completed") + 2, cost=F("cost") + cost)
        unlike = {"uid", "name", "created_at", "changed_at"}
        one, other = ({n: v for n, v in stored(Batch, b.pk).items() if n not in unlike} for b in (ours, theirs))
        assert same(one, other)


def test_many_rows_are_updated_each_with_its_own_values(make_cards, engine):
    cards = make_cards(3)
    worker = Worker.objects.create(uid="w", host="h", pid=1, started_at=MOMENT, seen_at=MOMENT)
    rows.update_each(
        Card,
        [
            (cards[0].pk, {"worker": worker, "called_at": MOMENT, "to_check": True, "duration": 1.5}),
            (cards[1].pk, {"worker": None, "called_at": None, "to_check": False, "duration": 2}),
            (cards[2].pk, {"error": "x"}),
        ],
    )
    for card, fields in (
        (cards[0], {"worker": worker, "called_at": MOMENT, "to_check": True, "duration": 1.5}),
        (cards[1], {"worker": None, "called_at": None, "to_check": False, "duration": 2}),
        (cards[2], {"error": "x"}),
    ):
        ours = stored(Card, card.pk)
        Card.objects.filter(pk=card.pk).update(**fields)
        assert same(ours, stored(Card, card.pk))
