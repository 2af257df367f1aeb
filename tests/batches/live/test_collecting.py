import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from channels.db import database_sync_to_async
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from batches import changes
from batches.live import audience, collecting, feed
from batches.models import Batch, Card
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from tests.batches.live.sockets import closed_with, cookie_of, names, next_frame, opened, play, read, running, socket

pytestmark = pytest.mark.django_db(transaction=True)

in_thread = database_sync_to_async


@pytest.fixture
def drawers(batch: Batch, cards: list[Card], user: User, other_user: User) -> list[Batch]:
    """Drawer 12 with six cards, Drawer 13 with two, and one of another person, who keeps it to himself."""
    made = []
    for name, owner, more in (("Drawer 13", user, {}), ("Drawer 14", other_user, {"everybody": "none"})):
        one = Batch.objects.create(name=name, collection="Music", owner=owner, fields=batch.fields, total=2, **more)
        for n in (1, 2):
            Card.objects.create(batch=one, position=n, filename=f"{n}.jpg", source=f"{n}.jpg", original_name=f"{n}.jpg")
        Batch.objects.filter(pk=one.pk).update(pending=2)
        made.append(running(one))
    return [Batch.objects.get(pk=batch.pk), *made]


def cursor(client: Client) -> str:
    """As the page says it."""
    return str(client.get(reverse("collection_cards", args=["Music"])).context["cursor"])


def path(after: str, name: str = "Music") -> str:
    return f"/ws/collections/?collection={quote(name)}&lang=en&after={quote(after)}"


def test_cards_of_all_its_batches_arrive_as_rows_of_its_table(drawers: list[Batch], client: Client, user: User) -> None:
    client.force_login(user)
    cookie, after = cookie_of(user), cursor(client)
    first, second, hidden = ([*one.cards.all()] for one in drawers)

    async def scenario() -> list[dict[str, Any]]:
        one = await opened(path(after), cookie)
        await in_thread(read)(drawers[2], hidden[0], "Secret")
        await in_thread(read)(drawers[0], first[0], "Grieg")
        frames = [await next_frame(one)]
        await in_thread(read)(drawers[1], second[1], "Backer")
        frames.append(await next_frame(one))
        await one.disconnect()
        async with asyncio.timeout(5):
            while feed.house().watcher.alive:
                await asyncio.sleep(0.01)
        return frames

    frames = play(scenario)
    assert [names(one) for one in frames] == [[f"card-{first[0].pk}"], [f"card-{second[1].pk}"]]
    html = frames[0]["rows"][0]["html"]
    assert html.startswith(f'<tr id="card-{first[0].pk}" data-version=')
    for words in ("Grieg", "Drawer 12", "?collection=Music", f'id="pick-{first[0].pk}"'):
        assert words in html
    for personal in ("csrf", "ngrid", "olberg"):
        assert personal not in html
    assert "Secret" not in str(frames)
    assert drawers[2].pk not in collecting.parse("Music", "en", frames[1]["version"][0]).shown


def test_what_came_while_the_connection_was_down_arrives_with_the_next(
    drawers: list[Batch], client: Client, user: User
) -> None:
    client.force_login(user)
    cookie, after = cookie_of(user), cursor(client)
    missed = [drawers[0].cards.get(position=1), drawers[1].cards.get(position=2)]
    for card in missed:
        read(card.batch, card)

    async def scenario() -> tuple[dict[str, Any], bool]:
        one = await opened(path(after), cookie)
        frame = await next_frame(one)
        await one.disconnect()
        again = await opened(path(frame["version"][0]), cookie)
        return frame, await again.receive_nothing(1.5)

    frame, quiet = play(scenario)
    assert sorted(names(frame)) == sorted(f"card-{card.pk}" for card in missed)
    assert quiet, "sent once"


def test_the_same_frame_is_to_be_asked_for(drawers: list[Batch], client: Client, other_user: User, user: User) -> None:
    client.force_login(user)
    address = reverse("collection_live", args=["Music"])
    after = cursor(client)
    assert client.get(address, {"after": after}).json()["rows"] == []
    read(drawers[1], drawers[1].cards.get(position=1), "Backer")
    read(drawers[2], drawers[2].cards.get(position=1), "Secret")
    frame = client.get(address, {"after": after}).json()
    assert [("Backer" in row["html"], "Secret" in row["html"]) for row in frame["rows"]] == [(True, False)]
    Batch.objects.update(to_check=2, version=F("version") + 1)
    (check,) = client.get(address, {"after": frame["version"][0]}).json()["fragments"]
    assert "Check 4 cards" in check["html"]
    frame = client.get(address, {"after": after}).json()
    assert client.get(address, {"after": frame["version"][0]}).json()["rows"] == []
    Batch.objects.exclude(pk=drawers[2].pk).update(everybody="none")
    client.force_login(other_user)
    theirs = client.get(address, {"after": after}).json()
    assert (theirs["rows"], theirs["reload"]) == ([], True)  # a page of batches that one may not see loads afresh
    Batch.objects.update(everybody="none", owner=user)
    assert client.get(address, {"after": after}).status_code == 404
    client.logout()
    assert client.get(address).status_code == 302


def test_who_may_only_look_gets_rows_without_what_changes_them(
    drawers: list[Batch], client: Client, user: User, viewer: User
) -> None:
    address = reverse("collection_live", args=["Music"])
    for card, person, may in zip(drawers[0].cards.all()[:2], (viewer, user), (False, True), strict=True):
        client.force_login(person)
        after = cursor(client)
        read(card.batch, card)
        html = {row["id"]: row["html"] for row in client.get(address, {"after": after}).json()["rows"]}
        assert (f"pick-{card.pk}" in html[f"card-{card.pk}"]) == may
        assert (f"edit-{card.pk}-author" in html[f"card-{card.pk}"]) == may


@pytest.mark.parametrize(("role", "word"), [("viewer", "Look at"), ("reviewer", "Check")])
def test_the_way_to_the_review_says_what_one_may_do_there(
    drawers: list[Batch], client: Client, other_user: User, role: str, word: str
) -> None:
    User.objects.filter(pk=other_user.pk).update(role=role)
    Batch.objects.update(to_check=1)
    client.force_login(other_user)
    offered = f"{word} {len(drawers)} cards"
    assert offered in client.get(reverse("collection_cards", args=["Music"])).text
    after = cursor(client)
    read(drawers[0], drawers[0].cards.all()[0])
    told = client.get(reverse("collection_live", args=["Music"]), {"after": after}).json()
    (check,) = [one["html"] for one in told["fragments"] if one["id"] == "collection-check"]
    number = sum(Batch.objects.filter(collection="Music").values_list("to_check", flat=True))
    assert f"{word} {number} cards" in check
    assert word == "Look at" or f"pick-{drawers[0].cards.all()[0].pk}" in told["rows"][0]["html"]


def test_a_batch_that_is_started_meanwhile_is_followed_too(drawers: list[Batch], client: Client, user: User) -> None:
    client.force_login(user)
    address, after = reverse("collection_live", args=["Music"]), cursor(client)
    new = Batch.objects.create(name="New", collection="Music", owner=user, fields=drawers[0].fields, total=1, pending=1)
    card = Card.objects.create(batch=new, position=1, filename="1.jpg", source="1.jpg", original_name="1.jpg")
    assert client.get(address, {"after": after}).json()["rows"] == []  # a draft is in no table
    read(running(new), card, "Sinding")
    assert names(client.get(address, {"after": after}).json()) == [f"card-{card.pk}"]


@pytest.mark.parametrize("change", ["columns", "left", "trash", "far behind", "removed"])
def test_a_page_that_shows_what_is_no_longer_so_loads_afresh(
    drawers: list[Batch], client: Client, user: User, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(user)
    address, after = reverse("collection_live", args=["Music"]), cursor(client)
    one = Batch.objects.filter(pk=drawers[1].pk)
    if change == "columns":
        one.update(fields=[{"key": "place", "label": "Place", "type": "text"}])
    elif change == "left":
        one.update(collection="Maps")
    elif change == "trash":
        one.update(deleted_at=timezone.now())
    elif change == "far behind":
        monkeypatch.setattr(collecting, "FAR_BEHIND", 1)
        for card in (drawers[0].cards.get(position=1), drawers[1].cards.get(position=1)):
            read(card.batch, card)
    else:
        one.update(version=99, reload_after=99)
    frame = client.get(address, {"after": after}).json()
    assert (frame["rows"], frame["reload"]) == ([], True)
    if change != "columns":
        assert not client.get(address, {"after": cursor(client)}).json()["reload"]


def test_who_loses_sight_of_a_batch_hears_no_more_of_it(
    drawers: list[Batch], client: Client, other_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    client.force_login(other_user)
    cookie, after = cookie_of(other_user), cursor(client)

    async def scenario() -> tuple[dict[str, Any], int]:
        one = await opened(path(after), cookie)
        await in_thread(Batch.objects.filter(pk=drawers[0].pk).update)(everybody="none")
        frame = await next_frame(one)
        await in_thread(Batch.objects.update)(collection="")
        return frame, await closed_with(one)

    frame, code = play(scenario)
    assert (frame["rows"], frame["reload"]) == ([], True)
    assert drawers[0].pk not in collecting.parse("Music", "en", frame["version"][0]).shown
    assert code == 4404


def test_a_collection_of_which_one_knows_nothing_is_closed(drawers: list[Batch], other_user: User) -> None:
    Batch.objects.exclude(owner=other_user).update(everybody="none", collection="Own")
    cookie = cookie_of(other_user)

    async def scenario() -> list[int]:
        codes = []
        for address, who in ((path("", "Own"), cookie), (path("", ""), cookie), (path(""), "")):
            one = socket(address, who)
            assert (await one.connect(timeout=10))[0]
            codes.append(await closed_with(one))
        return codes

    assert play(scenario) == [4404, 4404, 4401]


def test_odd_cursors_are_harmless() -> None:
    assert collecting.parse("Music", "en", "x!1.2,²,3,4.-1,9.9,1.5,99999999999999999999.1").shown == {1: 5, 9: 9}
    assert collecting.parse("Music", "en", "").places == ()


def test_following_asks_as_often_whatever_the_number_of_batches(
    drawers: list[Batch], client: Client, user: User
) -> None:
    client.force_login(user)
    seen = collecting.seen_by(user, collecting.parse("Music", "en", cursor(client)))
    assert seen is not None

    def queries(stand: collecting.Stand) -> int:
        with CaptureQueriesContext(connection) as done:
            assert set(collecting.draw({stand})) == {stand}
        return len(done)

    assert queries(seen) == 1
    read(drawers[0], drawers[0].cards.get(position=1))
    few = queries(seen)
    for n in range(8):
        Batch.objects.create(name=f"B{n}", collection="Music", owner=user, status="completed", fields=drawers[0].fields)
    more = collecting.seen_by(user, seen)
    assert more is not None
    assert len(more.places) == 10
    assert queries(more) == few


def test_two_who_stand_apart_share_what_is_drawn(drawers: list[Batch], client: Client, user: User) -> None:
    client.force_login(user)
    early = collecting.seen_by(user, collecting.parse("Music", "en", cursor(client)))
    read(drawers[0], drawers[0].cards.get(position=1))
    late = collecting.seen_by(user, collecting.parse("Music", "en", cursor(client)))
    assert early is not None
    assert late is not None
    with changes.locked(drawers[0]) as change:
        change.move_card(change.batch.cards.get(position=2), CardStatus.SKIPPED)
    sheets = collecting.draw({early, late})
    assert [len(names(_frame(sheets[stand].text))) for stand in (early, late)] == [2, 1]
    assert sheets[early].key == sheets[late].key


def _frame(text: str | None) -> dict[str, Any]:
    return dict(json.loads(text or ""))
