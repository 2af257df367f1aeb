"""A scan beside the fields of a template."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from batches.models import Batch, Card, TemplateSample
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from templates_app import versions
from templates_app.models import FieldTemplate
from tests.batches.reading import give_result, stored

BOX = [0.1, 0.2, 0.3, 0.05]
SEEN = {"prepared_at": timezone.now(), "width": 600, "height": 400}


@pytest.fixture
def template(batch: Batch, user: User) -> FieldTemplate:
    """That the batch has."""
    made = versions.create(user, "Music", batch.specs(active_only=False), instruction="Scores.")
    Batch.objects.filter(pk=batch.pk).update(template_version=made.newest)
    batch.refresh_from_db()
    return made


@pytest.fixture
def cards(template: FieldTemplate, make_cards: Callable[..., list[Card]]) -> list[Card]:
    """The second was read."""
    [waiting] = make_cards(1, **SEEN)
    [read] = make_cards(1, CardStatus.COMPLETED, **SEEN)
    give_result(read, {"author": stored("Grieg", regions=[BOX]), "title": stored(None)})
    return [waiting, read]


def page(client: Client, template: FieldTemplate, **query: object) -> str:
    response = client.get(reverse("template_detail", args=[template.pk]), query)
    return " ".join(response.text.split())


def image(card: Card) -> str:
    return reverse("card_image", args=[card.batch_id, card.pk, "page"])


def test_a_card_that_was_read_is_shown_with_a_box_for_each_field(
    ingrid: Client, template: FieldTemplate, cards: list[Card]
) -> None:
    text = page(ingrid, template)
    assert image(cards[1]) in text
    assert '<rect data-region="author" x="10.00" y="20.00" width="30.00" height="5.00"/>' in text
    assert text.count("<rect data-region") == 1
    assert "The place of 1 field is known." in text
    assert '<bdi class="value">Grieg</bdi>' in text
    assert 'data-field="author"' in text  # from the field to its box
    assert f"?beside=sample&amp;card={cards[0].pk}" in text


def test_another_card_is_leafed_to_and_kept_as_the_sample(
    ingrid: Client, template: FieldTemplate, cards: list[Card]
) -> None:
    text = page(ingrid, template, card=cards[0].pk)
    assert image(cards[0]) in text
    assert "This card was not read yet" in text

    said = ingrid.post(reverse("template_sample", args=[template.pk]), {"card": cards[0].pk}, follow=True).text
    assert "This scan is shown beside the fields from now on." in said
    assert image(cards[0]) in page(ingrid, template)
    assert "This is the template’s sample scan." in said

    ingrid.post(reverse("template_sample", args=[template.pk]), {"card": cards[1].pk})
    assert TemplateSample.objects.get().card == cards[1]


def test_a_scan_may_come_from_any_batch_that_one_may_see(
    ingrid: Client, template: FieldTemplate, cards: list[Card], other_user: User
) -> None:
    other = Batch.objects.create(name="Herbarium", owner=other_user, total=1)
    leaf = Card.objects.create(batch=other, position=1, filename="a.jpg", **SEEN)
    assert f'<option value="{other.pk}">Herbarium</option>' in page(ingrid, template)
    assert image(leaf) in page(ingrid, template, batch=other.pk)

    Batch.objects.filter(pk=other.pk).update(everybody="none")
    TemplateSample.objects.create(template=template, card=leaf)
    for query in ({"batch": other.pk}, {"card": leaf.pk}, {}):
        text = page(ingrid, template, **query)
        assert "Herbarium" not in text
        assert image(cards[1]) in text
    kept = ingrid.post(reverse("template_sample", args=[template.pk]), {"card": leaf.pk})
    assert kept.status_code == 404


def test_a_value_read_before_its_scan_was_replaced_has_no_box(
    ingrid: Client, template: FieldTemplate, cards: list[Card]
) -> None:
    Card.objects.filter(pk=cards[1].pk).update(edition=2)
    cards[1].scans.create(role="earlier", at=timezone.now())
    text = page(ingrid, template)
    assert "<rect data-region" not in text
    assert "Where on this scan the fields stand is not known." in text


def test_who_may_not_change_the_template_keeps_no_sample(
    client: Client, other_user: User, template: FieldTemplate, cards: list[Card]
) -> None:
    client.force_login(other_user)
    url = reverse("template_sample", args=[template.pk])
    assert image(cards[1]) in page(client, template)
    assert url not in page(client, template)
    assert client.post(url, {"card": cards[1].pk}).status_code == 404


@pytest.mark.parametrize("card", ["", "x", "9" * 30, "0"])
def test_what_is_no_card_is_no_sample(ingrid: Client, template: FieldTemplate, cards: list[Card], card: str) -> None:
    assert ingrid.post(reverse("template_sample", args=[template.pk]), {"card": card}).status_code == 404
    assert image(cards[1]) in page(ingrid, template, card=card, batch=card)


def test_without_a_scan_it_is_said_how_one_comes(ingrid: Client, template: FieldTemplate) -> None:
    text = page(ingrid, template)
    assert "No scan to show yet" in text
    assert "Make a batch with this template" in text


def test_the_tabs_are_pages_and_fragments(ingrid: Client, template: FieldTemplate, cards: list[Card]) -> None:
    assert 'name="instruction"' in page(ingrid, template, beside="instructions")
    assert image(cards[1]) in page(ingrid, template, beside="nonsense")
    headers = {"HX-Request": "true", "HX-Target": "beside"}
    part = ingrid.get(reverse("template_detail", args=[template.pk]), {"beside": "export"}, headers=headers).text
    assert part.count('id="beside"') == 1
    assert "<!doctype html>" not in part
    for name in ("Year (as on the card)", "year_verbatim"):
        assert f">{name}</p>" in part


def test_more_batches_and_cards_ask_the_database_no_more(
    ingrid: Client, user: User, template: FieldTemplate, cards: list[Card], make_cards: Callable[..., list[Card]]
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            page(ingrid, template)
        return len(queries)

    before = asked()
    make_cards(20, CardStatus.COMPLETED, **SEEN)
    for number in range(10):
        made = Batch.objects.create(name=f"B{number}", owner=user, total=1, template_version=template.newest)
        Card.objects.create(batch=made, position=1, filename="a.jpg", **SEEN)
    Batch.objects.filter(name="Drawer 12").update(changed_at=timezone.now())
    assert asked() == before
