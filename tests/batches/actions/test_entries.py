import pytest

from batches.actions import entries, undoing
from batches.actions.cards import EditConflict, correct, mark_reviewed
from batches.exports import rows
from batches.models import Activity, Batch, Card, CardResult, FieldRevision
from batches.queries import results
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored


@pytest.fixture
def several(batch: Batch, make_cards) -> Card:
    """Two entries, the second of which has a doubtful value."""
    Batch.objects.update(options={"multiple_entries": True}, to_check=1, engine=None, status="completed", label="x")
    batch.refresh_from_db()
    card = make_cards(1, CardStatus.COMPLETED, to_check=True)[0]
    first = {"author": stored("Grieg"), "title": stored("Peer Gynt"), "year": stored("1876")}
    second = {"author": stored("Sinding", confidence=0.4), "title": stored("Rustle"), "year": stored(None)}
    give_result(card, first, entries=[first, second])
    card.refresh_from_db()
    return card


def now(card: Card) -> list[list[str | None]]:
    """Author of each entry, as an export has it."""
    card = Card.objects.select_related("result", "batch").get(pk=card.pk)
    return [rows.value(card, "author", entry) for entry in rows.entries(card)]


def test_a_further_entry_is_corrected_and_the_machine_kept(several: Card, user: User) -> None:
    card = entries.correct(several, user, several.version, 1, {"author": " Sinding, Christian ", "year": "1896"})
    assert now(card) == ["Grieg", "Sinding, Christian"]
    result = CardResult.objects.get()
    assert result.entries[1]["author"]["value"] == "Sinding"
    assert result.values["author"] == "Grieg"
    assert "sinding, christian" in result.search
    made = FieldRevision.objects.order_by("key").values_list("key", "entry", "old", "new")
    assert list(made) == [("author", 2, "Sinding", "Sinding, Christian"), ("year", 2, None, "1896")]
    assert Activity.objects.get().count == 2
    shown = results.rows(several.batch, [Card.objects.select_related("result").get()])[0]
    assert not shown.cells[0].corrected  # the first entry's author is as the machine read it
    assert [cell.corrected for cell in results.further_entries(several.batch, card)[0].cells] == [True, False, True]


def test_a_corrected_entry_is_in_no_doubt_any_more(several: Card, user: User) -> None:
    assert results._further_doubts(several.result, several.batch.specs()) == 1
    entries.correct(several, user, several.version, 1, {"author": "Sinding, Christian"})
    card = Card.objects.get()
    assert results._further_doubts(card.result, several.batch.specs()) == 0
    assert not card.to_check


def test_one_entry_is_found_right_and_not_after_all(several: Card, user: User) -> None:
    card = entries.check(several, user, several.version, 1, True)
    assert results.further_entries(several.batch, card)[0].checked
    assert not Card.objects.get().to_check
    card = entries.check(card, user, card.version, 1, False)
    assert not results.further_entries(several.batch, card)[0].checked
    assert Card.objects.get().to_check


def test_entries_are_laid_in_another_order_the_first_one_too(several: Card, user: User) -> None:
    card = entries.move(several, user, several.version, 1, -1)
    assert now(card) == ["Sinding", "Grieg"]
    result = CardResult.objects.get()
    assert result.values["author"] == "Sinding"
    assert result.fields["author"]["confidence"] == 0.4  # what the machine read goes with it
    assert rows.machine(card, "author", 2) == "Grieg"
    card = entries.move(card, user, card.version, 0, 1)
    assert now(card) == ["Grieg", "Sinding"]
    with pytest.raises(entries.NoSuchEntry):
        entries.move(card, user, card.version, 0, -1)


def test_an_entry_is_added_and_filled(several: Card, user: User) -> None:
    card, place = entries.add(several, user, several.version)
    card = entries.correct(card, user, card.version, place, {"author": "Svendsen"})
    assert now(card) == ["Grieg", "Sinding", "Svendsen"]
    assert rows.machine(card, "author", 3) is None


@pytest.mark.parametrize(("place", "left"), [(0, ["Sinding"]), (1, ["Grieg"])])
def test_an_entry_is_taken_out_and_brought_back(several: Card, user: User, place: int, left: list[str]) -> None:
    card = entries.take_out(several, user, several.version, place)
    assert now(card) == left
    out = results.taken_out(card)
    assert len(out) == 1
    with pytest.raises(entries.NoSuchEntry):  # one stays
        entries.take_out(card, user, card.version, 0)
    card = entries.bring_back(card, user, card.version, out[0][0])
    assert sorted(now(card)) == ["Grieg", "Sinding"]
    assert results.taken_out(card) == []


def test_who_was_slower_is_told_and_nothing_is_changed(several: Card, user: User, other_user: User) -> None:
    mark_reviewed(several, other_user, several.version, True)
    with pytest.raises(EditConflict):
        entries.correct(several, user, several.version, 1, {"author": "X"})
    fresh = Card.objects.get()
    with pytest.raises(entries.NoSuchEntry):
        entries.correct(fresh, user, fresh.version, 7, {"author": "X"})
    assert now(several) == ["Grieg", "Sinding"]
    assert CardResult.objects.get().arranged is None


def test_what_was_found_right_of_the_first_entry_is_not_said_of_another(several: Card, user: User) -> None:
    card = correct(several, user, several.version, {}, accepted=["author", "year", "no_field"])
    assert set(CardResult.objects.get().checks) == {"author", "year"}
    entries.move(card, user, card.version, 1, -1)
    assert not CardResult.objects.get().checks


def test_corrections_of_all_entries_are_one_entry_and_go_back_together(several: Card, user: User) -> None:
    card = correct(several, user, several.version, {"title": "Solveig"})
    card = entries.correct(card, user, card.version, 1, {"author": "Grieg", "title": "Rustle"})
    entries.correct(card, user, card.version, 1, {"author": "Halvorsen", "title": "Rustle of Spring"})
    act = Activity.objects.get()
    assert (act.count, undoing.can_be_undone(act)) == (4, True)
    undone = undoing.undo(act, user)
    assert (undone.what["undo"]["back"], undone.what["undo"]["kept"]) == (3, 0)
    result = CardResult.objects.get()
    assert result.values["title"] == "Peer Gynt"
    assert now(several) == ["Grieg", "Sinding"]
    second = result.arranged[1]
    assert (second["values"]["title"], second["checked"]) == ("Rustle", False)
    assert "sinding" in result.search
    assert Card.objects.get().to_check  # its doubtful value stands again
    assert FieldRevision.objects.filter(entry=2, new="Sinding").count() == 1, "the history stays"


def test_what_goes_back_is_the_entry_itself_wherever_it_lies_by_now(several: Card, user: User) -> None:
    card = entries.correct(several, user, several.version, 1, {"author": "Grieg"})  # as the first one says
    act = Activity.objects.get()
    entries.move(card, user, card.version, 1, -1)
    assert undoing.undo(act, user).what["undo"]["back"] == 1
    assert now(several) == ["Sinding", "Grieg"]


def test_an_entry_that_was_corrected_again_or_taken_out_is_left(several: Card, user: User, administrator: User) -> None:
    card = entries.correct(several, user, several.version, 1, {"author": "Mine", "title": "Mine"})
    act = Activity.objects.get()
    card = entries.correct(card, administrator, card.version, 1, {"author": "Theirs"})
    undone = undoing.undo(act, user)
    assert (undone.what["undo"]["back"], undone.what["undo"]["kept"]) == (1, 1)
    assert now(several) == ["Grieg", "Theirs"]
    assert CardResult.objects.get().arranged[1]["checked"]  # by the other one
    theirs = Activity.objects.get(by=administrator)
    fresh = Card.objects.get()
    fresh = entries.take_out(fresh, user, fresh.version, 1)
    assert undoing.undo(theirs, administrator).what["undo"]["back"] == 0
    entries.bring_back(fresh, user, Card.objects.get().version, 1)
    assert now(several) == ["Grieg", "Theirs"]


def test_an_entry_that_became_the_first_and_was_corrected_as_such_is_left(several: Card, user: User) -> None:
    card = entries.correct(several, user, several.version, 1, {"author": "Mine"})
    act = Activity.objects.get()
    card = entries.move(card, user, card.version, 1, -1)
    card = correct(card, user, card.version, {"author": "Other"})
    correct(card, user, card.version, {"author": "Mine"})
    assert undoing.undo(act, user).what["undo"]["back"] == 0
    assert now(several) == ["Mine", "Grieg"]


def test_a_card_that_a_person_entered_has_entries_in_another_order_too(several: Card, user: User) -> None:
    CardResult.objects.update(entries=None, arranged=None, fields={"author": stored("Grieg")})
    card, place = entries.add(Card.objects.get(), user, several.version)
    card = entries.move(card, user, card.version, place, -1)
    assert [rows.machine(card, "author", entry) for entry in (1, 2)] == [None, "Grieg"]
