from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from batches import changes
from batches.actions import runs
from batches.live import feed, fragments
from batches.models import Batch, Card, Rereading
from batches.queries import live
from batches.states import BatchStatus, CardStatus, PauseReason
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests.batches.live.sockets import read, running

MakeCards = Callable[..., list[Card]]
HTMX = {"HX-Request": "true"}
AFTERNOON = datetime(2026, 11, 21, 14, 49, tzinfo=UTC)


@pytest.fixture
def page(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def started(batch: Batch, make_cards: MakeCards) -> Batch:
    make_cards(4)
    running(batch)
    batch.refresh_from_db()
    return batch


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody drains here: what the actions ring for is tested with the drain."""
    monkeypatch.setattr(runs.tasks, "drain", lambda batch_id: None)


def address(name: str, *ids: int) -> str:
    return reverse(name, args=ids)


def test_a_draft_is_sent_to_its_scans(page: Client, batch: Batch) -> None:
    assert page.get(address("batch_detail", batch.pk)).headers["Location"] == address("batch_upload", batch.pk)


def test_the_page_says_how_far_it_is(page: Client, started: Batch) -> None:
    read(started, started.cards.first(), "Ibsen")
    text = page.get(address("batch_detail", started.pk)).text
    assert "<title>25 % · Drawer 12" in text.replace("\n", "")
    assert "File 2 of 4" in text
    assert 'aria-valuenow="25"' in text
    assert ">Ibsen</span>" in text
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in text
    started.refresh_from_db()
    assert f'data-after="{feed.cursor_at(started)}"' in text
    assert "style=" not in text
    assert "onclick" not in text


def test_hostile_values_and_names_are_text(page: Client, started: Batch) -> None:
    card = started.cards.first()
    hostile = "<img src=x onerror=alert(1)>"
    Card.objects.filter(pk=card.pk).update(original_name=hostile)
    Batch.objects.filter(pk=started.pk).update(name=hostile)
    read(started, card, "</td><script>alert(1)</script>")
    for text in (
        page.get(address("batch_detail", started.pk)).text,
        page.get(address("batch_live", started.pk), {"after": "0.0"}).content.decode(),
        page.get(address("batch_live", started.pk), {"after": "0.0", "view": "grid"}).content.decode(),
    ):
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "&lt;" in text


def test_polling_gives_the_frame_of_the_socket(page: Client, started: Batch, user: User) -> None:
    start = feed.cursor_at(started)
    card = started.cards.first()
    read(started, card)
    started.refresh_from_db()
    polled = page.get(address("batch_live", started.pk), {"after": str(start)}).json()
    viewer = fragments.Viewer("live", "en", fragments.Role.OWNER)
    assert polled == feed.frame(Batch.objects.get(pk=started.pk), start, viewer)
    assert [row["id"] for row in polled["rows"]] == [f"card-{card.pk}"]
    after = "{}.{}".format(*polled["version"])
    again = page.get(address("batch_live", started.pk), {"after": after}).json()
    assert again == {"version": polled["version"], "fragments": [], "rows": [], "reload": False}


def test_the_grid_gets_the_grids_rows(page: Client, started: Batch) -> None:
    frame = page.get(address("batch_live", started.pk), {"after": "0.0", "view": "grid"}).json()
    assert len(frame["rows"]) == 4
    assert [fragment["id"] for fragment in frame["fragments"]] == ["batch-state", "batch-tabs"]


def test_a_cursor_from_the_future_and_removed_cards_reload(page: Client, started: Batch) -> None:
    assert page.get(address("batch_live", started.pk), {"after": "999.0"}).json()["reload"] is True
    with changes.locked(started) as change:
        change.set(reload_after=change.version)
    assert page.get(address("batch_live", started.pk), {"after": "1.0"}).json()["reload"] is True


def test_a_card_that_is_read_again_leaves_the_live_table(page: Client, started: Batch) -> None:
    card = started.cards.first()
    read(started, card)
    started.refresh_from_db()
    cursor = feed.cursor_at(started)
    changes.move_cards(started, Card.objects.filter(pk=card.pk), CardStatus.PENDING)
    frame = page.get(address("batch_live", started.pk), {"after": str(cursor)}).json()
    assert frame["rows"] == [{"id": f"card-{card.pk}", "position": 1, "html": ""}]


@pytest.mark.parametrize("text", ["", "x.y", "1", "-1.0", "1.²", "1.2.3", "9" * 50 + ".1"])
def test_an_odd_cursor_starts_from_the_beginning(text: str) -> None:
    assert feed.Cursor.parse(text) == (0, 0)


def test_pause_resume_and_stop(page: Client, started: Batch) -> None:
    for action, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("resume", "queued")):
        for _twice in range(2):
            response = page.post(address(f"batch_{action}", started.pk))
            assert response.headers["Location"] == address("batch_detail", started.pk)
            started.refresh_from_db()
            assert started.status == status


def test_htmx_gets_the_fragment_it_asked_for(page: Client, started: Batch) -> None:
    response = page.post(address("batch_pause", started.pk), headers=HTMX | {"HX-Target": "run-actions"})
    assert response.text.strip().startswith('<div class="row" id="run-actions">')
    assert "Resume" in response.text


def test_what_cannot_be_done_is_said(page: Client, started: Batch) -> None:
    Batch.objects.filter(pk=started.pk).update(status=BatchStatus.COMPLETED)
    response = page.post(address("batch_pause", started.pk), follow=True)
    assert response.status_code == 200
    assert "That cannot be done now: it is “Finished”." in response.text
    response = page.post(address("batch_cancel", started.pk), headers=HTMX | {"HX-Target": "run-actions"})
    assert response.status_code == 409
    assert "Finished" in response.headers["HX-Trigger"]


def test_failed_cards_are_read_again(page: Client, started: Batch) -> None:
    cards = started.cards.all()[:2]
    changes.move_cards(started, started.cards.filter(pk__in=[c.pk for c in cards]), CardStatus.PROCESSING)
    changes.move_cards(
        started, started.cards.filter(pk__in=[c.pk for c in cards]), CardStatus.FAILED, error="reply_truncated"
    )
    text = page.get(address("batch_detail", started.pk)).text
    assert "Retry all 2" in text
    assert "cut off" in text
    assert "fewer fields" in text  # what helps
    one = page.post(address("card_retry", started.pk, cards[0].pk), headers=HTMX | {"HX-Target": f"card-{cards[0].pk}"})
    assert one.text.count(f'<tr id="card-{cards[0].pk}" ') == 1
    response = page.post(address("batch_retry", started.pk), headers=HTMX | {"HX-Target": "run-problems"})
    assert "1 card is read again." in response.headers["HX-Trigger"]
    started.refresh_from_db()
    assert started.failed == 0
    assert page.post(address("card_retry", started.pk, cards[1].pk), {"from": "problems"}).headers[
        "Location"
    ] == address("batch_problems", started.pk)


def test_each_cause_has_its_own_retry(page: Client, started: Batch) -> None:
    changes.move_cards(started, started.cards.all(), CardStatus.PROCESSING)
    cut = started.cards.filter(position__lte=2)
    changes.move_cards(started, cut, CardStatus.FAILED, error="reply_truncated")
    changes.move_cards(started, started.cards.filter(position__gt=2), CardStatus.FAILED, error="engine_timeout")
    assert page.get(address("batch_detail", started.pk)).text.count("Retry these 2") == 2
    response = page.post(
        address("problems_retry", started.pk),
        {"cause": "reply_truncated"},
        headers=HTMX | {"HX-Target": "run-problems"},
    )
    assert response.text.lstrip().startswith('<section class="panel" id="run-problems"')
    assert "2 cards are read again." in response.headers["HX-Trigger"]
    started.refresh_from_db()
    assert (started.failed, started.pending) == (2, 2)


def test_what_else_is_read_is_said(page: Client, started: Batch) -> None:
    assert "Read beside this one</dt><dd>nothing" in page.get(address("batch_detail", started.pk)).text
    Batch.objects.create(name="Other", owner=started.owner, engine=started.engine, status="running", pending=318)
    assert "1 batch, 318 cards left" in page.get(address("batch_detail", started.pk)).text


def test_administrators_get_advice(client: Client, administrator: User, started: Batch) -> None:
    client.force_login(administrator)
    changes.move_cards(started, started.cards.all(), CardStatus.PROCESSING)
    changes.move_cards(started, started.cards.all(), CardStatus.FAILED, error="reply_truncated")
    changes.move_batch(started, BatchStatus.PAUSED, pause_reason=PauseReason.CREDENTIALS, pause_message="402")
    text = client.get(address("batch_detail", started.pk)).text
    assert "fewer fields" in text
    assert "Open the engine" in text


def test_a_start_that_lacks_something_says_so(page: Client, batch: Batch) -> None:
    response = page.post(address("batch_start", batch.pk))
    assert response.headers["Location"] == address("batch_confirm", batch.pk)
    batch.refresh_from_db()
    assert batch.status == BatchStatus.DRAFT


def test_a_start_leads_to_the_live_page_and_twice_is_once(page: Client, batch: Batch, card: Card) -> None:
    for _twice in range(2):
        response = page.post(address("batch_start", batch.pk))
        assert response.headers["Location"] == address("batch_detail", batch.pk)
    batch.refresh_from_db()
    assert batch.status == BatchStatus.QUEUED


@pytest.mark.parametrize("name", ["start", "pause", "resume", "cancel", "retry"])
def test_only_who_may_edit_acts_and_only_by_post(
    client: Client, page: Client, started: Batch, other_user: User, name: str
) -> None:
    where = address(f"batch_{name}", started.pk)
    assert page.get(where).status_code == 405
    client.force_login(other_user)
    assert client.post(where).status_code == 404


def test_readers_see_no_buttons(client: Client, started: Batch, other_user: User) -> None:
    client.force_login(other_user)
    text = client.get(address("batch_detail", started.pk) + "?stop=1").text
    assert "run-toggle" not in text
    assert "run-stop" not in text
    Batch.objects.update(everybody="none")
    for name in ("batch_detail", "batch_live"):
        assert client.get(address(name, started.pk)).status_code == 404


def test_stopping_is_asked_without_javascript(page: Client, started: Batch) -> None:
    text = page.get(address("batch_detail", started.pk) + "?stop=1").text
    assert '<form class="notice run-stop"' in text


def finish(batch: Batch, **counted: Any) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED, **counted)


def test_what_nobody_has_seen_is_never_called_done(page: Client, started: Batch) -> None:
    finish(started, total=415, pending=0, completed=408, to_check=37, failed=4, skipped=3)
    text = page.get(address("batch_detail", started.pk)).text
    assert "371 cards nobody has looked at" in text
    assert "cards read, none checked by a person yet" in text
    assert "Check 37" in text
    assert "refresh" not in text.split("</head>")[0].replace("#refresh", "")
    assert "done" not in text.split("<main")[1].lower().replace("done around", "")


def test_a_pace_is_told_where_nobody_was_waited_for(page: Client, started: Batch) -> None:
    hour = {"started_at": AFTERNOON - timedelta(hours=1), "finished_at": AFTERNOON}
    finish(started, pending=0, completed=started.total, **hour)
    assert "One card every" in page.get(address("batch_detail", started.pk)).text
    Batch.objects.filter(pk=started.pk).update(options=started.options | {"pilot": 10})
    text = page.get(address("batch_detail", started.pk)).text
    assert "One card every" not in text
    assert "About 1 hour" not in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "queued"}, "Waiting its turn."),
        ({"status": "paused", "pause_reason": "person"}, "No new card is begun until somebody resumes it."),
        ({"status": "paused", "pause_reason": "person", "pending": 0, "completed": 1}, "Nothing is left to be read"),
        ({"status": "paused", "pause_reason": "endpoint", "retry_at": AFTERNOON}, "It is tried again at 14:49:00."),
        ({"status": "paused", "pause_reason": "endpoint"}, "local does not answer."),
        ({"status": "paused", "pause_reason": "endpoint"}, "Cards that were read are kept, and none fails for it."),
        ({"status": "paused", "pause_reason": "credentials"}, "An administrator must check the engine’s key"),
        ({"status": "paused", "pause_reason": "disk"}, "The disk is full."),
        ({"status": "cancelled", "pending": 0, "cancelled": 4}, "Read the other 4 cards"),
        ({"status": "cancelled", "pending": 0, "processing": 1}, "1 card is still being read"),
        ({"status": "failed", "pause_message": "No disk"}, "This batch cannot go on."),
        ({"status": "completed", "pending": 0, "total": 0}, "Nothing: no card of this batch was read."),
    ],
)
def test_each_state_says_what_it_waits_for(page: Client, started: Batch, fields: dict[str, Any], said: str) -> None:
    Batch.objects.filter(pk=started.pk).update(**fields)
    assert said in page.get(address("batch_detail", started.pk)).text


def test_cards_being_read_are_named_up_to_eight(page: Client, started: Batch, make_cards: MakeCards) -> None:
    make_cards(28)
    changes.move_cards(started, started.cards.all(), CardStatus.PROCESSING)
    text = page.get(address("batch_detail", started.pk)).text
    assert text.count('class="slot"') == 8
    assert "and 24 more" in text


def test_the_newest_cards_come_first_even_after_a_stop(started: Batch, make_cards: MakeCards) -> None:
    first = started.cards.first()
    read(started, first)
    make_cards(10 * live.KEPT)
    changes.move_batch(started, BatchStatus.CANCELLED)
    changes.move_cards(started, started.cards.all(), CardStatus.CANCELLED)
    assert [card.pk for card in live.latest(Batch.objects.get(pk=started.pk))] == [first.pk]


def test_a_page_and_a_frame_cost_the_same_queries_however_many_cards(
    page: Client, started: Batch, make_cards: MakeCards, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def cost(url: str, **query: str) -> int:
        with django_assert_max_num_queries(30) as captured:
            page.get(url, query)
        return len(captured)

    def both() -> tuple[int, int, int]:
        live_url = address("batch_live", started.pk)
        return (
            cost(address("batch_detail", started.pk)),
            cost(live_url, after="0.0"),
            cost(live_url, after="0.0", view="grid"),
        )

    read(started, started.cards.first())
    changes.move_cards(started, started.cards.filter(position=2), CardStatus.PROCESSING)
    few = both()
    for card in make_cards(30):
        read(started, card)
    changes.move_cards(started, started.cards.filter(position=3), CardStatus.PROCESSING)
    assert both() == few


def test_the_list_answers_for_the_rows_it_shows(page: Client, started: Batch, other_user: User) -> None:
    hidden = Batch.objects.create(name="Hidden", owner=other_user, everybody="none")
    frame = page.get(address("batch_list_live"), {"rows": f"{started.pk},{hidden.pk}"}).json()
    assert [row["id"] for row in frame["rows"]] == [f"batch-{started.pk}"]


def test_a_pace_is_drawn_from_three_minutes_on(page: Client, started: Batch) -> None:
    Batch.objects.filter(pk=started.pk).update(pace=[[1, 3], [2, 5], [3, 4], [4, 1]])
    assert "Between 3 and 5 cards a minute" in page.get(address("batch_detail", started.pk)).text


@pytest.mark.parametrize(("reason", "said"), [("endpoint", "Second does not answer."), ("credentials", "Open the")])
def test_the_engine_that_reads_again_is_the_one_that_holds_the_batch_up(
    client: Client, started: Batch, administrator: User, reason: str, said: str
) -> None:
    client.force_login(administrator)
    other = Engine.objects.create(name="Second", kind=Engine.Kind.OPENAI_COMPATIBLE, address="http://x", model="m")
    again = Rereading.objects.create(batch=started, engine=other, model="m")
    held = {"status": "paused", "pause_reason": reason, "pause_message": "x does not answer"}
    Batch.objects.filter(pk=started.pk).update(rereading=again, **held)
    text = client.get(f"/batches/{started.pk}/").text
    assert said in text
    assert (f"/admin/ocr/engine/{other.pk}/" in text) is (reason == "credentials")


def test_a_batch_whose_engine_asked_for_a_pause_says_so(page: Client, started: Batch) -> None:
    resting = Engine.objects.filter(pk=started.engine_id)
    resting.update(rest_until=timezone.now() + timedelta(seconds=90))
    text = page.get(address("batch_detail", started.pk)).text
    assert "local asked us to wait." in text
    assert "Reading goes on by itself at" in text
    assert "No card fails for it." in text
    resting.update(rest_until=timezone.now() + timedelta(seconds=1))
    assert "asked us to wait" not in page.get(address("batch_detail", started.pk)).text, "too short for a word"


def test_what_is_left_names_the_cards_on_which_nothing_was_found(page: Client, started: Batch) -> None:
    Batch.objects.update(status=BatchStatus.COMPLETED, pending=0, completed=4, to_check=3, finished_at=timezone.now())
    assert "Nothing was found" not in page.get(address("batch_detail", started.pk)).text
    Batch.objects.update(nothing_found=2)
    text = page.get(address("batch_detail", started.pk)).text
    assert "Nothing was found on some cards" in text
    assert "?filter=empty" in text
