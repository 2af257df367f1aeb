"""The page of a started batch: what it has cost, its limits, and what its first cards have shown."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches import changes
from batches.actions import runs
from batches.models import Batch, Card, Spending
from batches.queries import budgets, pilot
from batches.states import BatchStatus, CardStatus, PauseReason
from batches.templatetags.batch_words import state_of
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests.batches.reading import give_result, stored

MakeCards = Callable[..., list[Card]]


@pytest.fixture
def page(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.tasks, "drain", lambda batch_id: None)


@pytest.fixture
def router(db: None) -> Engine:
    return Engine.objects.create(
        name="Router", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://router.example/v1", model="m"
    )


@pytest.fixture
def spent(batch: Batch, router: Engine, make_cards: MakeCards) -> Batch:
    """Under way: ten calls, of which nine cost four cents and a half together."""
    make_cards(4)
    changes.move_batch(batch, BatchStatus.QUEUED, engine=router, currency="USD", started_at=timezone.now(), label="d")
    changes.move_batch(batch, BatchStatus.RUNNING, calls=10, cost=Decimal("0.045"))
    tokens = {"tokens_in": 12_000, "tokens_cached": 4_000, "tokens_out": 1_800, "tokens_thinking": 300}
    Batch.objects.filter(pk=batch.pk).update(**tokens)
    return Batch.objects.get(pk=batch.pk)


def text_of(client: Client, batch: Batch) -> str:
    return " ".join(client.get(reverse("batch_detail", args=[batch.pk])).text.split())


def change(batch: Batch, **fields: object) -> None:
    Batch.objects.filter(pk=batch.pk).update(**fields)


def test_tokens_cost_and_what_is_left_are_told(page: Client, spent: Batch) -> None:
    change(spent, budget=Decimal("2.00"))
    text = text_of(page, spent)
    assert "12,000 / 1,800" in text
    assert "4,000 / 300" in text
    assert 'Cost so far</dt><dd class="total">$0.045<' in text
    assert "$1.96 of $2.00" in text


def test_a_sum_with_calls_of_unknown_cost_says_at_least(page: Client, spent: Batch) -> None:
    change(spent, unpriced=1)
    assert "at least $0.045" in text_of(page, spent)


def test_a_cost_that_no_call_told_is_not_known(page: Client, spent: Batch) -> None:
    change(spent, unpriced=10, cost=0)
    assert 'Cost so far</dt><dd class="total">not known<' in text_of(page, spent)


def test_a_finished_batch_tells_what_it_cost(page: Client, spent: Batch) -> None:
    change(spent, status=BatchStatus.COMPLETED, finished_at=timezone.now())
    assert 'Cost</dt><dd class="total">$0.045<' in text_of(page, spent)


def test_what_is_left_of_the_month_is_told(page: Client, spent: Batch, router: Engine) -> None:
    Engine.objects.filter(pk=router.pk).update(month_budget=20)
    Spending.objects.create(engine=router, month=budgets.month_of(timezone.now()), calls=9, cost=Decimal("5.50"))
    assert "$14.50 of $20.00" in text_of(page, spent)


def test_only_who_may_change_the_batch_is_offered_its_limit(
    page: Client, client: Client, other_user: User, spent: Batch
) -> None:
    assert reverse("batch_budget", args=[spent.pk]) in text_of(page, spent)
    client.force_login(other_user)
    assert reverse("batch_budget", args=[spent.pk]) not in text_of(client, spent)


# -- paused for a limit


@pytest.fixture
def used_up(spent: Batch) -> Batch:
    change(
        spent,
        status=BatchStatus.PAUSED,
        pause_reason=PauseReason.BUDGET,
        pause_message="Of this batch’s limit of $0.04, $0.045 is spent. Raise the limit, then resume.",
        budget=Decimal("0.04"),
    )
    return Batch.objects.get(pk=spent.pk)


def test_a_limit_that_is_reached_is_told_with_both_figures(page: Client, used_up: Batch) -> None:
    text = text_of(page, used_up)
    assert "The limit is reached." in text
    assert "Of this batch’s limit of $0.04, $0.045 is spent." in text
    assert (state_of(used_up).word, state_of(used_up).note) == ("Limit reached", "the budget is used up")


def test_a_limit_that_is_reached_is_told_in_the_readers_language(page: Client, used_up: Batch) -> None:
    page.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    assert (
        "Vom Limit dieses Stapels von 0,04\xa0$ sind 0,045\xa0$ ausgegeben."
        in page.get(reverse("batch_detail", args=[used_up.pk])).text
    )


def test_a_limit_below_what_is_spent_already_leads_to_no_resuming(page: Client, used_up: Batch) -> None:
    limit = reverse("batch_budget", args=[used_up.pk])
    text = page.post(limit, {"budget": "0.02"}, follow=True).text
    assert "The limit for this batch is $0.02 now. Of this batch’s limit of $0.02, $0.045 is spent." in text
    assert "Resume it to go on." not in text
    assert "is $4.00 now. Resume it to go on." in page.post(limit, {"budget": "4"}, follow=True).text


def test_a_limit_that_was_raised_leads_to_resuming(page: Client, used_up: Batch) -> None:
    change(used_up, budget=Decimal("4.00"))
    text = text_of(page, used_up)
    assert "There is room below the limit again." in text
    state = state_of(Batch.objects.get(pk=used_up.pk))
    assert (state.word, state.note) == ("Paused", "There is room below the limit again."), "in the list, too"
    assert "The limit is reached." not in text


def test_a_new_month_leads_to_resuming(used_up: Batch, router: Engine) -> None:
    Engine.objects.update(month_budget=Decimal(1))
    change(used_up, budget=None)
    this = budgets.month_of(timezone.now())
    month = Spending.objects.create(engine=router, month=this, calls=9, cost=Decimal(1))
    assert state_of(Batch.objects.get(pk=used_up.pk)).word == "Limit reached"
    Spending.objects.filter(pk=month.pk).update(month=budgets.month_of(timezone.now() - timedelta(days=40)))
    assert state_of(Batch.objects.get(pk=used_up.pk)).word == "Paused"


@pytest.mark.parametrize("htmx", [True, False])
def test_resuming_without_raising_says_so_and_starts_nothing(page: Client, used_up: Batch, htmx: bool) -> None:
    headers = {"HX-Request": "true", "HX-Target": "run-actions"} if htmx else {}
    response = page.post(reverse("batch_resume", args=[used_up.pk]), headers=headers, follow=not htmx)
    assert "$0.04" in (response.headers["HX-Trigger"] if htmx else response.text)
    assert Batch.objects.get(pk=used_up.pk).status == BatchStatus.PAUSED


def test_resuming_after_raising_goes_on(page: Client, used_up: Batch) -> None:
    page.post(reverse("batch_budget", args=[used_up.pk]), {"budget": "1.00"})
    page.post(reverse("batch_resume", args=[used_up.pk]))
    assert Batch.objects.get(pk=used_up.pk).status == BatchStatus.QUEUED


# -- the pilot


@pytest.fixture
def first_read(batch: Batch, router: Engine, make_cards: MakeCards) -> Batch:
    """Ten cards of 399 are read: one failed, two without a year, one to check; in a minute, for a cent."""
    begun = timezone.now() - timedelta(minutes=5)
    changes.move_batch(batch, BatchStatus.QUEUED, engine=router, currency="USD", started_at=begun, label="d", pilot=10)
    told = {"tries": 1, "duration": 6.0}
    for number in range(9):
        ended = begun + timedelta(seconds=6 + 6 * number)
        card = make_cards(1, CardStatus.COMPLETED, finished_at=ended, to_check=number == 0, **told)[0]
        give_result(card, {"author": stored("Grieg"), "year": stored(None if number < 2 else "1875")})
    make_cards(1, CardStatus.FAILED, finished_at=begun + timedelta(seconds=60), error="reply_invalid", **told)
    make_cards(389)
    changes.move_batch(batch, BatchStatus.PAUSED, pause_reason=PauseReason.PILOT, calls=11, cost=Decimal("0.011"))
    change(batch, to_check=1)
    return Batch.objects.get(pk=batch.pk)


def test_what_was_measured_is_told_and_what_it_means_for_the_rest(page: Client, first_read: Batch) -> None:
    text = text_of(page, first_read)
    assert "The first 10 cards are there: go on?" in text
    assert "<dd>9 of 10</dd>" in text
    assert "<dd>11 of 27</dd>" in text, "no title was stored, and two years are missing"
    assert 'Year</dt><dd class="soft">empty on 2 cards</dd>' in text
    assert "<dd>60 seconds</dd>" in text
    assert "<dd>$0.011</dd>" in text
    assert "The remaining 389 cards would take about 39 minutes and cost about $0.43." in text


def test_a_pause_in_the_middle_is_not_measured(page: Client, first_read: Batch) -> None:
    later = first_read.cards.get(status=CardStatus.FAILED).finished_at + timedelta(hours=9)
    first_read.cards.filter(status=CardStatus.FAILED).update(finished_at=later)
    text = text_of(page, first_read)
    assert "<dd>60 seconds</dd>" in text
    assert "10 cards of 399" in text


def test_a_pilot_of_unknown_cost_tells_the_time_alone(page: Client, first_read: Batch) -> None:
    change(first_read, unpriced=11, cost=0)
    text = text_of(page, first_read)
    assert "The remaining 389 cards would take about 39 minutes." in text
    assert "<dt>Cost</dt><dd>not known</dd>" in text


def test_a_sum_of_the_pilot_that_is_not_whole_says_at_least(page: Client, first_read: Batch) -> None:
    change(first_read, unpriced=1)
    assert "<dd>at least $0.011</dd>" in text_of(page, first_read)


def test_going_on_ends_the_pilot(page: Client, first_read: Batch) -> None:
    headers = {"HX-Request": "true", "HX-Target": "run-pilot"}
    response = page.post(reverse("batch_resume", args=[first_read.pk]), headers=headers)
    batch = Batch.objects.get(pk=first_read.pk)
    assert (batch.status, batch.pilot, batch.pause_reason) == (BatchStatus.QUEUED, None, "")
    assert "hidden" in response.text
    assert "go on?" not in response.text


def test_a_person_s_pause_keeps_the_pilot(page: Client, first_read: Batch) -> None:
    change(first_read, pause_reason=PauseReason.PERSON)
    page.post(reverse("batch_resume", args=[first_read.pk]))
    assert Batch.objects.get(pk=first_read.pk).pilot == 10


def test_others_see_the_report_and_decide_nothing(client: Client, other_user: User, first_read: Batch) -> None:
    client.force_login(other_user)
    text = text_of(client, first_read)
    assert "The remaining 389 cards" in text
    assert "Go on with the rest" not in text
    assert client.post(reverse("batch_resume", args=[first_read.pk])).status_code == 404
    assert Batch.objects.get(pk=first_read.pk).pilot == 10


def test_the_list_says_that_the_first_cards_wait(first_read: Batch) -> None:
    assert state_of(first_read).word == "First cards read"


def test_there_is_no_report_while_cards_are_read(first_read: Batch) -> None:
    change(first_read, status=BatchStatus.RUNNING, pause_reason="")
    assert pilot.report(Batch.objects.get(pk=first_read.pk)) is None


# -- the house


def test_cards_that_must_stay_say_why_they_wait(page: Client, spent: Batch) -> None:
    change(
        spent,
        status=BatchStatus.PAUSED,
        pause_reason=PauseReason.CREDENTIALS,
        pause_message="These cards must not leave the house, and “Router” is outside.",
        options={"stay_inside": True},
    )
    text = text_of(page, spent)
    assert "These cards must not leave the house." in text
    assert "turns our calls away" not in text
    assert state_of(Batch.objects.get(pk=spent.pk)).word == "Must stay inside"


# -- the card


def test_each_call_tells_its_tokens_and_what_it_cost(page: Client, first_read: Batch, router: Engine) -> None:
    card = first_read.cards.order_by("position")[0]
    told = {"engine": router, "engine_name": "Router", "started_at": timezone.now()}
    card.attempts.create(**told, tokens_in=1_200, tokens_cached=800, tokens_out=90, cost=Decimal("0.00071"))
    card.attempts.create(**told, tokens_in=1_300, tokens_out=95)
    text = " ".join(page.get(reverse("card_detail", args=[first_read.pk, card.pk])).text.split())
    assert '1,200 / 90<span class="sub">800 cached</span>' in text
    assert "$0.00071" in text
    assert "not known" in text


def test_a_card_tells_of_calls_to_an_engine_that_is_gone(page: Client, first_read: Batch) -> None:
    card = first_read.cards.order_by("position")[0]
    card.attempts.create(engine_name="Gone", started_at=timezone.now(), tokens_in=7, cost=Decimal("0.5"))
    assert "Gone" in page.get(reverse("card_detail", args=[first_read.pk, card.pk])).text


@pytest.mark.parametrize("reason", ["budget", "endpoint", "credentials", "person", "pilot", "disk"])
def test_a_paused_batch_without_an_engine_has_its_pages(
    client: Client, administrator: User, spent: Batch, reason: str
) -> None:
    """Rows that others wrote: no page of ours makes such a batch."""
    client.force_login(administrator)
    change(spent, engine=None, status=BatchStatus.PAUSED, pause_reason=reason, budget=Decimal("0.04"))
    live = reverse("batch_live", args=[spent.pk])
    for address in ("batch_detail", "batch_budget", "batch_results", "batch_problems", "batch_statistics"):
        assert client.get(reverse(address, args=[spent.pk])).status_code == 200, address
    for view in ("progress", "grid"):
        assert client.get(f"{live}?after=0.0&view={view}&lang=en").status_code == 200, view
    assert client.get(reverse("batch_list")).status_code == 200
    if reason == "endpoint":
        assert "<b>The engine does not answer.</b>" in text_of(client, spent)
