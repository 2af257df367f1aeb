"""Batches of read cards by statements: a million of them in minutes. Nothing of it has files."""

from typing import Any

FIELDS = [{"key": key, "label": key.title(), "type": "text"} for key in ("author", "title", "place", "remark")]
FIELDS.append({"key": "year", "label": "Year", "type": "integer"})
GROUP = 5000


def fill(batches: int, cards: int, check_every: int = 25) -> tuple[int, int]:
    """The last batch and a card in its midst. Of its cards each 25th is to check, and one word stands on five."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from batches.models import Batch, indexing
    from ocr.models import Engine

    class Plan:
        app_label = "batches"

    people = get_user_model().objects
    person = people.filter(username="bench").first() or people.create_superuser("bench")
    engine = Engine.objects.get_or_create(name="Bench", defaults={"kind": "local"})[0]
    indexing.lay_aside(None, "default", [(Plan, False)])
    made: list[Any] = []
    for _ in range(batches):
        batch = Batch.objects.create(name="Drawer", owner=person, engine=engine, fields=FIELDS, status="completed")
        _copy(made[0], batch) if made else _write(batch, cards, check_every)
        made.append(batch)
        counted = {"total": cards, "completed": cards, "to_check": -(-cards // check_every)}
        now = batch.created_at
        Batch.objects.filter(pk=batch.pk).update(version=1, started_at=now, finished_at=now, **counted)
    indexing.set_up(None, "default")
    _settle(connection)
    return batch.pk, batch.cards.get(position=max(1, cards // 2)).pk


def _write(batch: Any, cards: int, check_every: int) -> None:
    from django.db import connection, transaction

    from batches.models import Card, CardResult

    for start in range(0, cards, GROUP):
        rows = range(start, min(cards, start + GROUP))
        with transaction.atomic():
            made = Card.objects.bulk_create([_card(batch, n, check_every) for n in rows])
            CardResult.objects.bulk_create([_result(card, n) for card, n in zip(made, rows, strict=True)])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE batches_card SET result_id = (SELECT r.id FROM batches_cardresult r"
            " WHERE r.card_id = batches_card.id) WHERE batch_id = %s",
            [batch.pk],
        )


def _copy(model: Any, batch: Any) -> None:
    """All cards and results of the first batch once more, by two statements."""
    from django.db import transaction
    from django.db.models import Max, Min

    from batches.models import Card, CardResult

    results = CardResult.objects.filter(card__batch=model)
    cards_on = Card.objects.aggregate(on=Max("pk"))["on"] - model.cards.aggregate(first=Min("pk"))["first"] + 1
    results_on = CardResult.objects.aggregate(on=Max("pk"))["on"] - results.aggregate(first=Min("pk"))["first"] + 1
    with transaction.atomic():
        changed = {"id": f"id + {cards_on}", "result_id": f"result_id + {results_on}", "batch_id": str(batch.pk)}
        _copy_rows(Card, changed, "batch_id = %s", model.pk)
        changed = {"id": f"id + {results_on}", "card_id": f"card_id + {cards_on}"}
        _copy_rows(CardResult, changed, "card_id IN (SELECT id FROM batches_card WHERE batch_id = %s)", model.pk)


def _copy_rows(model: Any, changed: dict[str, str], which: str, value: int) -> None:
    from django.db import connection

    names = [field.column for field in model._meta.concrete_fields]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {which}", [value])


def _settle(connection: Any) -> None:
    """As a database stands that was filled over weeks."""
    from django.core.management.color import no_style

    from batches.models import Card, CardResult

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        for statement in connection.ops.sequence_reset_sql(no_style(), [Card, CardResult]):
            cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE")  # as autovacuum does meanwhile


def _card(batch: Any, n: int, check_every: int) -> Any:
    from batches.models import Card

    name, check = f"{n:06}.jpg", n % check_every == 0
    return Card(
        batch=batch,
        position=n + 1,
        filename=name,
        source=name,
        original_name=f"drawer/{name}",
        sha256=f"{n:064}",
        prepared_at=batch.created_at,
        status="completed",
        to_check=check,
        severity=n % 97 if check else 0,
        version=1,
        finished_at=batch.created_at,
    )


def _result(card: Any, n: int) -> Any:
    from batches.models import CardResult

    values = {
        "author": f"author {n * 7919 % 10007}",
        "title": f"Title {n} of the drawer",
        "place": "Nordsjøen" if n % 3 else "Bergen",
        "remark": f"rare{n % 200} word" if n % 1000 < 200 and n < 1000 else "nothing odd",
        "year": str(1900 + n % 100),
    }
    fields = {
        key: {"verbatim": text, "value": text, "state": "read", "confidence": 0.9, "regions": [], "issues": []}
        for key, text in values.items()
    }
    search = " ".join(values.values()).lower()
    return CardResult(card=card, fields=fields, values=values, confidence=(n % 100) / 100, search=search)
