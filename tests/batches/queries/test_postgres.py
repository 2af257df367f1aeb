"""What PostgreSQL does by functions of ours: the same as Python and SQLite do. Skipped on the embedded database."""

import hashlib
import sys
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import OuterRef, Subquery
from django.test.utils import CaptureQueriesContext

from batches import changes
from batches.live.watcher import ANYWAY, PostgresEye
from batches.models import Batch, Card, CardResult, indexing_postgres
from batches.models.folding import fold
from batches.queries import words, words_postgres
from batches.states import CardStatus
from tests.batches.reading import give_result, stored
from tests.waiting import until

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL")
TEXTS = ["Håkon Mosby st. 1", 'Große "Straße"', "ΑΒΓ ᾳ ᾼ", "東京 1²", "a-b_c.d", "İstanbul ŉ ﬁn", "ा ि", "", "x\u0345"]


def said(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


SAID = said(1234)
KINDS = ("words", "parts")


def asked(sql: str, *values: object) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


@pytest.mark.django_db
def test_text_is_folded_as_python_folds_it():
    every = (chr(code) for code in range(1, sys.maxunicode + 1) if not 0xAC00 <= code <= 0xDFFF)  # a part of Korean
    letters = [one for one in every if fold(one) != one or one.lower() != one]
    made = asked("SELECT one, cardocr_folded(one) FROM unnest(%s::text[]) one", [*letters, *TEXTS])
    other = [one for one, folded in made if folded != fold(str(one))]
    # Each knows the letters of its own version of Unicode.
    assert len(other) < 200, other
    assert not [one for one in other if ord(str(one)[0]) < 0x1C80], other


@pytest.mark.django_db
def test_words_are_taken_apart_as_what_is_looked_for():
    for text in map(fold, TEXTS):
        ((found,),) = asked("SELECT tsvector_to_array(cardocr_words(%s))", text)
        assert sorted(found) == sorted(set(indexing_postgres.words_of(text)))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12.0),
        ("-3.5", -3.5),
        ("1.", 1e300),
        ("", 1e300),
        ("1e5", 1e300),
        ("9" * 500, 1e308),
        ("0." + "0" * 500, 0),
    ],
)
@pytest.mark.django_db
def test_numbers_are_told_from_text(text: str, number: float):
    assert asked("SELECT cardocr_number(%s)", text) == [(number,)]


@pytest.mark.django_db
@pytest.mark.parametrize("text", [SAID, f"*{SAID[3:]}"])
def test_what_is_looked_for_is_taken_from_an_index(batch: Batch, make_cards: Callable[..., list[Card]], text: str):
    cards = make_cards(3000, CardStatus.COMPLETED)
    CardResult.objects.bulk_create(CardResult(card=card, search=said(card.position)) for card in cards)
    Card.objects.update(result=Subquery(CardResult.objects.filter(card=OuterRef("pk")).values("pk")[:1]))
    with connection.cursor() as cursor:
        for index in (f"{table}_{one}" for table in ("batches_result", "batches_cardnames") for one in KINDS):
            cursor.execute("SELECT gin_clean_pending_list(%s)", [index])
        cursor.execute("ANALYZE batches_card, batches_cardresult, batches_cardnames")
        cursor.execute("SET LOCAL enable_seqscan = off")  # of so few rows all would be gone through
    with CaptureQueriesContext(connection) as looked:
        found = words.matching(text)
    (sql,) = [query["sql"] for query in looked]
    plan = "\n".join(str(line) for (line,) in asked("EXPLAIN " + sql.replace("%", "%%")))
    kind = "parts" if text.startswith("*") else "words"
    assert f"batches_result_{kind}" in plan, plan
    assert f"batches_cardnames_{kind}" in plan, plan
    assert batch.cards.filter(found).count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("few", [1, 2, 3])
def test_few_cards_are_named_and_many_are_looked_for(
    batch: Batch, make_cards: Callable[..., list[Card]], few: int, monkeypatch: pytest.MonkeyPatch
):
    """Whatever the planner thinks of a word: it takes few for many, and would go through every card."""
    for card, value in zip(make_cards(3, CardStatus.COMPLETED), ("linen", "linen", "paper"), strict=True):
        give_result(card, {"author": stored(value)})
    monkeypatch.setattr(words_postgres, "FEW", few)
    for text in ("lin", "*ine"):
        cards = batch.cards.filter(words.matching(text))
        assert ("UNION" in str(cards.query)) is (few < 2)
        assert sorted(cards.values_list("position", flat=True)) == [1, 2]


@pytest.mark.django_db
def test_what_looks_like_a_pattern_is_none(batch: Batch, make_cards: Callable[..., list[Card]]):
    for card, value in zip(make_cards(2, CardStatus.COMPLETED), ("100% linen", "100 x linen"), strict=True):
        give_result(card, {"author": stored(value)})
    for text, wanted in (("*00% l", 1), ("*0_ li", 0), ("*00\\", 0)):
        assert batch.cards.filter(words.matching(text)).count() == wanted


@pytest.mark.django_db(transaction=True)
def test_a_commit_is_seen_and_nothing_else(batch: Batch):
    eye = PostgresEye()
    try:
        assert eye.look([batch.pk], anyway=False) == {batch.pk: batch.version}
        assert eye.look([batch.pk], anyway=False) is None
        with changes.locked(batch) as change:
            change.set(name="Drawer 13")
            assert eye.look([batch.pk], anyway=False) is None
        seen = until(lambda: eye.look([batch.pk, 0], anyway=False), ANYWAY / 2)
        assert seen == {batch.pk: batch.version + 1, 0: -1}
        assert eye.look([batch.pk], anyway=True) == {batch.pk: batch.version + 1}
    finally:
        eye.close()
