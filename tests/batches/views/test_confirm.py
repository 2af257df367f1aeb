"""The page before the start: what will happen, what it costs, how many are read first, and where scans go."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches.models import Batch, Card, Spending, Upload
from batches.queries import budgets
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from ocr import probing
from ocr.models import Engine
from ocr.probe.findings import Report


@pytest.fixture
def model(db: None) -> Engine:
    return Engine.objects.create(
        name="Reader", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://models.example.org/v1", model="reader-1"
    )


def test_the_last_look_says_what_will_happen(
    ingrid: Client, batch: Batch, make_cards: Callable[..., list[Card]]
) -> None:
    make_cards(3)
    make_cards(1, error="unreadable_image", prepared_at="2026-11-01T10:00Z")
    text = ingrid.get(reverse("batch_confirm", args=[batch.pk])).text

    assert "These fields are right, read 4 cards" in text
    assert "The scans stay on this machine" in text
    assert "1 of them cannot be opened" in text
    assert "less than a minute" in text
    assert f'action="{reverse("batch_start", args=[batch.pk])}"' in text


def test_the_last_look_names_the_host_that_scans_are_sent_to(ingrid: Client, batch: Batch, model: Engine) -> None:
    model.seconds_per_card = 60
    model.max_in_flight = 1
    model.save()
    Batch.objects.filter(pk=batch.pk).update(engine=model, total=10, pending=10)
    text = ingrid.get(reverse("batch_confirm", args=[batch.pk])).text

    assert "They leave the house" in text
    assert "models.example.org" in text
    assert "about 10 minutes" in text


def test_no_time_is_told_where_none_is_known(ingrid: Client, batch: Batch, model: Engine) -> None:
    Batch.objects.filter(pk=batch.pk).update(engine=model, total=10)

    assert "Expected time" not in ingrid.get(reverse("batch_confirm", args=[batch.pk])).text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "There are no scans yet."),
        ({"fields": []}, "No field is named yet."),
        ({"fields": [{"key": "a", "label": "A", "active": False}]}, "No field is switched on."),
        ({"engine": None}, "No engine is chosen"),
        ({"options": {"summarize": True}}, "reads text alone. Switch off “Sum the card up in one sentence”"),
    ],
)
def test_what_is_missing_blocks_the_start(
    ingrid: Client, batch: Batch, change: dict[str, object], sentence: str
) -> None:
    Batch.objects.filter(pk=batch.pk).update(**change)
    text = ingrid.get(reverse("batch_confirm", args=[batch.pk])).text

    assert sentence in text
    assert "These fields are right" not in text


def test_the_last_look_at_a_started_batch_is_its_progress(ingrid: Client, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)

    response = ingrid.get(reverse("batch_confirm", args=[batch.pk]))
    assert response["Location"] == reverse("batch_detail", args=[batch.pk])


def test_others_may_look_but_not_start(client: Client, other_user: User, batch: Batch, card: Card) -> None:
    client.force_login(other_user)

    assert "Ingrid Solberg can start this batch" in client.get(reverse("batch_confirm", args=[batch.pk])).text


# -- money


@pytest.fixture
def priced(batch: Batch, model: Engine) -> Batch:
    """399 cards for an engine with prices, after a batch that cost a tenth of a cent a card."""
    Engine.objects.filter(pk=model.pk).update(
        price_in="0.20", price_out="0.60", price_cached="0.05", priced_on="2026-11-12", seconds_per_card=4
    )
    earlier = {"calls": 100, "cost": "0.10", "currency": "USD"}
    Batch.objects.create(name="Earlier", owner=batch.owner, engine=model, model="m", **earlier)
    Batch.objects.filter(pk=batch.pk).update(engine=model, model="m", total=399, pending=399)
    return Batch.objects.get(pk=batch.pk)


def page(client: Client, batch: Batch) -> str:
    return " ".join(client.get(reverse("batch_confirm", args=[batch.pk])).text.split())


def test_the_cost_is_that_of_earlier_cards_and_prices_have_their_date(ingrid: Client, priced: Batch) -> None:
    text = page(ingrid, priced)
    assert "about $0.40" in text
    assert "A million tokens: $0.20 in, $0.60 out, $0.05 cached, as of 12 Nov 2026." in text
    assert "about 2 minutes" in text


def test_who_chooses_an_engine_sees_what_a_card_costs(ingrid: Client, priced: Batch, model: Engine) -> None:
    Engine.objects.filter(pk=model.pk).update(model="m")
    text = ingrid.get(reverse("batch_fields", args=[priced.pk])).text
    assert "$0.001 a card" in text
    assert "no cost" in text


def test_before_any_batch_the_cost_is_that_of_the_engines_test(ingrid: Client, priced: Batch, model: Engine) -> None:
    Batch.objects.filter(name="Earlier").delete()
    report = Report((), seconds=2.0, tokens_in=2_000, tokens_out=1_000)
    probing.keep(model, "m", report)
    assert "about $0.40" in page(ingrid, priced)


def test_a_cost_that_nobody_knows_is_said_to_be_unknown(ingrid: Client, batch: Batch, model: Engine) -> None:
    Batch.objects.filter(pk=batch.pk).update(engine=model, total=20, pending=20)
    text = page(ingrid, batch)
    assert "<b>not known</b>" in text
    assert "The engine has no prices." in text


def test_what_this_machine_reads_costs_nothing_and_asks_for_no_limit(
    ingrid: Client, batch: Batch, make_cards: Callable[..., list[Card]]
) -> None:
    make_cards(3)
    text = page(ingrid, batch)
    assert "none, this machine reads" in text
    assert "Limit for this batch</dt>" not in text


def test_limits_and_what_is_left_of_the_month_are_told(ingrid: Client, priced: Batch, model: Engine) -> None:
    Batch.objects.filter(pk=priced.pk).update(budget="2.00")
    Engine.objects.filter(pk=model.pk).update(month_budget="20")
    Spending.objects.create(engine=model, month=budgets.month_of(timezone.now()), calls=9, cost="5.50")
    text = page(ingrid, priced)
    assert "<dd>$2.00 <a" in text
    assert "$14.50 of $20.00" in text


def test_a_limit_that_nobody_can_keep_blocks_the_start(ingrid: Client, batch: Batch, model: Engine) -> None:
    Batch.objects.filter(pk=batch.pk).update(engine=model, total=20, pending=20, budget="2.00")
    text = page(ingrid, batch)
    assert "nobody knows what a card costs" in text
    assert "start-form" not in text


def test_a_month_that_is_used_up_blocks_the_start(ingrid: Client, priced: Batch, model: Engine) -> None:
    Engine.objects.filter(pk=model.pk).update(month_budget="5")
    Spending.objects.create(engine=model, month=budgets.month_of(timezone.now()), calls=9, cost="5.50")
    assert "Of the month’s budget of $5.00 for “Reader”, $5.50 is spent." in page(ingrid, priced)


# -- how many at first


def test_ten_may_be_read_first(ingrid: Client, priced: Batch) -> None:
    text = page(ingrid, priced)
    assert "Read ten first" in text
    assert "Read all 399" in text
    assert "Then it waits until you have looked at them. Less than a minute, about $0.01." in text


def test_ten_cards_are_read_at_once(ingrid: Client, batch: Batch, make_cards: Callable[..., list[Card]]) -> None:
    make_cards(10)
    assert "Read ten first" not in page(ingrid, batch)


@pytest.mark.parametrize(("chosen", "pilot"), [("ten", 10), ("all", None), ("", None)])
def test_the_start_takes_what_was_chosen(
    ingrid: Client, batch: Batch, make_cards: Callable[..., list[Card]], chosen: str, pilot: int | None
) -> None:
    make_cards(12)
    ingrid.post(reverse("batch_start", args=[batch.pk]), {"confirm": "true", "first": chosen})
    batch.refresh_from_db()
    assert batch.status == BatchStatus.QUEUED
    assert batch.pilot == pilot


# -- where scans go


def test_the_way_out_is_named_without_what_is_secret(
    ingrid: Client, priced: Batch, model: Engine, settings: LazySettings
) -> None:
    settings.OUTBOUND_PROXY = "http://cardocr:let-me-out@proxy.house:3128"
    text = page(ingrid, priced)
    assert "Proxy proxy.house" in text
    assert "let-me-out" not in text
    assert "at most 1,600 pixels" in text
    assert "Without a key." in text
    model.set_key("secret-of-the-house")
    model.save()
    assert "With the site’s key." in page(ingrid, priced)


def test_cards_that_must_stay_are_not_started_with_an_engine_outside(ingrid: Client, priced: Batch) -> None:
    Batch.objects.filter(pk=priced.pk).update(options={"stay_inside": True})
    text = page(ingrid, priced)
    assert "These cards must not leave the house, and “Reader” is outside." in text
    assert "start-form" not in text
    assert ingrid.post(reverse("batch_start", args=[priced.pk])).status_code == 302
    assert Batch.objects.get(pk=priced.pk).is_draft


# -- the limit, at any time


@pytest.mark.parametrize("status", [BatchStatus.DRAFT, BatchStatus.RUNNING, BatchStatus.PAUSED, BatchStatus.COMPLETED])
def test_the_limit_is_changed_at_any_time(ingrid: Client, priced: Batch, status: BatchStatus) -> None:
    Batch.objects.filter(pk=priced.pk).update(status=status)
    where = reverse("batch_budget", args=[priced.pk])
    assert ingrid.get(where).status_code == 200
    response = ingrid.post(where, {"budget": "2.50"}, follow=True)
    assert "The limit for this batch is $2.50 now." in response.text
    assert Batch.objects.get(pk=priced.pk).budget == Decimal("2.50")
    ingrid.post(where, {"budget": ""})
    assert Batch.objects.get(pk=priced.pk).budget is None


@pytest.mark.parametrize("typed", ["0", "-1", "a lot", "1.001", "99999999999999"])
def test_a_limit_that_is_none_is_told_and_not_saved(ingrid: Client, priced: Batch, typed: str) -> None:
    response = ingrid.post(reverse("batch_budget", args=[priced.pk]), {"budget": typed})
    assert response.status_code == 422
    assert "This was not saved:" in response.text
    assert Batch.objects.get(pk=priced.pk).budget is None


@pytest.mark.parametrize("everybody", ["none", "read"])
def test_others_neither_see_nor_change_the_limit(
    client: Client, other_user: User, priced: Batch, everybody: str
) -> None:
    client.force_login(other_user)
    Batch.objects.filter(pk=priced.pk).update(everybody=everybody)
    where = reverse("batch_budget", args=[priced.pk])
    assert client.get(where).status_code == 404
    assert client.post(where, {"budget": "2.50"}).status_code == 404
    assert Batch.objects.get(pk=priced.pk).budget is None


def test_nobody_changes_a_limit_before_signing_in(client: Client, priced: Batch) -> None:
    assert client.post(reverse("batch_budget", args=[priced.pk]), {"budget": "2.50"}).status_code == 302
    assert Batch.objects.get(pk=priced.pk).budget is None


def test_files_that_were_not_added_or_are_being_opened_are_told(client: Client, user: User, batch: Batch) -> None:
    client.force_login(user)
    for status in ("duplicate", "refused", "receiving", "done"):
        Upload.objects.create(batch=batch, name=status, status=status)
    address = reverse("batch_confirm", args=[batch.pk])
    assert "3 files were not added" in client.get(address).text
    assert "being opened" not in client.get(address).text
    Upload.objects.create(batch=batch, name="box.zip", status="opening")
    assert "Files are still being opened." in client.get(address).text
