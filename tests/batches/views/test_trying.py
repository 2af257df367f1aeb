"""The panel and the page on which cards are tried, and the word that the start asks for."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches.actions import drafts, trying
from batches.models import Batch, Card, CardResult, TryCard, TryOut
from batches.queries import trying as queries
from batches.queries.means import pictures, read_key, setup_of
from cardocr_site.accounts.models import User
from templates_app import editing, presets
from tests.batches.reading import stored


@pytest.fixture
def cards(make_cards: Callable[..., list[Card]]) -> list[Card]:
    return make_cards(5, prepared_at=timezone.now(), width=600, height=400)


def address(batch: Batch, name: str = "batch_try") -> str:
    return reverse(name, args=[batch.pk])


def page(client: Client, batch: Batch, name: str = "batch_fields") -> str:
    return client.get(address(batch, name)).text


def give_readings(batch: Batch) -> None:
    """As the consumer does: made with what holds now."""
    batch = Batch.objects.get(pk=batch.pk)
    assert batch.engine is not None
    setup = setup_of(batch, batch.engine)
    for row in TryCard.objects.filter(tryout__batch=batch).select_related("card"):
        field = stored("6-3-81") | {"value": "1981-03-06", "regions": [[0.1, 0.2, 0.3, 0.1]]}
        fields = {"author": stored("Grieg", confidence=0.4), "title": field, "year": stored(None)}
        row.result = CardResult.objects.create(
            card=row.card,
            engine=batch.engine,
            state="tried",
            read_key=read_key(setup, pictures(row.card)),
            fields=fields,
            values={key: one["value"] for key, one in fields.items()},
        )
        row.fields, row.finished_at = batch.fields, timezone.now()
        row.duration, row.cost, row.worker = 1.5, 0, "w"
        row.save()


@pytest.fixture
def tried(batch: Batch, cards: list[Card], user: User) -> Batch:
    trying.ask(batch, user)
    give_readings(batch)
    return Batch.objects.get(pk=batch.pk)


def test_before_anything_is_tried_the_panel_says_what_it_is_for(ingrid: Client, batch: Batch, cards: list[Card]):
    text = page(ingrid, batch)
    assert 'id="try-on"' in text
    assert "so that you see what comes of them" in text
    assert "Nothing was tried yet" in page(ingrid, batch, "batch_confirm")
    assert 'name="compared"' not in page(ingrid, batch, "batch_confirm")


def test_a_click_asks_for_three_cards_and_draws_them_waiting(ingrid: Client, batch: Batch, cards: list[Card]):
    response = ingrid.post(address(batch), headers={"HX-Request": "true", "HX-Target": "try-on"})
    assert response.text.lstrip().startswith('<section class="panel gap" id="try-on"')
    assert "3 cards are still to be read" in response.text
    assert TryCard.objects.count() == 3
    plain = ingrid.post(address(batch))
    assert plain.headers["Location"] == f"{address(batch, 'batch_fields')}#try-on"


def test_the_cards_that_were_ticked_are_tried_and_tried_again(ingrid: Client, batch: Batch, cards: list[Card]):
    ingrid.post(address(batch), {"card": [cards[0].pk, cards[4].pk]})
    assert list(TryCard.objects.values_list("card", flat=True)) == [cards[0].pk, cards[4].pk]
    ingrid.post(address(batch), {"same": "1"})
    assert list(TryCard.objects.values_list("card", flat=True)) == [cards[0].pk, cards[4].pk]
    assert page(ingrid, batch, "batch_try_cards").count(" checked>") == 2


def test_the_activity_says_who_tried_what(ingrid: Client, batch: Batch, cards: list[Card]):
    ingrid.post(address(batch))
    Batch.objects.update(engine=None)
    ingrid.post(address(batch))
    assert [(act.kind, act.count) for act in batch.activities.all()] == [("try", 3)], "a refusal is no act"
    assert "Ingrid Solberg tried local on 3 cards" in ingrid.get(f"/batches/{batch.pk}/activity/").text


@pytest.mark.parametrize("sent", ["x", "9" * 40, "-1", "<script>"])
def test_a_card_that_is_none_is_passed_over(ingrid: Client, batch: Batch, cards: list[Card], sent: str):
    ingrid.post(address(batch), {"card": [sent]})
    assert TryCard.objects.count() == 3, "none was named: some from the whole batch"


def test_cards_of_another_batch_cannot_be_tried(ingrid: Client, batch: Batch, cards: list[Card], user: User):
    other = Batch.objects.create(name="Other", owner=user, engine=batch.engine, fields=batch.fields)
    ingrid.post(address(other), {"card": [cards[0].pk]})
    assert not TryCard.objects.exists()


def test_what_cannot_be_tried_says_why_where_it_was_asked(ingrid: Client, batch: Batch, cards: list[Card]):
    Batch.objects.update(engine=None)
    response = ingrid.post(address(batch), headers={"HX-Request": "true", "HX-Target": "try-on"})
    assert response.status_code == 409
    assert "Choose what reads the cards." in response.text


def test_values_stand_beside_their_part_of_the_scan(ingrid: Client, tried: Batch):
    text = page(ingrid, tried)
    assert "with these fields" in text
    assert 'viewBox="46 66 208 68"' in text, "a tenth from the left of 600 pixels, and a margin"
    assert text.count("6-3-81") == 3
    assert "recorded as" in text
    assert "1.5 s" in text
    assert "no cost" in text
    assert "kept at the start" in text


def test_a_change_of_fields_marks_the_readings_as_old(ingrid: Client, tried: Batch):
    drafts.edit_fields(tried, lambda specs: editing.removed(specs, "year"))
    assert "were changed since: try again" in page(ingrid, tried)
    confirm = page(ingrid, tried, "batch_confirm")
    assert "What was read then is not kept" in confirm
    assert "Start nevertheless." in confirm
    assert "I have compared" not in confirm


def test_the_start_wants_the_word_that_the_scans_were_compared(ingrid: Client, tried: Batch, user: User):
    text = page(ingrid, tried, "batch_confirm")
    assert "I have compared the 3 cards with their scans." in text
    assert "Tried already, kept" in text
    assert "read 2 cards" in text
    mark = queries.mark(tried)
    ingrid.post(address(tried, "batch_start"), {"confirm": "true"})
    assert Batch.objects.get().is_draft
    ingrid.post(address(tried, "batch_start"), {"confirm": "true", "compared": mark})
    assert not Batch.objects.get().is_draft
    assert TryOut.objects.get().compared_by == user
    assert Batch.objects.get().completed == 3


def test_the_word_is_for_the_fields_that_the_page_showed(ingrid: Client, tried: Batch):
    mark = queries.mark(tried)
    drafts.set_instruction(tried, "Words struck out do not count.")
    response = ingrid.post(address(tried, "batch_start"), {"compared": mark}, follow=True)
    assert "Look at the tried cards again" in response.text
    assert Batch.objects.get().is_draft


def test_the_last_look_follows_the_cards_that_are_tried(ingrid: Client, batch: Batch, cards: list[Card], user: User):
    trying.ask(batch, user)
    confirm = address(batch, "batch_confirm")
    asks = {"HX-Request": "true", "HX-Target": "tried"}
    assert 'hx-trigger="every 3s"' in ingrid.get(confirm).text
    assert ingrid.get(confirm, headers=asks).status_code == 204
    give_readings(batch)
    page = ingrid.get(confirm, headers=asks)
    assert page.status_code == 200
    assert "every 3s" not in page.text
    for part in ('id="tried"', 'id="start-number"', 'id="start-word"', "I have compared"):
        assert part in page.text


def test_stopping_forgets_what_is_not_read(ingrid: Client, batch: Batch, cards: list[Card], user: User):
    trying.ask(batch, user)
    ingrid.post(address(batch, "batch_try_stop"))
    assert not TryOut.objects.exists()


def test_others_see_the_readings_and_no_button(client: Client, tried: Batch, other_user: User):
    client.force_login(other_user)
    text = page(client, tried)
    assert "6-3-81" in text
    assert 'id="try-now"' not in text


def test_hostile_values_are_only_text(ingrid: Client, tried: Batch):
    result = CardResult.objects.first()
    assert result is not None
    result.fields["author"] |= {"verbatim": "<script>alert(1)</script>", "value": "<script>alert(1)</script>"}
    result.values["author"] = "<script>alert(1)</script>"
    result.save()
    assert "<script>alert(1)" not in page(ingrid, tried)


def test_the_sample_is_tried_as_soon_as_it_is_made(ingrid: Client, user: User, engine):

    presets.install()
    ingrid.post(reverse("batch_sample"))
    sample = Batch.objects.get(is_sample=True)
    assert TryCard.objects.filter(tryout__batch=sample).count() == 3
    ingrid.post(reverse("batch_sample"))
    assert TryOut.objects.count() == 1


def test_the_panel_asks_the_same_few_questions_for_any_batch(
    ingrid: Client, tried: Batch, make_cards: Callable[..., list[Card]], django_assert_max_num_queries
):
    make_cards(40)
    with django_assert_max_num_queries(30):
        page(ingrid, tried)
