"""Pages that read cards again and decide between readings."""

import pytest
from django.test import Client
from django.urls import reverse

from batches.exports import Options, json
from batches.models import Batch, Card, Rereading
from batches.states import BatchStatus, CardStatus
from ocr.models import Engine
from templates_app.models import Field, FieldTemplate, FieldTemplateVersion
from tests.batches.actions.test_candidates import add_other, other_of, states
from tests.batches.reading import give_result, stored

FIELDS_2 = [
    {"key": "author", "label": "Author"},
    {"key": "depth", "label": "Depth"},
    {"key": "ref", "label": "Slide ref."},
]


@pytest.fixture
def other(db) -> Engine:
    return Engine.objects.create(name="Second", kind=Engine.Kind.OPENAI_COMPATIBLE, address="http://reader", model="m")


@pytest.fixture
def cards(batch, make_cards) -> list[Card]:
    made = make_cards(3, CardStatus.COMPLETED)
    for card in made:
        give_result(card, {"author": stored("Grieg"), "title": stored("Peer Gynt"), "year": stored("1875")})
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED, label="d")
    return made


@pytest.fixture
def newer(batch, user) -> FieldTemplateVersion:
    template = FieldTemplate.objects.create(name="Plankton", owner=user)
    first, second = (FieldTemplateVersion.objects.create(template=template, number=n) for n in (4, 5))
    for field in FIELDS_2:
        Field.objects.create(version=second, **field)
    Batch.objects.filter(pk=batch.pk).update(template_version=first)
    return second


def text(response) -> str:
    return " ".join(response.text.split())


def address(batch: Batch) -> str:
    return reverse("batch_reread", args=[batch.pk])


def test_the_page_says_how_many_cards_and_what_stays(ingrid, batch, cards, other):
    Card.objects.filter(pk=cards[0].pk).update(reviewed=True)
    page = text(ingrid.get(address(batch)))
    assert "3 <small>cards to read again" in page
    assert "<dt>Checked by people</dt><dd>1</dd>" in page
    assert "Nothing is overwritten" in page
    assert "Read 3 cards again" in page


def test_a_choice_is_told_before_anything_happens(ingrid, batch, cards, other, newer):
    asked = {"engine": other.pk, "version": newer.pk, "only_new": "on"}
    page = text(ingrid.get(address(batch), asked, headers={"HX-Request": "true", "HX-Target": "reread-plan"}))
    assert page.startswith('<section class="panel go" id="reread-plan"')
    assert "to reader." in page
    assert "Depth, Slide ref." in page
    assert "Author," not in page
    assert not Rereading.objects.exists()


def test_the_new_fields_alone_of_a_version_that_has_none_are_not_read(ingrid, batch, cards, other, newer):
    page = text(ingrid.get(address(batch), {"engine": other.pk, "only_new": "on"}))
    assert "There is no new field in these" in page
    assert "Read 3 cards again" not in page


def test_the_page_names_the_new_fields_of_a_newer_version(ingrid, batch, cards, newer):
    assert "Version 5 has 2 new fields: Depth, Slide ref.." in text(ingrid.get(address(batch)))


def test_cards_are_read_again_with_what_was_chosen(ingrid, batch, cards, other, newer):
    sent = {"engine": other.pk, f"model_{other.pk}": "big", "version": newer.pk, "card": [cards[0].pk, cards[1].pk]}
    response = ingrid.post(address(batch), sent)
    assert response.headers["Location"] == reverse("batch_detail", args=[batch.pk])
    made = Rereading.objects.get()
    assert (made.engine, made.model, made.template_version, made.total) == (other, "big", newer, 2)
    batch.refresh_from_db()
    assert (batch.status, batch.pending, batch.completed) == ("queued", 2, 1)


def test_a_filter_is_the_scope(ingrid, batch, cards, other):
    cards[1].result.search = "sinding"
    cards[1].result.save()
    assert "1 <small>card to read again" in text(ingrid.get(address(batch), {"q": "Sinding"}))
    ingrid.post(address(batch), {"engine": other.pk, "q": "Sinding"})
    assert Rereading.objects.get().total == 1


def test_why_it_cannot_be_done_is_said(ingrid, batch, cards, other):
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    assert "This batch is being read" in text(ingrid.get(address(batch)))
    response = ingrid.post(address(batch), {"engine": other.pk})
    assert response.status_code == 409
    assert "This batch is being read" in text(response)
    assert not Rereading.objects.exists()


@pytest.mark.parametrize("wrong", [{"engine": "99999"}, {"engine": "x"}, {}, {"engine": "", "version": "7"}])
def test_a_wrong_choice_changes_nothing(ingrid, batch, cards, wrong):
    assert ingrid.post(address(batch), wrong).status_code == 200
    assert not Rereading.objects.exists()


def test_a_version_of_another_template_is_no_choice(ingrid, batch, cards, other, newer, user):
    foreign = FieldTemplate.objects.create(name="Letters", owner=user)
    version = FieldTemplateVersion.objects.create(template=foreign, number=9)
    ingrid.post(address(batch), {"engine": other.pk, "version": version.pk})
    assert not Rereading.objects.exists()


@pytest.mark.parametrize("everybody", ["none", "read"])
def test_nobody_else_reads_again(client, batch, cards, other, other_user, everybody):
    Batch.objects.filter(pk=batch.pk).update(everybody=everybody)
    assert client.post(address(batch), {"engine": other.pk}).status_code == 302
    client.force_login(other_user)
    assert client.get(address(batch)).status_code == 404
    assert client.post(address(batch), {"engine": other.pk}).status_code == 404
    assert not Rereading.objects.exists()


def test_an_administrator_may(client, batch, cards, other, administrator):
    client.force_login(administrator)
    client.post(address(batch), {"engine": other.pk})
    assert Rereading.objects.get().created_by == administrator


def test_the_buttons_lead_there_only_where_something_can_be_read_again(client, ingrid, batch, cards, other_user):
    pages = [reverse("batch_results", args=[batch.pk]), reverse("batch_detail", args=[batch.pk])]
    pages.append(reverse("card_detail", args=[batch.pk, cards[0].pk]))
    for page in pages:
        assert address(batch) in ingrid.get(page).text
    assert f"{address(batch)}?card={cards[0].pk}" in ingrid.get(pages[2]).text
    assert f"{address(batch)}?filter=read" in ingrid.get(f"{pages[0]}?filter=read").text
    ingrid.force_login(other_user)
    for page in pages:
        assert address(batch) not in ingrid.get(page).text


# -- between two readings


@pytest.fixture
def card(cards) -> Card:
    add_other(cards[0], author="Sinding", year="1875")
    return Card.objects.get(pk=cards[0].pk)


def decide(client: Client, card: Card, how: str, **more):
    where = reverse("reading_decide", args=[card.batch_id, card.pk, other_of(card).pk])
    return client.post(where, {"version": card.version, "decision": how} | more)


def test_both_readings_stand_side_by_side(ingrid, batch, card):
    page = text(ingrid.get(reverse("card_detail", args=[batch.pk, card.pk])))
    assert "1 field differs" in page
    assert 'data-label="Holds now"><bdi class="value">Grieg</bdi></td>' in page
    assert 'data-label="Read now"><bdi class="value is-flag">Sinding</bdi>' in page
    assert "the same" in page
    assert "Check again" in page


def test_a_reading_is_taken(ingrid, card):
    assert decide(ingrid, card, "accept", take=["author"]).status_code == 302
    card.refresh_from_db()
    assert (card.result.values["author"], card.candidates) == ("Sinding", 0)


def test_a_reading_of_which_nothing_is_ticked_is_not_taken(ingrid, card):
    decide(ingrid, card, "accept")
    assert "Kept as it was." in text(ingrid.get(reverse("card_detail", args=[card.batch_id, card.pk])))


def test_a_reading_is_not_taken(ingrid, batch, card):
    decide(ingrid, card, "reject")
    card.refresh_from_db()
    assert (card.result.values["author"], card.candidates) == ("Grieg", 0)
    page = text(ingrid.get(reverse("card_detail", args=[batch.pk, card.pk])))
    assert "Other readings" in page
    assert "Use this one" in page


def test_who_saw_an_older_card_is_shown_both_and_nothing_is_decided(ingrid, card):
    Card.objects.filter(pk=card.pk).update(version=card.version + 1)
    response = decide(ingrid, card, "accept", take=["author"])
    assert response.status_code == 409
    assert "Somebody else has just changed this card" in response.text
    assert "Sinding" in response.text
    assert states(card)["second"] == "candidate"


def test_what_was_decided_already_is_said(ingrid, card):
    decide(ingrid, card, "accept", take=["author"])
    card.refresh_from_db()
    response = ingrid.post(
        reverse("reading_decide", args=[card.batch_id, card.pk, other_of(card).pk]),
        {"version": card.version, "decision": "reject"},
        follow=True,
    )
    assert "decided about that reading already" in response.text


def test_nobody_else_decides(client, batch, card, viewer):
    assert decide(client, card, "accept").status_code == 302
    client.force_login(viewer)
    assert decide(client, card, "accept", take=["author"]).status_code == 404
    assert "Take the ticked values" not in client.get(reverse("card_detail", args=[batch.pk, card.pk])).text
    assert states(card)["second"] == "candidate"
    assert client.get(reverse("reading_decide", args=[batch.pk, card.pk, other_of(card).pk])).status_code == 405


def test_the_filter_check_again_has_them_and_its_number(ingrid, batch, card):
    page = text(ingrid.get(f"{reverse('batch_results', args=[batch.pk])}?filter=again"))
    assert 'Check again <span class="count count--warn">1</span>' in page
    assert "1 other reading differs" in page
    assert "Compare" in page
    assert "1–1 of 1" in page


def test_a_field_that_a_card_was_never_asked_for_says_so(ingrid, batch, cards):
    depth = {"key": "depth", "label": "Depth", "type": "text", "required": True, "since": 5}
    Batch.objects.filter(pk=batch.pk).update(fields=[*batch.fields, depth])
    page = text(ingrid.get(reverse("batch_results", args=[batch.pk])))
    assert page.count("not asked") == 3
    data = b"".join(json.write(Batch.objects.get(pk=batch.pk), Options())).decode()
    assert data.count('"state": "not_asked"') == 3
