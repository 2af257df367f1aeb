"""The review of a collection: one queue through all its batches."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches.models import Batch, BatchShare, Card, CardResult, Lease
from batches.queries import sorting
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import read_batch, stored

FIELDS = [{"key": "author", "label": "Author", "type": "text"}]
ENTRANCE = reverse("collection_review", args=["Music"])


def add(owner: User, name: str, severities: list[int], **more: Any) -> Batch:
    """A batch that was read, with a card to check for each."""
    read = [{"author": stored(f"Grieg {position}", confidence=0.4)} for position in range(1, len(severities) + 1)]
    batch = read_batch(owner, name, read, **({"fields": FIELDS, "label": name} | more))
    for position, severity in enumerate(severities, start=1):
        batch.cards.filter(position=position).update(to_check=True, severity=severity)
    Batch.objects.filter(pk=batch.pk).update(to_check=len(severities))
    batch.refresh_from_db()
    return batch


@pytest.fixture
def drawers(user: User) -> list[Batch]:
    """Ten after two, an empty one between them, a draft beside them."""
    ten = add(user, "Drawer 10", [1, 1])
    two = add(user, "Drawer 2", [1, 5, 1])
    add(user, "Drawer 3", [])
    add(user, "Drawer 4", [1], status=BatchStatus.DRAFT)
    add(user, "Elsewhere", [9], collection="Maps")
    return [two, ten]


def at(page: HttpResponse) -> tuple[str, int]:
    card = page.context["card"]
    return card.batch.name, card.position


def walked(client: Client, page: HttpResponse, way: str = "next") -> list[tuple[str, int]]:
    """Card by card; each says where it stands, and the film shows those around it."""
    films = [film(page)]
    seen = [at(page)]
    number = page.context["place"].number
    while page.context[way]:
        page = client.get(page.context[way])
        seen.append(at(page))
        films.append(film(page))
        number += 1 if way == "next" else -1
        assert page.context["place"].number == number
    order = seen if way == "next" else seen[::-1]
    for here, shown in zip(seen, films, strict=True):
        place = order.index(here)
        assert shown == order[max(0, place - 6) : place + 13]
    return seen


def film(page: HttpResponse) -> list[tuple[str, int]]:
    return [(frame.card.batch.name, frame.card.position) for frame, _at, _begins in page.context["frames"]]


def form(page: HttpResponse, **more: str) -> dict[str, Any]:
    author = page.context["card"].result.values["author"]
    return {"version": page.context["card"].version, "was.author": author, "value.author": author} | more


def right(client: Client, page: HttpResponse) -> HttpResponse:
    """As without JavaScript."""
    address = f"/batches/{page.context['batch'].pk}/review/{page.context['card'].pk}/save/?{page.context['here']}"
    return client.post(address, form(page, action="right"), follow=True)


def test_it_goes_on_from_the_last_card_of_a_batch_to_the_first_of_the_next(
    ingrid: Client, drawers: list[Batch]
) -> None:
    page = ingrid.get(ENTRANCE, follow=True)
    order = [("Drawer 2", 2), ("Drawer 2", 1), ("Drawer 2", 3), ("Drawer 10", 1), ("Drawer 10", 2)]
    assert walked(ingrid, page) == order  # the gravest of a batch first
    assert (page.context["place"].number, page.context["place"].total) == (1, 5)
    assert page.context["previous"] == ""
    assert [begins for _frame, _at, begins in page.context["frames"]] == ["", "", "", "Drawer 10", ""]
    last = ingrid.get(page.context["frames"][-1][1])
    assert walked(ingrid, last, "previous") == order[::-1]
    assert "of 5" in last.text
    assert f'data-batch="{drawers[1].pk}"' in last.text
    assert "These are cards of “Drawer 10” now." in last.text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"queue": ""}, [("B1", 8), ("B2", 1), ("B4", 2), ("B5", 14)]),
        ({"queue": "check", "q": "grieg 1"}, [("B1", [1]), ("B2", 1), ("B4", [1]), ("B5", [1, 10, 11, 12, 13, 14])]),
        ({"queue": "check", "q": "grieg", "in": "author", "below": "30"}, [("B1", [7]), ("B5", [11])]),
        ({"queue": "problems", "cause": "unreadable_image"}, [("B4", [2]), ("B5", [3])]),
    ],
)
def test_it_follows_the_filter_over_all_batches(
    ingrid: Client, user: User, query: dict[str, str], expected: list[tuple[str, int | list[int]]]
) -> None:
    order = [(name, n) for name, ns in expected for n in (ns if isinstance(ns, list) else range(1, ns + 1))]
    made = {name: add(user, name, [1] * size) for name, size in {"B1": 8, "B2": 1, "B3": 0, "B4": 2, "B5": 14}.items()}
    for batch, position in ((made["B1"], 7), (made["B5"], 11)):
        CardResult.objects.filter(card__batch=batch, card__position=position).update(confidence=0.2)
    if query["queue"] == "problems":
        for batch, position in ((made["B4"], 2), (made["B5"], 3)):
            batch.cards.filter(position=position).update(status=CardStatus.FAILED, error="unreadable_image")
            Batch.objects.filter(pk=batch.pk).update(failed=1)
        made["B5"].cards.filter(position=4).update(status=CardStatus.FAILED, error="engine_timeout")
    page = ingrid.get(f"{ENTRANCE}?{urlencode(query)}", follow=True)
    assert page.context["place"].total == len(order)
    assert walked(ingrid, page) == order
    assert sum(chip["current"] for chip in page.context["chips"]) == 1


def test_its_address_is_kept_by_everything_that_one_does(ingrid: Client, drawers: list[Batch]) -> None:
    page = ingrid.get(ENTRANCE, follow=True)
    address = page.redirect_chain[-1][0]
    for part in ("collection=Music", "queue=check", "sort=-severity", "since="):
        assert part in address
    assert at(ingrid.get(address)) == at(page)
    act = f"/batches/{page.context['batch'].pk}/review/{page.context['card'].pk}"
    assert ingrid.post(f"{act}/flag/?{page.context['here']}", {"note": "?"}).headers["Location"] == address
    undone = ingrid.post(f"{act}/undo/?{page.context['here']}", {"token": "x"})
    assert undone.headers["Location"] == address
    gone = ingrid.post(
        f"{act}/give-up/?{page.context['here']}", {"version": Card.objects.get(pk=page.context["card"].pk).version}
    )
    assert "collection=Music" in gone.headers["Location"]
    for chip in page.context["chips"]:
        assert chip["address"].startswith(f"{ENTRANCE}?"), chip
    assert page.context["entrance"].startswith(f"{ENTRANCE}?")
    assert "queue=check" in page.context["entrance"]
    assert f'href="{reverse("collection_cards", args=["Music"])}?filter=check"' in page.text


def test_what_is_done_counts_on_and_at_its_end_the_page_says_so(ingrid: Client, drawers: list[Batch]) -> None:
    page = ingrid.get(ENTRANCE, follow=True)
    seen = []
    for number in range(1, 6):
        assert (page.context["place"].number, page.context["place"].total) == (number, 5)
        assert page.context["place"].left == 6 - number
        seen.append(at(page))
        page = right(ingrid, page)
    assert len(set(seen)) == 5
    assert "Nothing is left to check here" in page.text
    assert reverse("collection_export", args=["Music"]) in page.text
    assert "in batches that others change" not in page.text


def test_undoing_leads_back_into_the_batch_before(ingrid: Client, drawers: list[Batch]) -> None:
    page = ingrid.get(ENTRANCE, follow=True)
    last = ingrid.get(page.context["frames"][2][1])
    act = f"/batches/{drawers[0].pk}/review/{last.context['card'].pk}"
    saved = ingrid.post(
        f"{act}/save/?{last.context['here']}", form(last, action="right"), headers={"Accept": "application/json"}
    )
    following = ingrid.get(last.context["next"])
    assert at(following) == ("Drawer 10", 1)
    assert at(ingrid.get(following.context["previous"])) == ("Drawer 2", 3)  # done, and in the queue still
    undone = ingrid.post(f"{act}/undo/?{last.context['here']}", {"token": saved.json()["undo"]}, follow=True)
    assert at(undone) == ("Drawer 2", 3)
    assert (undone.context["place"].number, undone.context["place"].total) == (3, 5)


def test_a_card_that_somebody_has_open_is_passed_over_into_the_next_batch(
    ingrid: Client, drawers: list[Batch], administrator: User
) -> None:
    until = timezone.now() + timedelta(minutes=1)
    for card in [*drawers[0].cards.all(), drawers[1].cards.get(position=1)]:
        Lease.objects.create(card=card, batch=card.batch, user=administrator, until=until)
    assert at(ingrid.get(ENTRANCE, follow=True)) == ("Drawer 10", 2)
    held = drawers[0].cards.get(position=3)
    page = ingrid.get(f"/batches/{drawers[0].pk}/review/?collection=Music&queue=check&card={held.pk}")
    assert at(ingrid.get(page.context["next"])) == ("Drawer 10", 2)


def test_ticked_cards_of_several_batches_are_one_queue(ingrid: Client, drawers: list[Batch], other_user: User) -> None:
    theirs = add(other_user, "Drawer 5", [1])
    ticked = [*drawers[1].cards.values_list("pk", flat=True), drawers[0].cards.get(position=3).pk]
    query = {"do": "open", "card": [*ticked, theirs.cards.get().pk]}
    page = ingrid.get(reverse("collection_act", args=["Music"]), query, follow=True)
    assert walked(ingrid, page) == [("Drawer 2", 3), ("Drawer 5", 1), ("Drawer 10", 1), ("Drawer 10", 2)]
    Card.objects.filter(pk__in=ticked).update(to_check=False)
    assert page.context["place"].total == 4  # they were named, whatever becomes of them


def test_the_order_of_the_table_one_came_from_is_kept(
    ingrid: Client, drawers: list[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = {
        ("Drawer 2", 1): 0.9,
        ("Drawer 2", 2): 0.2,
        ("Drawer 2", 3): 0.5,
        ("Drawer 10", 1): 0.8,
        ("Drawer 10", 2): 0.1,
    }
    for (name, position), confidence in sure.items():
        CardResult.objects.filter(card__batch__name=name, card__position=position).update(confidence=confidence)
    page = ingrid.get(f"{ENTRANCE}?queue=check&sort=confidence", follow=True)
    assert walked(ingrid, page) == sorted(sure, key=lambda card: sure[card])
    assert "sort=confidence" in page.context["here"]
    ticked = drawers[0].cards.values_list("pk", flat=True)
    query = {"do": "open", "sort": "-confidence", "card": [*ticked, drawers[1].cards.get(position=1).pk]}
    page = ingrid.get(reverse("collection_act", args=["Music"]), query, follow=True)
    assert walked(ingrid, page) == [("Drawer 2", 1), ("Drawer 10", 1), ("Drawer 2", 3), ("Drawer 2", 2)]
    monkeypatch.setattr(sorting, "FEW", 4)
    page = ingrid.get(f"{ENTRANCE}?queue=check&sort=confidence", follow=True)
    assert at(page) == ("Drawer 2", 1)  # of very many, batch after batch
    assert "sort=" not in page.context["here"]


# -- who sees what


def test_a_viewer_looks_through_what_they_may_see(client: Client, viewer: User, drawers: list[Batch]) -> None:
    Batch.objects.filter(pk=drawers[0].pk).update(everybody="none")
    client.force_login(viewer)
    page = client.get(ENTRANCE, follow=True)
    assert walked(client, page) == [("Drawer 10", 1), ("Drawer 10", 2)]
    assert "can change it" in page.text
    hidden = drawers[0].cards.first()
    asked = f"/batches/{drawers[1].pk}/review/?collection=Music&queue=&cards={hidden.pk}&card={page.context['card'].pk}"
    assert [frame.card for frame, _at, _begins in client.get(asked).context["frames"]] == [page.context["card"]]
    Batch.objects.update(everybody="none")
    assert client.get(ENTRANCE).status_code == 404


def test_a_batch_that_has_left_the_collection_is_reviewed_alone(ingrid: Client, drawers: list[Batch]) -> None:
    page = ingrid.get(ENTRANCE, follow=True)
    Batch.objects.filter(pk=drawers[0].pk).update(collection="Maps")
    page = ingrid.get(page.redirect_chain[-1][0])
    assert page.context["place"].total == 3
    assert "collection=" not in page.context["here"]


def test_without_a_batch_that_was_started_nothing_is_to_check(ingrid: Client, drawers: list[Batch]) -> None:
    Batch.objects.update(status=BatchStatus.DRAFT)
    assert "Nothing is left to check here" in ingrid.get(ENTRANCE).text


def test_a_reviewer_goes_through_all_that_is_shared_with_them(
    client: Client, other_user: User, drawers: list[Batch]
) -> None:
    User.objects.filter(pk=other_user.pk).update(role="reviewer")
    Batch.objects.update(everybody="none")
    group = Group.objects.create(name="Catalogue")
    other_user.groups.add(group)
    two, ten = drawers
    for batch in drawers:  # to read: a reviewer corrects all the same
        BatchShare.objects.create(batch=batch, group=group)
    client.force_login(other_user)
    assert "Check 5 cards" in client.get(reverse("collection_detail", args=["Music"])).text
    assert re.findall(r"Check \d+(?: cards?)?</a>", client.get(f"/batches/{two.pk}/").text) == [
        "Check 3 cards</a>",
        "Check 3</a>",
    ]
    home = client.get(reverse("review_home")).text
    assert [f"/batches/{batch.pk}/review/" in home for batch in drawers] == [True, True]
    assert ">Review<" in home
    assert ">Look<" not in home
    page = client.get(ENTRANCE, follow=True)
    assert len(walked(client, page)) == 5
    card = ten.cards.order_by("position").first()
    assert card is not None
    page = client.get(f"/batches/{ten.pk}/review/?collection=Music&card={card.pk}&queue=check")
    assert "Card is right" in page.text
    saved = client.post(
        reverse("review_save", args=[ten.pk, card.pk]),
        {"version": card.version, "action": "right", "was.author": "Grieg 1", "value.author": "Edvard Grieg"},
    )
    assert saved.status_code < 400
    card.refresh_from_db()
    assert (card.reviewed_by, card.result and card.result.values["author"]) == (other_user, "Edvard Grieg")


def test_who_only_looks_is_not_asked_to_check(client: Client, viewer: User, drawers: list[Batch]) -> None:
    client.force_login(viewer)
    for address, said in (
        (reverse("collection_detail", args=["Music"]), "Look at 5 cards"),
        (f"/batches/{drawers[0].pk}/", "Look at 3 cards"),
        (reverse("review_home"), ">Look<"),
    ):
        page = client.get(address).text
        assert said in page
        assert not re.search(r"Check \d+( cards?)?</a>", page), address
