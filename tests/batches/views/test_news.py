"""The bell of every page, and its list."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from batches.models import Batch, Card, News
from batches.states import BatchStatus, CardStatus, PauseReason
from cardocr_site.accounts.models import User

Make = Callable[..., list[Card]]
Kind = News.Kind
LIST = "/notices/"


@pytest.fixture
def tell(batch: Batch, user: User) -> Callable[..., News]:
    def tell(kind: str = Kind.FINISHED, to: User | None = None, **fields: object) -> News:
        return News.objects.create(user=to or user, batch=batch, kind=kind, **fields)

    return tell


def bell(page: str) -> str:
    return page.split('id="bell"')[1].split("</a>")[0]


def test_the_bell_counts_what_is_unread(ingrid: Client, tell: Callable[..., News], other_user: User) -> None:
    assert "unread" not in bell(ingrid.get("/batches/").text)
    tell(), tell(), tell(to=other_user)
    assert "2 unread" in bell(ingrid.get("/batches/").text)


def test_it_costs_a_page_one_query_and_a_fragment_none(
    ingrid: Client, django_assert_num_queries: DjangoAssertNumQueries, tell: Callable[..., News]
) -> None:
    with django_assert_num_queries(4) as asked:
        ingrid.get(LIST)
    tell()
    with django_assert_num_queries(4):
        ingrid.get(LIST)
    assert sum("batches_news" in one["sql"] and "COUNT" in one["sql"] for one in asked.captured_queries) == 1


def test_the_bell_alone_says_how_many_there_are_now(
    ingrid: Client, django_assert_num_queries: DjangoAssertNumQueries, tell: Callable[..., News], client: Client
) -> None:
    assert 'data-unseen="0"' in ingrid.get(f"{LIST}bell/").text
    tell(), tell()
    with django_assert_num_queries(3):  # session, person, number
        answer = ingrid.get(f"{LIST}bell/")
    assert answer.text.split()[0] == "<a"
    assert 'data-unseen="2"' in answer.text
    assert 'data-said="2 unread notices"' in answer.text
    assert "no-store" in answer.headers["Cache-Control"]
    client.logout()
    assert "/login/" in client.get(f"{LIST}bell/").headers["Location"]


def test_what_the_page_of_a_batch_says_is_seen_while_it_is_open(
    ingrid: Client, tell: Callable[..., News], batch: Batch, other_user: User
) -> None:
    tell(), tell(Kind.FLAGGED)
    for elsewhere in ("", "?shows=", "?shows=x", "?shows=999999"):
        assert 'data-unseen="2"' in ingrid.get(f"{LIST}bell/{elsewhere}").text
    ingrid.head(f"{LIST}bell/?shows={batch.pk}")
    assert News.objects.filter(seen_at=None).count() == 2
    assert 'data-unseen="1"' in ingrid.get(f"{LIST}bell/?shows={batch.pk}").text
    Batch.objects.update(owner=other_user, everybody="none")
    assert 'data-unseen="0"' in ingrid.get(f"{LIST}bell/?shows={batch.pk}").text


def test_the_list_costs_the_same_however_long_it_is(
    ingrid: Client, django_assert_num_queries: DjangoAssertNumQueries, tell: Callable[..., News], administrator: User
) -> None:
    tell()
    with django_assert_num_queries(4):
        ingrid.get(LIST)
    for kind in Kind.values * 11:
        tell(kind, by=administrator, cause=PauseReason.BUDGET)
    with django_assert_num_queries(4):
        page = ingrid.get(LIST).text
    assert page.count('<li class="act ') == 50
    older = page.split('rel="next" href="')[1].split('"')[0]
    assert ingrid.get(LIST + older).text.count('<li class="act ') == 11 * len(Kind) + 1 - 50


@pytest.mark.parametrize(
    ("kind", "cause", "what", "said"),
    [
        (Kind.FINISHED, "", {"completed": 2, "to_check": 1, "failed": 3}, "2 cards are read"),
        (Kind.FINISHED, "", {"completed": 2, "to_check": 1, "failed": 3}, "1 card is to be checked. 3 cards could not"),
        (Kind.PAUSED, PauseReason.ENDPOINT, {}, "The engine does not answer"),
        (Kind.PAUSED, PauseReason.BUDGET, {}, "It is not paused any more."),
        (Kind.FLAGGED, "", {"name": "1978", "note": "Who <b>?"}, "“Who &lt;b&gt;?”"),
        (Kind.FLAGGED, "", {"times": 4}, "Somebody who is gone flagged 4 cards"),
        (Kind.INBOX, "", {}, "wait for somebody to set them up"),
        ("other", "odd", {"times": "x"}, "other"),
    ],
)
def test_it_says_what_happened(
    ingrid: Client, tell: Callable[..., News], kind: str, cause: str, what: dict[str, object], said: str
) -> None:
    tell(kind, cause=cause, what=what)
    page = ingrid.get(LIST).text
    assert said in page
    assert "Drawer 12" in page


def test_it_is_said_in_the_language_of_the_reader(ingrid: Client, tell: Callable[..., News]) -> None:
    tell(Kind.PAUSED, cause=PauseReason.BUDGET)
    assert "Drawer 12" in ingrid.get(LIST, headers={"Accept-Language": "de"}).text


def test_opening_one_marks_it_and_leads_to_its_batch(ingrid: Client, tell: Callable[..., News], batch: Batch) -> None:
    one, other = tell(), tell(Kind.INBOX)
    ingrid.head(f"{LIST}{one.pk}/")
    assert not News.objects.exclude(seen_at=None).exists(), "looking ahead is not opening"
    assert ingrid.get(f"{LIST}{one.pk}/").headers["Location"] == f"/batches/{batch.pk}/"
    assert list(News.objects.filter(seen_at=None)) == [other]


def test_a_flag_leads_to_its_card_as_long_as_there_is_one(
    ingrid: Client, tell: Callable[..., News], batch: Batch, card: Card
) -> None:
    review = f"/batches/{batch.pk}/review/"
    one = tell(Kind.FLAGGED, what={"card": card.pk})
    more = tell(Kind.FLAGGED, what={"card": card.pk, "times": 2})
    assert ingrid.get(f"{LIST}{one.pk}/").headers["Location"] == f"{review}?queue=&card={card.pk}"
    assert ingrid.get(f"{LIST}{more.pk}/").headers["Location"] == review
    card.delete()
    assert ingrid.get(f"{LIST}{one.pk}/").headers["Location"] == review


def test_all_are_marked_by_a_button_that_is_there_while_it_is_needed(ingrid: Client, tell: Callable[..., News]) -> None:
    tell(), tell()
    assert "Mark all as read" in ingrid.get(LIST).text
    page = ingrid.post(f"{LIST}seen/", follow=True).text
    assert "Mark all as read" not in page
    assert "is-unseen" not in page
    assert ingrid.get(f"{LIST}seen/").status_code == 405


def test_the_page_of_the_batch_says_what_is_told_of_its_reading(
    ingrid: Client, tell: Callable[..., News], batch: Batch, make_cards: Make
) -> None:
    make_cards(1, CardStatus.COMPLETED)
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    tell(), tell(Kind.FLAGGED)
    assert "1 unread" in bell(ingrid.get(f"/batches/{batch.pk}/").text)
    assert News.objects.get(seen_at=None).kind == Kind.FLAGGED


def test_what_one_may_not_see_any_more_is_not_told(
    client: Client, other_user: User, user: User, tell: Callable[..., News], batch: Batch
) -> None:
    one = tell(to=other_user)
    client.force_login(other_user)
    assert "Drawer 12" in client.get(LIST).text
    for hidden in ({"everybody": "none"}, {"everybody": "read", "deleted_at": batch.changed_at or "2026-01-01T00:00Z"}):
        Batch.objects.update(**hidden)
        page = client.get(LIST).text
        assert "Drawer 12" not in page
        assert "unread" not in bell(page)
        assert client.get(f"{LIST}{one.pk}/").status_code == 404


def test_nobody_else_reads_or_marks_it(client: Client, administrator: User, tell: Callable[..., News]) -> None:
    one = tell()
    client.force_login(administrator)
    assert "Drawer 12" not in client.get(LIST).text
    assert client.get(f"{LIST}{one.pk}/").status_code == 404
    client.post(f"{LIST}seen/")
    assert News.objects.filter(seen_at=None).count() == 1
