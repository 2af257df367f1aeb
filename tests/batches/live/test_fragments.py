"""What many viewers share holds nothing of any of them."""

from collections.abc import Callable

import pytest
from channels.db import database_sync_to_async
from django.utils import translation

from batches import changes
from batches.live import feed, fragments
from batches.live.fragments import Role, Viewer
from batches.models import Batch, Card
from batches.states import BatchStatus, CardStatus, PauseReason
from cardocr_site.accounts.models import User
from tests.batches.live.sockets import cookie_of, next_frame, opened, play, read, running

Make = Callable[..., list[Card]]
PERSONAL = ("csrfmiddlewaretoken", "sessionid", "ingrid", "Ingrid", "Solberg", "magnus", "Magnus", "curator-of-cards")


@pytest.fixture
def started(batch: Batch, make_cards: Make) -> Batch:
    cards = make_cards(6)
    running(batch)
    read(batch, cards[0])
    changes.move_cards(batch, batch.cards.filter(position__in=[2, 3]), CardStatus.PROCESSING)
    changes.move_cards(batch, batch.cards.filter(position=2), CardStatus.FAILED, error="reply_invalid")
    return Batch.objects.get(pk=batch.pk)


def drawn(batch: Batch, viewer: Viewer) -> str:
    with translation.override(viewer.language):
        pieces = [one["html"] for one in fragments.of(batch, viewer)]
        cards = list(batch.cards.select_related("result", "reviewed_by"))
        return "".join([*pieces, *fragments.rows(batch, cards, viewer)])


@pytest.mark.parametrize("view", feed.VIEWS)
@pytest.mark.parametrize("status", ["running", "paused", "completed"])
def test_fragments_hold_nothing_personal(started: Batch, view: str, status: str) -> None:
    Batch.objects.update(status=status, pause_reason=PauseReason.PERSON if status == "paused" else "")
    batch = Batch.objects.get(pk=started.pk)
    for role in Role:
        for language in ("en", "de"):
            text = drawn(batch, Viewer(view, language, role))
            assert [word for word in PERSONAL if word in text] == [], (role, language)


def test_a_reader_gets_no_button_that_changes_anything(started: Batch) -> None:
    for status in (BatchStatus.RUNNING, BatchStatus.COMPLETED):
        Batch.objects.update(status=status)
        batch = Batch.objects.get(pk=started.pk)
        for view in feed.VIEWS:
            for word in ("formaction", "hx-post"):
                assert word not in drawn(batch, Viewer(view, "en", Role.READER)), (status, view)
        assert "formaction" in drawn(batch, Viewer("live", "en", Role.EDITOR))


def test_the_page_says_whom_the_bell_tells(started: Batch) -> None:
    assert "the bell above tells you" in drawn(started, Viewer("live", "en", Role.OWNER))
    for role in (Role.READER, Role.EDITOR, Role.ADMINISTRATOR):
        assert "the bell above tells its owner" in drawn(started, Viewer("live", "en", role))
    Batch.objects.update(status=BatchStatus.COMPLETED)
    assert "the bell" not in drawn(Batch.objects.get(pk=started.pk), Viewer("live", "en", Role.EDITOR)), "it has told"


def test_a_batch_that_waits_offers_to_tell_when_it_starts(started: Batch) -> None:
    viewer = Viewer("live", "en", Role.READER)
    for status, offered in ((BatchStatus.QUEUED, True), (BatchStatus.RUNNING, False), (BatchStatus.COMPLETED, False)):
        Batch.objects.update(status=status)
        text = drawn(Batch.objects.get(pk=started.pk), viewer)
        assert ("Tell me when it starts" in text) == offered, status
        assert ("Tell me when it is done" in text) == (status != BatchStatus.COMPLETED), status


@pytest.mark.django_db(transaction=True)
def test_viewers_of_other_languages_and_roles_get_their_own(batch: Batch, make_cards: Make, user: User) -> None:
    """At one time, on sockets of one batch."""
    cards = make_cards(2)
    running(batch)
    other = User.objects.create_user("magnus", password="curator-of-cards")
    batch.refresh_from_db()
    address = f"/ws/batches/{batch.pk}/?after={feed.cursor_at(batch)}&view=live"
    mine, theirs = cookie_of(user), cookie_of(other)

    async def scenario() -> list[str]:
        ones = [await opened(f"{address}&lang={language}", key) for language, key in (("de", mine), ("en", theirs))]
        await database_sync_to_async(read)(batch, cards[0])
        said = ["".join(piece["html"] for piece in (await next_frame(one))["fragments"]) for one in ones]
        for one in ones:
            await one.disconnect()
        return said

    german, english = play(scenario)
    assert "gerade gelesen" in german or "Datei 2 von 2" in german
    assert "File 2 of 2" in english
    assert "formaction" in german, "it is her batch"
    assert "formaction" not in english
