from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from batches.models import Attempt, Batch, Card, FieldRevision
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def done(batch: Batch) -> Batch:
    engine = Engine.objects.create(kind=Engine.Kind.OPENAI_COMPATIBLE, name="model")
    Batch.objects.update(status=BatchStatus.COMPLETED, label="Drawer-12_2026", engine=engine)
    batch.refresh_from_db()
    return batch


@pytest.fixture
def cards(done: Batch, make_cards: Make) -> list[Card]:
    cards = make_cards(3, CardStatus.COMPLETED, to_check=True)
    for card in cards:
        give_result(card, {"author": stored("Greig", confidence=0.3), "title": stored("Songs"), "year": stored("1901")})
    Batch.objects.update(to_check=3)
    return cards


def page(card: Card, rest: str = "") -> str:
    return f"/batches/{card.batch_id}/cards/{card.pk}/{rest}"


def value(card: Card, key: str) -> str | None:
    fresh = Card.objects.select_related("result").get(pk=card.pk)
    assert fresh.result
    found: str | None = fresh.result.values.get(key)
    return found


# ---- one value in the grid


def test_a_value_has_a_form_in_its_cell(ingrid: Client, cards: list[Card]) -> None:
    form = ingrid.get(page(cards[0], "values/author/"), headers=HTMX).text
    assert f'<td class="edit" id="cell-{cards[0].pk}-author"' in form
    assert 'value="Greig"' in form
    assert "The engine is not sure of “Author”." in form
    back = ingrid.get(page(cards[0], "values/author/?cancel"), headers=HTMX).text
    assert "<form" not in back


def test_without_htmx_the_card_page_has_the_form(ingrid: Client, cards: list[Card]) -> None:
    response = ingrid.get(page(cards[0], "values/author/"))
    assert response.headers["Location"] == page(cards[0]) + "#field-author"
    assert ingrid.get(page(cards[0], "values/nothing/")).status_code == 404


def test_saving_answers_the_row_with_the_machines_value(ingrid: Client, cards: list[Card]) -> None:
    response = ingrid.post(
        page(cards[0], "values/author/"),
        {"value": "Grieg", "was": "Greig", "version": 0},
        headers={**HTMX, "HX-Current-URL": "http://testserver/batches/1/cards/?filter=check"},
    )
    assert response.status_code == 200
    assert f'<tr id="card-{cards[0].pk}" ' in response.text
    assert "read by the machine" in response.text
    assert 'To check <span class="count count--warn">2</span>' in response.text
    assert value(cards[0], "author") == "Grieg"


def test_a_conflict_shows_both_values_and_keeps_the_typing(ingrid: Client, cards: list[Card], other_user: User) -> None:
    where = page(cards[0], "values/author/")
    ingrid.post(where, {"value": "Grieg", "was": "Greig", "version": 0}, headers=HTMX)
    response = ingrid.post(where, {"value": "Gregg", "was": "Greig", "version": 0}, headers=HTMX)
    assert response.status_code == 409
    assert response["HX-Retarget"] == f"#cell-{cards[0].pk}-author"
    for words in ("Keep mine", "Take theirs", "Grieg", 'value="Gregg"'):
        assert words in response.text
    assert value(cards[0], "author") == "Grieg"
    version = Card.objects.get(pk=cards[0].pk).version
    ingrid.post(where, {"value": "Gregg", "was": "Grieg", "version": version}, headers=HTMX)
    assert value(cards[0], "author") == "Gregg"


def test_a_change_of_another_value_is_no_conflict(ingrid: Client, cards: list[Card]) -> None:
    ingrid.post(page(cards[0], "values/title/"), {"value": "Lieder", "was": "Songs", "version": 0}, headers=HTMX)
    response = ingrid.post(
        page(cards[0], "values/author/"), {"value": "Grieg", "was": "Greig", "version": 0}, headers=HTMX
    )
    assert response.status_code == 200
    assert (value(cards[0], "title"), value(cards[0], "author")) == ("Lieder", "Grieg")


def test_without_htmx_a_conflict_is_said(ingrid: Client, cards: list[Card]) -> None:
    where = page(cards[0], "values/author/")
    assert ingrid.post(where, {"value": "Grieg", "was": "Greig", "version": 0}).status_code == 302
    response = ingrid.post(where, {"value": "Gregg", "was": "Greig", "version": "x"}, follow=True)
    assert "Somebody else has just changed this card" in response.text


def test_a_card_that_was_not_read_is_not_edited(ingrid: Client, done: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.FAILED)[0]
    assert "<form" not in ingrid.get(page(card, "values/author/"), headers=HTMX).text
    response = ingrid.post(page(card, "values/author/"), {"value": "x", "version": 0}, headers=HTMX)
    assert (response.status_code, response["HX-Retarget"]) == (409, f"#card-{card.pk}")
    assert ingrid.post(page(card, "values/author/"), {"value": "x", "version": 0}).status_code == 302


# ---- right or not, left out


def test_right_and_taken_back(ingrid: Client, cards: list[Card]) -> None:
    response = ingrid.post(page(cards[0], "reviewed/?version=0"), headers=HTMX)
    assert "Checked" in response.text
    version = Card.objects.get(pk=cards[0].pk).version
    response = ingrid.post(page(cards[0], f"reviewed/?undo=1&version={version}"))
    assert response.headers["Location"] == page(cards[0])
    assert not Card.objects.get(pk=cards[0].pk).reviewed


def test_right_of_a_card_that_has_changed_is_refused(ingrid: Client, cards: list[Card]) -> None:
    ingrid.post(page(cards[0], "values/author/"), {"value": "Grieg", "was": "Greig", "version": 0}, headers=HTMX)
    response = ingrid.post(page(cards[0], "reviewed/?version=0"), headers=HTMX)
    assert response.status_code == 409
    assert "HX-Trigger" in response.headers
    assert ingrid.post(page(cards[0], "reviewed/?version=0")).status_code == 302
    assert not Card.objects.get(pk=cards[0].pk).reviewed


def test_skip_one(ingrid: Client, done: Batch, make_cards: Make) -> None:
    one, two, three = make_cards(3, CardStatus.FAILED)
    assert ingrid.post(page(one, "skip/")).headers["Location"] == page(one)
    back = ingrid.post(page(two, "skip/"), {"from": "problems"})
    assert back.headers["Location"] == f"/batches/{done.pk}/problems/"
    row = ingrid.post(page(three, "skip/"), headers={**HTMX, "HX-Target": f"card-{three.pk}"})
    assert "Skipped" in row.text
    assert Batch.objects.get().skipped == 3


def test_what_was_read_is_not_skipped(ingrid: Client, cards: list[Card]) -> None:
    assert ingrid.post(page(cards[0], "skip/"), headers=HTMX).status_code == 409


def test_a_failed_card_is_not_right(ingrid: Client, done: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.FAILED)[0]
    assert ingrid.post(page(card, "reviewed/?version=0"), headers=HTMX).status_code == 409


# ---- the card page


def typed(card: Card, **values: str) -> dict[str, str]:
    was = {"author": "Greig", "title": "Songs", "year": "1901"}
    data = {"version": str(card.version)}
    for key, old in was.items():
        data |= {f"was.{key}": old, f"value.{key}": values.get(key, old)}
    return data


def test_the_card_page_shows_all_that_is_known(ingrid: Client, cards: list[Card], user: User) -> None:
    card = cards[1]
    Card.objects.filter(pk=card.pk).update(prepared_at="2026-11-21T00:00Z", width=600, height=400, rotation=90)
    assert card.result
    card.result.transcription = "EDVARD <i>GREIG</i>"
    card.result.fields["author"]["regions"] = [[0.1, 0.2, 0.3, 0.4]]
    card.result.save()
    card.attempts.create(
        engine_name="model", started_at="2026-11-21T00:00Z", raw_reply="<script>", error="reply_invalid"
    )
    FieldRevision.objects.create(card=card, key="author", old="a", new="Greig", by=user)
    text = ingrid.get(page(card, "?filter=check")).text
    for words in (
        "Card 2",
        'width="400" height="600"',
        'data-region="author" x="10.00" y="20.00"',
        "EDVARD &lt;i&gt;GREIG",
        "&lt;script&gt;",
        "Corrections",
        page(cards[0], "?filter=check"),
        page(cards[2], "?filter=check"),
        "among: To check",
    ):
        assert words in text
    assert "<script>" not in text


def test_save_stays_and_save_and_next_goes_on_in_the_filter(ingrid: Client, cards: list[Card]) -> None:
    where = page(cards[0], "?filter=check")
    response = ingrid.post(where, typed(cards[0], title="Lieder") | {"action": "save"})
    assert response.headers["Location"] == where
    card = Card.objects.get(pk=cards[0].pk)
    response = ingrid.post(
        where, typed(card, title="Lieder", author="Grieg") | {"was.title": "Lieder", "action": "next"}
    )
    assert response.headers["Location"] == page(cards[1], "?filter=check")
    assert value(card, "author") == "Grieg"


def test_right_and_next_until_the_last(ingrid: Client, cards: list[Card]) -> None:
    for card, following in zip(cards, [*cards[1:], None], strict=True):
        response = ingrid.post(page(card, "?filter=check"), typed(card) | {"action": "right"})
        expected = page(following, "?filter=check") if following else f"/batches/{card.batch_id}/cards/?filter=check"
        assert response.headers["Location"] == expected
    assert Batch.objects.get().reviewed == 3


def test_a_conflict_on_the_card_page_loses_no_typing(ingrid: Client, cards: list[Card]) -> None:
    ingrid.post(page(cards[0]), typed(cards[0], author="Grieg"))
    response = ingrid.post(page(cards[0]), typed(cards[0], author="Gregg", title="Lieder"))
    assert response.status_code == 409
    for words in ("Somebody else saved:", 'value="Gregg"', 'value="Lieder"', 'name="take.author"'):
        assert words in response.text
    card = Card.objects.get(pk=cards[0].pk)
    again = typed(card, author="Gregg", title="Lieder") | {"was.author": "Grieg", "take.author": "on"}
    ingrid.post(page(card), again)
    assert (value(card, "author"), value(card, "title")) == ("Grieg", "Lieder")


def test_nobody_says_right_of_what_they_did_not_see(ingrid: Client, cards: list[Card]) -> None:
    ingrid.post(page(cards[0]), typed(cards[0], author="Grieg"))
    assert ingrid.post(page(cards[0]), typed(cards[0]) | {"action": "right"}).status_code == 409
    assert not Card.objects.get(pk=cards[0].pk).reviewed


def test_a_failed_card_is_entered_by_hand(ingrid: Client, done: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.FAILED, error="engine_timeout")[0]
    text = ingrid.get(page(card)).text
    assert "Enter the values by hand" in text
    assert "took too long" in text
    ingrid.post(page(card), {"by_hand": "1", "value.author": "Grieg", "was.author": ""})
    assert Card.objects.get(pk=card.pk).status == CardStatus.COMPLETED
    assert value(card, "author") == "Grieg"
    assert "Entered by Ingrid Solberg." in ingrid.get(page(card)).text


@pytest.mark.parametrize("status", [CardStatus.PROCESSING, CardStatus.SKIPPED, CardStatus.CANCELLED])
def test_a_card_without_values_says_why(ingrid: Client, done: Batch, make_cards: Make, status: CardStatus) -> None:
    card = make_cards(1, status)[0]
    assert "card-form" not in ingrid.get(page(card)).text
    response = ingrid.post(page(card), {"value.author": "x", "version": 0}, follow=True)
    assert "cannot be changed now" in response.text


def test_others_read_the_values_and_change_nothing(client: Client, viewer: User, cards: list[Card]) -> None:
    client.force_login(viewer)
    text = client.get(page(cards[0])).text
    assert "Greig" in text
    assert "card-form" not in text
    assert client.post(page(cards[0]), typed(cards[0], author="x")).status_code == 404


def test_multiline_values_keep_their_lines(ingrid: Client, cards: list[Card], done: Batch) -> None:
    done.fields[1]["type"] = "multiline"
    done.save()
    ingrid.post(page(cards[0]), typed(cards[0], title="One\r\nTwo"))
    assert value(cards[0], "title") == "One\nTwo"
    assert "<textarea" in ingrid.get(page(cards[0], "values/title/"), headers=HTMX).text


# ---- what was asked for besides the fields


def test_all_entries_the_pictures_and_the_summary_stand_on_the_page(ingrid: Client, cards: list[Card]) -> None:
    result = cards[0].result
    assert result
    result.entries = [result.fields, {"author": stored("Sinding <i>"), "title": stored("Rustle", confidence=0.2)}]
    result.pictures, result.summary, result.transcription = "A stamp <b>.", "Two works <b>.", "GREIG <b>"
    result.save()
    text = ingrid.get(page(cards[0])).text
    for words in ("Entry 1", "Entry 2", "Sinding &lt;i&gt;", "unsure, 20 %", "A stamp &lt;b&gt;.", "GREIG &lt;b&gt;"):
        assert words in text
    assert "Two works &lt;b&gt;." in text
    assert text.count('name="value.author"') == 1
    assert "Entry 1" not in ingrid.get(page(cards[1])).text


def test_who_may_only_look_sees_the_entries_too(client: Client, other_user: User, cards: list[Card]) -> None:
    result = cards[0].result
    assert result
    result.entries = [result.fields, {"author": stored("Sinding")}]
    result.save()
    client.force_login(other_user)
    text = client.get(page(cards[0])).text
    assert text.count("Sinding") == 1
    assert "can be corrected" not in text


def test_the_first_entry_is_corrected_and_the_others_stay(ingrid: Client, cards: list[Card]) -> None:
    result = cards[0].result
    assert result
    result.entries = [result.fields, {"author": stored("Sinding", confidence=0.2)}]
    result.save()
    data = {"version": str(cards[0].version), "value.author": "Grieg", "was.author": "Greig", "action": "save"}
    assert ingrid.post(page(cards[0]), data).status_code == 302
    card = Card.objects.select_related("result").get(pk=cards[0].pk)
    assert card.result
    assert [entry["author"] for entry in card.result.values_of_entries()] == ["Grieg", "Sinding"]
    assert "sinding" in card.result.search
    assert card.to_check, "the second entry is still in doubt"


def test_values_that_nobody_had_asked_for_are_told(ingrid: Client, cards: list[Card]) -> None:
    Attempt.objects.create(card=cards[0], engine_name="model", started_at=timezone.now(), unknown_keys=3)
    assert "3 values that nobody had asked for were left out." in ingrid.get(page(cards[0])).text
