from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches import changes
from batches.actions import problems
from batches.live import fragments
from batches.live.fragments import Role, Viewer
from batches.models import Attempt, Batch, Card
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User

Make = Callable[..., list[Card]]


@pytest.fixture
def failed(batch: Batch, make_cards: Make) -> list[Card]:
    cards = make_cards(3, CardStatus.FAILED, error="reply_invalid", error_message="Not JSON: <b>")
    cards += make_cards(1, CardStatus.FAILED, error="unreadable_image")
    make_cards(2, CardStatus.SKIPPED, skip_reason="blank")
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    return cards


def test_problems_stand_by_cause_with_what_helps(ingrid: Client, batch: Batch, failed: list[Card]) -> None:
    page = ingrid.get(f"/batches/{batch.pk}/problems/").text
    assert page.index("could not be understood") < page.index("The image cannot be opened.")
    for words in ("Retry all 3", "Skip all 3", 'id="reply_invalid"', "Not JSON: &lt;b&gt;", "4 of 6 could not be read"):
        assert words in page


def test_another_engine_is_offered_where_it_may_help_and_nowhere_else(
    ingrid: Client, other_user: User, batch: Batch, failed: list[Card]
) -> None:
    page = ingrid.get(f"/batches/{batch.pk}/problems/").text
    assert page.count("Another engine or model may read these") == 1
    address = f"/batches/{batch.pk}/again/?filter=problems&amp;cause=reply_invalid"
    assert f'href="{address}"' in page
    again = ingrid.get(address.replace("&amp;", "&")).text
    assert "3 cards" in again
    ingrid.force_login(other_user)
    assert "/again/" not in ingrid.get(f"/batches/{batch.pk}/problems/").text


def test_of_many_cards_those_of_the_cause_alone_are_offered_and_listed(
    ingrid: Client, batch: Batch, failed: list[Card], make_cards: Make
) -> None:
    make_cards(20, CardStatus.FAILED, error="reply_looping")
    query = "filter=problems&cause=reply_looping"
    assert f"/again/?{query}".replace("&", "&amp;") in ingrid.get(f"/batches/{batch.pk}/problems/").text
    again = " ".join(ingrid.get(f"/batches/{batch.pk}/again/?{query}").text.split())
    assert "20 <small>cards to read again" in again
    assert "Among: The model repeated itself instead of reading the card" in again
    assert 'name="cause" value="reply_looping"' in again
    listed = ingrid.get(f"/batches/{batch.pk}/cards/?{query}").text
    assert listed.count('<tr id="card-') == 20
    assert "1–20 of 20" in listed
    assert "/again/?filter=problems&amp;cause=reply_looping" in listed
    assert ingrid.get(f"/batches/{batch.pk}/cards/?filter=check&cause=reply_looping").text.count('<tr id="card-') == 0


def test_blank_cards_are_no_problem(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(2, CardStatus.SKIPPED, skip_reason="blank")
    Batch.objects.update(status=BatchStatus.COMPLETED)
    page = ingrid.get(f"/batches/{batch.pk}/problems/").text
    assert "No problems" in page
    assert "2 cards were skipped; that is no problem." in page
    Batch.objects.update(status=BatchStatus.RUNNING)
    assert "No problems so far" in ingrid.get(f"/batches/{batch.pk}/problems/").text


def test_many_cards_of_a_cause_are_shown_on_demand(
    ingrid: Client,
    batch: Batch,
    failed: list[Card],
    make_cards: Make,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(11) as few:
        ingrid.get(f"/batches/{batch.pk}/problems/")
    make_cards(20, CardStatus.FAILED, error="reply_invalid")
    with django_assert_num_queries(len(few)):
        page = ingrid.get(f"/batches/{batch.pk}/problems/").text
    assert "show all 23" in page
    assert page.count('class="problem"') == 11
    assert ingrid.get(f"/batches/{batch.pk}/problems/?cause=reply_invalid").text.count('class="problem"') == 24


def test_htmx_gets_the_problems_alone_and_the_button_above(ingrid: Client, batch: Batch, failed: list[Card]) -> None:
    headers = {"HX-Request": "true", "HX-Target": "problems"}
    page = ingrid.get(f"/batches/{batch.pk}/problems/?card={failed[1].pk}", headers=headers)
    assert "<html" not in page.text
    assert '<div id="problems-head" hx-swap-oob="true">' in page.text
    assert '<div id="problems">' in page.text
    assert page.context["case"].card.pk == failed[1].pk
    changes.move_cards(batch, batch.cards.all(), CardStatus.PENDING)
    assert "No problems" in ingrid.get(f"/batches/{batch.pk}/problems/", headers=headers).text


def test_the_socket_says_that_the_problems_are_others(ingrid: Client, batch: Batch, failed: list[Card]) -> None:
    def sign() -> str:
        fresh = Batch.objects.get(pk=batch.pk)
        made = fragments.of(fresh, Viewer("problems", "en", Role.EDITOR))
        return next(one["html"] for one in made if one["id"] == "problems-sign")

    before = sign()
    assert before.strip().split(">")[0] in ingrid.get(f"/batches/{batch.pk}/problems/").text
    assert sign() == before
    with changes.locked(batch) as change:  # another state of the batch is no other problem
        change.set(pause_message="x")
    assert sign() == before
    changes.move_cards(batch, batch.cards.filter(pk=failed[0].pk), CardStatus.PENDING)
    fewer = sign()
    changes.move_cards(batch, batch.cards.filter(pk=failed[0].pk), CardStatus.PROCESSING)
    changes.move_cards(batch, batch.cards.filter(pk=failed[0].pk), CardStatus.FAILED, error="reply_invalid")
    assert len({before, fewer, sign()}) == 3  # as many as before, but not the same ones
    polled = ingrid.get(f"/batches/{batch.pk}/live/?view=problems&after=0.0").json()
    assert (polled["rows"], polled["fragments"][-1]["id"]) == ([], "problems-sign")


def test_one_cause_is_read_again_and_nothing_else(ingrid: Client, batch: Batch, failed: list[Card]) -> None:
    response = ingrid.post(f"/batches/{batch.pk}/problems/retry/", {"cause": "reply_invalid"}, follow=True)
    assert "3 cards are read again." in response.text
    batch.refresh_from_db()
    assert (batch.status, batch.pending, batch.failed) == (BatchStatus.QUEUED, 3, 1)


def test_one_cause_is_skipped(ingrid: Client, batch: Batch, failed: list[Card]) -> None:
    response = ingrid.post(f"/batches/{batch.pk}/problems/skip/", {"cause": "reply_invalid"}, follow=True)
    assert "3 cards are skipped." in response.text
    batch.refresh_from_db()
    assert (batch.status, batch.skipped, batch.failed) == (BatchStatus.COMPLETED, 5, 1)


def test_retry_goes_on_in_blocks_and_leaves_a_pause_alone(
    batch: Batch, failed: list[Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "BLOCK", 2)
    Batch.objects.update(status=BatchStatus.PAUSED)
    assert problems.retry_cause(batch, "reply_invalid") == 3
    batch.refresh_from_db()
    assert (batch.status, batch.pending) == (BatchStatus.PAUSED, 3)
    assert problems.skip_cause(batch, "nothing of the kind") == 0


def test_a_draft_has_nothing_to_retry(ingrid: Client, batch: Batch) -> None:
    with pytest.raises(changes.TransitionRefused):
        problems.retry_cause(batch, "reply_invalid")
    response = ingrid.post(f"/batches/{batch.pk}/problems/retry/", {"cause": "x"})
    assert response.status_code == 302


def test_a_scan_that_cannot_be_opened_is_replaced_from_where_it_is_told(
    ingrid: Client, batch: Batch, make_cards: Make
) -> None:
    common = {"prepared_at": "2026-11-01T10:00Z", "height": 600}
    cut_off = make_cards(1, CardStatus.FAILED, error="unreadable_image", width=0, **common)[0]
    other = make_cards(1, CardStatus.FAILED, error="refused", width=900, **common)[0]
    Batch.objects.update(status=BatchStatus.COMPLETED, failed=2)
    pages = [reverse("batch_problems", args=[batch.pk]), reverse("batch_results", args=[batch.pk])]
    pages += [reverse("card_detail", args=[batch.pk, card.pk]) for card in (cut_off, other)]
    problems, results, its_page, others_page = (ingrid.get(page).text for page in pages)
    replace = reverse("scan_replace", args=[batch.pk, cut_off.pk])

    assert replace in problems
    assert reverse("scan_replace", args=[batch.pk, other.pk]) not in problems
    assert its_page.count(replace) == others_page.count("/scan/") + 1
    for page in (problems, results, its_page):
        assert f"/cards/{cut_off.pk}/image/thumb/" not in page
        assert f"/cards/{cut_off.pk}/image/page/" not in page
    assert f"/cards/{other.pk}/image/thumb/" in problems


def attempt(card: Card, message: str, raw: str = "", error: str = "reply_truncated") -> None:
    Attempt.objects.create(
        card=card, engine_name="stub", started_at=timezone.now(), error=error, error_message=message, raw_reply=raw
    )


def test_a_card_is_looked_at_with_what_came_back_each_time(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    card, other = make_cards(2, CardStatus.FAILED, error="reply_truncated")
    attempt(card, "It reached the limit.")
    attempt(card, "It reached the limit.", '{"author": "<script>alert(1)</script>')
    attempt(other, "Of the other one.")
    Batch.objects.update(status=BatchStatus.COMPLETED)
    text = ingrid.get(f"/batches/{batch.pk}/problems/").text
    assert text.count("It reached the limit.") == 1
    assert "The same." in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark>answer ends here</mark>" in text
    assert "<script>alert" not in text
    assert "Of the other one." not in text
    assert "Of the other one." in ingrid.get(f"/batches/{batch.pk}/problems/?card={other.pk}").text
    assert ingrid.get(f"/batches/{batch.pk}/problems/?card=x").status_code == 200


def test_all_of_a_cause_are_turned_and_read_again(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    cards = make_cards(2, CardStatus.FAILED, error="reply_empty", prepared_at=timezone.now())
    Card.objects.filter(pk=cards[1].pk).update(rotation=270)
    Batch.objects.update(status=BatchStatus.COMPLETED)
    ingrid.post(f"/batches/{batch.pk}/problems/retry/", {"cause": "reply_empty", "turn": "90", "from": "problems"})
    found = list(batch.cards.order_by("position").values_list("status", "rotation", "turned_by", "prepared_at"))
    assert found == [("pending", 90, "person", None), ("pending", 0, "person", None)]


def test_those_that_may_work_now_are_read_again_together(ingrid: Client, batch: Batch, make_cards: Make) -> None:
    make_cards(2, CardStatus.FAILED, error="reply_invalid")
    make_cards(1, CardStatus.FAILED, error="reply_empty")
    make_cards(4, CardStatus.FAILED, error="unreadable_image")
    Batch.objects.update(status=BatchStatus.COMPLETED)
    assert "Retry the 3 that may work now" in ingrid.get(f"/batches/{batch.pk}/problems/").text
    ingrid.post(f"/batches/{batch.pk}/problems/retry/", {"cause": ["reply_invalid", "reply_empty"]})
    batch.refresh_from_db()
    assert (batch.failed, batch.pending) == (4, 3)


def test_what_was_done_today_is_said(ingrid: Client, batch: Batch, failed: list[Card]) -> None:
    assert "Done today" not in ingrid.get(f"/batches/{batch.pk}/problems/").text
    ingrid.post(f"/batches/{batch.pk}/problems/skip/", {"cause": "unreadable_image"})
    ingrid.post(f"/batches/{batch.pk}/cards/{failed[0].pk}/retry/", {"from": "problems"})
    text = ingrid.get(f"/batches/{batch.pk}/problems/").text
    assert "1 card was skipped." in text
    assert "1 card was sent back to be read again." in text
    assert "2 blank scans are no problem" in text
