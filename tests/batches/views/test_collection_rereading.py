"""Cards of a collection that are read again: of several batches at once, each with its own fields."""

import pytest
from django.test import Client
from django.urls import reverse

from batches.models import Activity, Batch, Card, Rereading
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests.batches.views.test_collection_review import add

PAGE = reverse("collection_reread", args=["Music"])


@pytest.fixture
def reader(db) -> Engine:
    return Engine.objects.create(name="Second", kind=Engine.Kind.OPENAI_COMPATIBLE, address="http://reader", model="m")


@pytest.fixture
def drawers(user: User, other_user: User) -> list[Batch]:
    """Two that can be read again, one that is being read, and one of another person."""
    other = [{"key": "place", "label": "Place", "type": "text"}]
    two, ten = add(user, "Drawer 2", [1, 1]), add(user, "Drawer 10", [1, 1, 1], fields=other)
    add(user, "Drawer 11", [1], status=BatchStatus.RUNNING)
    add(other_user, "Drawer 12", [1])
    return [two, ten]


def text(response) -> str:
    return " ".join(response.text.split())


def again() -> dict[str, int]:
    """How many cards of each batch are read again."""
    return {one.batch.name: one.total for one in Rereading.objects.select_related("batch")}


def test_what_is_meant_is_said_with_its_number_before_anything_happens(
    ingrid: Client, drawers: list[Batch], reader: Engine
) -> None:
    page = text(ingrid.get(PAGE, {"engine": reader.pk}))
    assert "5 <small>cards to read again" in page
    assert "The whole collection" in page
    assert "Place, Author" in page
    assert "Drawer 11: This batch is being read. Wait until it is over, or stop it." in page
    assert "Drawer 12" not in page.split('id="reread-plan"')[1]
    assert "Read 5 cards again" in page
    asked = {"engine": reader.pk, "q": '"drawer 2"'}
    plan = text(ingrid.get(PAGE, asked, headers={"HX-Request": "true", "HX-Target": "reread-plan"}))
    assert plan.startswith('<section class="panel go" id="reread-plan"')
    assert "Read 2 cards again" in plan
    assert not Rereading.objects.exists()


def test_each_batch_reads_its_own_and_says_so_in_its_activity(
    ingrid: Client, drawers: list[Batch], reader: Engine
) -> None:
    page = ingrid.post(PAGE, {"engine": reader.pk}, follow=True)
    assert "5 cards are read again." in page.text
    assert "Drawer 11: This batch is being read." in page.text
    assert again() == {"Drawer 2": 2, "Drawer 10": 3}
    fields = {one.batch.name: [field["key"] for field in one.fields] for one in Rereading.objects.all()}
    assert fields == {"Drawer 2": ["author"], "Drawer 10": ["place"]}
    assert sorted(Activity.objects.filter(kind="reread").values_list("batch__name", "count")) == [
        ("Drawer 10", 3),
        ("Drawer 2", 2),
    ]


def test_the_selection_of_the_table_leads_there(ingrid: Client, drawers: list[Batch], reader: Engine) -> None:
    act = reverse("collection_act", args=["Music"])
    card = drawers[1].cards.get(position=2).pk
    assert ingrid.get(act, {"do": "reread", "all": "1", "q": "grieg"}).headers["Location"] == f"{PAGE}?q=grieg"
    page = ingrid.get(act, {"do": "reread", "card": card}, follow=True)
    assert "1 <small>card to read again" in page.text
    ingrid.post(PAGE, {"engine": reader.pk, "cards": card})
    assert again() == {"Drawer 10": 1}
    assert Card.objects.get(pk=card).rereading is not None


@pytest.mark.parametrize("sent", [{}, {"engine": "999"}, {"engine": "x"}])
def test_a_wrong_choice_reads_nothing(ingrid: Client, drawers: list[Batch], reader: Engine, sent: dict[str, str]):
    assert ingrid.post(PAGE, sent).status_code == 200
    assert again() == {}


def test_cards_that_cannot_be_read_now_are_left_with_the_reason(
    ingrid: Client, drawers: list[Batch], reader: Engine
) -> None:
    Batch.objects.update(status=BatchStatus.PAUSED)
    page = text(ingrid.get(PAGE, {"engine": reader.pk}))
    assert "None of these cards can be read again now." in page
    assert "Drawer 2: This batch is paused. Resume it or stop it first." in page
    page = text(ingrid.post(PAGE, {"engine": reader.pk}, follow=True))
    assert "Drawer 2: This batch is paused." in page
    assert again() == {}


def test_nobody_reads_the_cards_of_others_again(client: Client, other_user: User, user: User, reader: Engine) -> None:
    add(user, "Drawer 2", [1])
    client.force_login(other_user)
    client.post(PAGE, {"engine": reader.pk})
    assert again() == {}
