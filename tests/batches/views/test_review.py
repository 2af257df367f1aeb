from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.drain.candidates import UNSEEN
from batches.models import Batch, Card, CardResult, Draft, Lease
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from ocr import checking
from tests.batches.reading import give_result, stored

JSON = {"Accept": "application/json"}


@pytest.fixture
def cards(batch: Batch, make_cards: Callable[..., list[Card]]) -> list[Card]:
    """Three cards to check; the second one has the gravest doubt."""
    made = make_cards(3, CardStatus.COMPLETED, to_check=True)
    for n, card in enumerate(made):
        doubtful = stored(f"Author {n}", confidence=0.4, regions=[[0.1, 0.2, 0.3, 0.05]])
        give_result(card, {"author": doubtful, "title": stored("Våren"), "year": stored("1881")})
    Card.objects.filter(pk=made[1].pk).update(severity=5)
    Card.objects.update(width=1000, height=500, prepared_at=timezone.now())
    Batch.objects.update(status="completed", label="x", engine=None, to_check=3)
    return [Card.objects.get(pk=card.pk) for card in made]


def here(card: Card, act: str) -> str:
    return f"/batches/{card.batch_id}/review/{card.pk}/{act}/"


def form(card: Card, **typed: str) -> dict[str, Any]:
    values = CardResult.objects.get(card=card, state="current").values
    sent: dict[str, Any] = {"version": Card.objects.get(pk=card.pk).version}
    for key, value in values.items():
        sent |= {f"was.{key}": value or "", f"value.{key}": typed.get(key, value or "")}
    return sent


def values(card: Card) -> dict[str, Any]:
    return Card.objects.select_related("result").get(pk=card.pk).result.values


def test_the_review_begins_with_the_gravest_card_and_says_where_it_stands(signed_in: Client, cards: list[Card]) -> None:
    answer = signed_in.get(f"/batches/{cards[0].batch_id}/review/", follow=True)
    assert answer.context["card"].pk == cards[1].pk
    assert "<title>Card 2" in answer.text
    for words in ("of 3", "Card is right, next", "Author 1", "data-doubt", 'data-region="author"', 'class="snip"'):
        assert words in answer.text
    assert [frame.card.pk for frame in answer.context["place"].frames] == [cards[1].pk, cards[0].pk, cards[2].pk]


def test_htmx_gets_the_bench_alone(signed_in: Client, cards: list[Card]) -> None:
    headers = {"HX-Request": "true", "HX-Target": "review"}
    answer = signed_in.get(f"/batches/{cards[0].batch_id}/review/?queue=check&card={cards[0].pk}", headers=headers)
    assert answer.text.lstrip().startswith('<div class="cockpit" id="review"')
    assert "<html" not in answer.text


def test_a_card_costs_the_same_few_queries_in_a_long_queue(
    signed_in: Client, cards: list[Card], make_cards: Callable[..., list[Card]]
) -> None:
    where = f"/batches/{cards[0].batch_id}/review/?queue=check&card={cards[0].pk}"

    def queries() -> int:
        with CaptureQueriesContext(connection) as done:
            signed_in.get(where)
        return len(done)

    few = queries()
    for card in make_cards(30, CardStatus.COMPLETED, to_check=True):
        give_result(card, {"author": stored("Grieg")})
    assert queries() == few <= 30


def test_accepting_a_field_is_not_editing_it(signed_in: Client, cards: list[Card], user: User) -> None:
    card = cards[0]
    sent = {key: value for key, value in form(card).items() if "author" in key or key == "version"}
    answer = signed_in.post(here(card, "save"), sent | {"action": "accept", "accept": "author"}, headers=JSON).json()
    result = CardResult.objects.get(card=card)
    assert result.checks["author"]["by"] == str(user.pk)
    assert not card.revisions.exists()
    assert answer["version"] == Card.objects.get(pk=card.pk).version
    assert "Found right by" in answer["fields"]["author"]
    assert not Card.objects.get(pk=card.pk).to_check  # that was all there was to check
    assert not Card.objects.get(pk=card.pk).reviewed


def test_a_field_is_corrected_and_accepted_in_one(signed_in: Client, cards: list[Card]) -> None:
    card = cards[0]
    sent = form(card, author="Grieg")
    signed_in.post(here(card, "save"), sent | {"action": "accept", "accept": "author"}, headers=JSON)
    assert values(card)["author"] == "Grieg"
    assert "author" in CardResult.objects.get(card=card).checks
    signed_in.post(here(card, "save"), form(card, author="Grieg, Edvard") | {"action": "save"}, headers=JSON)
    assert "author" not in CardResult.objects.get(card=card).checks  # said of the value before


def test_card_is_right_takes_what_was_typed_and_goes_to_the_next(signed_in: Client, cards: list[Card]) -> None:
    card = cards[1]
    where = f"{here(card, 'save')}?queue=check&sort=-severity&since=1&card={card.pk}"
    answer = signed_in.post(where, form(card, title="Spring") | {"action": "right"})
    assert f"card={cards[0].pk}" in answer["Location"]
    fresh = Card.objects.get(pk=card.pk)
    assert (fresh.reviewed, fresh.to_check, values(card)["title"]) == (True, False, "Spring")
    page = signed_in.get(f"/batches/{card.batch_id}/review/?queue=check&sort=-severity&since=1&card={cards[0].pk}")
    assert (page.context["place"].number, page.context["place"].total) == (2, 3)  # what is done still counts


def test_another_field_that_somebody_saved_is_no_conflict(
    signed_in: Client, cards: list[Card], administrator: User
) -> None:
    card, mine = cards[0], form(cards[0], author="Grieg")
    other = Client()
    other.force_login(administrator)
    other.post(here(card, "save"), form(card, title="Spring") | {"action": "save"}, headers=JSON)
    only = {key: value for key, value in mine.items() if "author" in key or key == "version"}
    answer = signed_in.post(here(card, "save"), only | {"action": "accept", "accept": "author"}, headers=JSON).json()
    assert "said" not in answer
    assert (values(card)["author"], values(card)["title"]) == ("Grieg", "Spring")


def test_two_values_of_one_field_are_shown_to_the_slower_one_and_kept(
    signed_in: Client, cards: list[Card], administrator: User, user: User
) -> None:
    card, mine = cards[0], form(cards[0], author="Mine")
    other = Client()
    other.force_login(administrator)
    other.post(here(card, "save"), form(card, author="Theirs") | {"action": "right"}, headers=JSON)
    answer = signed_in.post(here(card, "save"), mine | {"action": "right"}, headers=JSON).json()
    assert "Somebody else has changed this card" in answer["said"]
    for words in ("Theirs", 'value="Mine"', "Keep mine", "Take theirs"):
        assert words in answer["fields"]["author"]
    assert "Keep mine" not in answer["fields"]["title"]
    assert values(card)["author"] == "Theirs"
    assert Draft.objects.get(user=user).values == {"author": ["Author 0", "Mine"]}
    page = signed_in.get(f"/batches/{card.batch_id}/review/?card={card.pk}").text
    assert 'value="Mine"' in page


def test_a_conflict_about_one_field_leaves_what_was_typed_in_another(
    signed_in: Client, cards: list[Card], administrator: User
) -> None:
    card, mine = cards[0], form(cards[0], author="Mine", title="Half a wo")
    signed_in.post(here(card, "draft"), mine, headers=JSON)
    other = Client()
    other.force_login(administrator)
    other.post(here(card, "save"), form(card, author="Theirs") | {"action": "save"}, headers=JSON)
    only = {key: value for key, value in mine.items() if "author" in key or key == "version"}
    answer = signed_in.post(here(card, "save"), only | {"action": "accept", "accept": "author"}, headers=JSON).json()
    assert "said" in answer
    assert Draft.objects.get().values == {"author": ["Author 0", "Mine"], "title": ["Våren", "Half a wo"]}


def test_what_is_typed_is_kept_for_the_one_who_typed_it(
    signed_in: Client, cards: list[Card], administrator: User
) -> None:
    card = cards[0]
    answer = signed_in.post(here(card, "draft"), form(card, title="Half a wo"), headers=JSON).json()
    assert answer["kept"] == 1
    where = f"/batches/{card.batch_id}/review/?card={card.pk}"
    page = signed_in.get(where).text
    assert 'value="Half a wo"' in page
    assert "not accepted yet" in page
    other = Client()
    other.force_login(administrator)
    assert "Half a wo" not in other.get(where).text
    only = {key: value for key, value in form(card).items() if "author" in key or key == "version"}
    signed_in.post(here(card, "save"), only | {"action": "accept", "accept": "author"}, headers=JSON)
    assert Draft.objects.get().values == {"title": ["Våren", "Half a wo"]}  # of another field: it stays
    signed_in.post(here(card, "draft"), form(card), headers=JSON)
    assert not Draft.objects.exists()


def test_who_has_a_card_open_is_told_passed_over_and_may_lose_it(
    signed_in: Client, cards: list[Card], administrator: User, user: User
) -> None:
    other = Client()
    other.force_login(administrator)
    assert other.post(here(cards[1], "lease")).json()["mine"] is True
    told = signed_in.post(here(cards[1], "lease")).json()
    assert (told["mine"], "has this card open" in told["said"]) == (False, True)
    first = signed_in.get(f"/batches/{cards[0].batch_id}/review/", follow=True)
    assert first.context["card"].pk == cards[0].pk  # the gravest is somebody else's
    assert signed_in.post(here(cards[1], "lease"), {"take": "1"}).json()["mine"] is True
    assert other.post(here(cards[1], "lease")).json()["mine"] is False
    signed_in.post(here(cards[1], "lease"), {"leave": "1"})
    assert not Lease.objects.exists()


def test_the_last_act_is_undone_as_long_as_nobody_touched_the_card(signed_in: Client, cards: list[Card]) -> None:
    card = cards[0]
    sent = form(card, author="Grieg") | {"action": "right"}
    token = signed_in.post(here(card, "save"), sent, headers=JSON).json()["undo"]
    answer = signed_in.post(here(card, "undo"), {"token": token}, follow=True)
    assert "Undone: card 1." in answer.text
    fresh = Card.objects.get(pk=card.pk)
    assert (fresh.reviewed, fresh.to_check, values(card)["author"]) == (False, True, "Author 0")
    assert "cannot be undone any more" in signed_in.post(here(card, "undo"), {"token": token}, follow=True).text
    assert "cannot be undone" in signed_in.post(here(card, "undo"), {"token": "forged"}, follow=True).text


def test_a_value_that_nobody_had_seen_is_unseen_again_after_undoing(signed_in: Client, cards: list[Card]) -> None:
    result = CardResult.objects.get(card=cards[0])
    result.fields["title"][UNSEEN] = True
    result.save()
    token = signed_in.post(here(cards[0], "save"), form(cards[0]) | {"action": "right"}, headers=JSON).json()["undo"]
    assert UNSEEN not in CardResult.objects.get(card=cards[0]).fields["title"]
    signed_in.post(here(cards[0], "undo"), {"token": token})
    assert CardResult.objects.get(card=cards[0]).fields == result.fields


def test_a_flag_brings_a_card_back_with_its_note(signed_in: Client, cards: list[Card]) -> None:
    card = cards[0]
    signed_in.post(here(card, "save"), form(card) | {"action": "right"}, headers=JSON)
    page = signed_in.post(here(card, "flag"), {"note": "Is this <Grieg>?"}, follow=True)
    fresh = Card.objects.get(pk=card.pk)
    assert (fresh.flagged, fresh.to_check) == (True, True)
    shown = signed_in.get(f"/batches/{card.batch_id}/review/?card={card.pk}").text
    assert "Is this &lt;Grieg&gt;?" in shown
    assert "Say in a word or two" in signed_in.post(here(card, "flag"), {"note": " "}, follow=True).text
    signed_in.post(here(card, "flag") + "?undo=1")
    fresh = Card.objects.get(pk=card.pk)
    assert not fresh.flagged
    assert fresh.severity < checking.GRAVEST  # nor is it the gravest any longer
    assert page.status_code == 200


def test_a_card_that_nobody_can_read_goes_to_the_problems(signed_in: Client, cards: list[Card]) -> None:
    card = cards[1]
    sent = {"version": card.version, "note": "water"}
    answer = signed_in.post(f"{here(card, 'give-up')}?queue=check&sort=-severity&since=1&card={card.pk}", sent)
    assert f"card={cards[0].pk}" in answer["Location"]
    fresh = Card.objects.get(pk=card.pk)
    assert (fresh.status, fresh.error, fresh.error_message) == (CardStatus.FAILED, "marked_unreadable", "water")
    page = signed_in.get(f"/batches/{card.batch_id}/review/?card={card.pk}").text
    assert "Save these values" in page  # it can be entered by hand
    entered = {"value.author": "Grieg", "was.author": "", "version": fresh.version, "action": "right"}
    signed_in.post(here(card, "save"), entered, headers=JSON)
    assert Card.objects.get(pk=card.pk).status == CardStatus.COMPLETED
    assert values(card)["author"] == "Grieg"


def test_giving_a_card_up_is_undone_as_it_stood(signed_in: Client, cards: list[Card]) -> None:
    card = cards[1]
    signed_in.post(here(card, "flag"), {"note": "Which Grieg?"})
    before = Card.objects.get(pk=card.pk)
    signed_in.post(here(card, "draft"), form(card, title="Half a wo"), headers=JSON)
    told = signed_in.post(here(card, "give-up"), {"version": before.version, "note": "water"}, headers=JSON).json()
    assert told["told"] == "Card 2 stands under Problems now."
    assert Card.objects.get(pk=card.pk).status == CardStatus.FAILED
    page = signed_in.post(here(card, "undo"), {"token": told["undo"]}, follow=True).text
    assert "Undone: card 2." in page
    fresh = Card.objects.get(pk=card.pk)
    assert (fresh.status, fresh.result_id, fresh.error) == (CardStatus.COMPLETED, before.result_id, "")
    assert (fresh.to_check, fresh.flagged, fresh.reviewed) == (True, True, False)
    assert [result.state for result in fresh.results.all()] == ["current"]
    assert list(fresh.notes.filter(closed_at=None).values_list("text", flat=True)) == ["Which Grieg?"]
    batch = Batch.objects.get()
    assert (batch.completed, batch.failed, batch.to_check) == (3, 0, 3)
    assert 'value="Half a wo"' in page


def test_a_card_that_changed_meanwhile_is_not_given_up(signed_in: Client, cards: list[Card]) -> None:
    card = cards[0]
    signed_in.post(here(card, "draft"), form(card, title="Half a wo"), headers=JSON)
    answer = signed_in.post(here(card, "give-up"), {"version": card.version - 1, "note": "water"}, headers=JSON).json()
    assert "Somebody else has just changed this card" in answer["said"]
    assert answer["version"] == Card.objects.get(pk=card.pk).version
    assert Draft.objects.get().values == {"title": ["Våren", "Half a wo"]}
    assert Card.objects.get(pk=card.pk).status == CardStatus.COMPLETED


def test_when_nothing_is_left_the_page_says_so(signed_in: Client, cards: list[Card]) -> None:
    Card.objects.update(to_check=False)
    Batch.objects.update(to_check=0)
    page = signed_in.get(f"/batches/{cards[0].batch_id}/review/").text
    assert "Nothing is left to check here" in page
    assert "Nothing is left to check" in signed_in.get("/review/").text


def test_the_queue_over_all_batches_counts_what_one_may_see(
    signed_in: Client, cards: list[Card], other_user: User
) -> None:
    page = signed_in.get("/review/").text
    assert "3 cards to check" in page
    assert "Drawer 12" in page
    Batch.objects.update(everybody="none")
    other = Client()
    other.force_login(other_user)
    assert "Drawer 12" not in other.get("/review/").text


def test_who_may_only_look_has_no_form(cards: list[Card], viewer: User) -> None:
    other = Client()
    other.force_login(viewer)
    page = other.get(f"/batches/{cards[0].batch_id}/review/?card={cards[0].pk}").text
    assert "can change it" in page
    assert "Card is right" not in page
    for act in ("save", "draft", "lease", "flag", "give-up", "undo"):
        assert other.post(here(cards[0], act)).status_code == 404


def test_all_keys_stand_on_a_page(signed_in: Client) -> None:
    page = signed_in.get("/help/keys/").text
    for words in ("Ctrl Enter", "Alt Shift R", "Page ↓ / Page ↑", "find a batch or a card"):
        assert words in page


@pytest.mark.parametrize(("status", "batch_status"), [("pending", "queued"), ("failed", "completed")])
def test_undoing_what_was_entered_by_hand_leaves_no_card_behind(
    signed_in: Client, batch: Batch, make_cards: Callable[..., list[Card]], status: str, batch_status: str
) -> None:
    card = make_cards(1, status, error_message="no such model")[0]
    Batch.objects.update(status="paused" if status == "pending" else "completed", label="x", engine=None)
    sent = {"was.author": "", "value.author": "Grieg", "version": card.version}
    token = signed_in.post(here(card, "save"), sent, headers=JSON).json()["undo"]
    assert Batch.objects.get().status == "completed"
    signed_in.post(here(card, "undo"), {"token": token})
    card.refresh_from_db()
    batch.refresh_from_db()
    assert (card.status, card.result_id, batch.status) == (status, None, batch_status)
    assert card.error_message == ("" if status == "pending" else "no such model")
    assert [result.state for result in card.results.all()] == ["earlier"]
