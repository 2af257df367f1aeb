"""Cards that fields and engine are tried on, through a real Service: read, kept, paid once."""

import threading

import pytest

from batches.actions import drafts, runs, trying
from batches.drain import trying as drain
from batches.models import Attempt, Batch, CardResult, TryCard, TryOut
from batches.queries import trying as queries
from batches.states import CardStatus, ResultState
from ocr.errors import EngineFailed, RateLimited, ReplyInvalid
from templates_app import editing
from tests.waiting import until

NAMES = ("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "7.jpg")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """No doorbell rings for a further try."""
    monkeypatch.setattr(drain, "EVERY", 0.05)


def fresh(batch: Batch) -> Batch:
    return Batch.objects.select_related("engine", "template_version").get(pk=batch.pk)


def trial(batch: Batch) -> queries.Trial:
    found = queries.of(fresh(batch))
    assert found is not None
    return found


def tried(batch: Batch) -> queries.Trial:
    until(lambda: not trial(batch).going_on)
    return trial(batch)


@pytest.fixture
def draft(make_batch, services) -> Batch:
    batch = make_batch(*NAMES)
    services()
    return batch


def test_cards_from_the_whole_batch_are_read_and_stay_in_the_draft(draft, user, scripted):
    trying.ask(draft, user)
    found = tried(draft)
    assert [one.card.original_name for one in found.cards] == ["2.jpg", "4.jpg", "6.jpg"]
    assert sorted(scripted.calls) == ["2.jpg", "4.jpg", "6.jpg"]
    assert [cell.value for _card, cell in found.lines[0].cells] == ["2.jpg", "4.jpg", "6.jpg"]
    assert found.holds
    assert fresh(draft).is_draft
    assert draft.cards.filter(status=CardStatus.PENDING, result=None).count() == 7


def test_what_was_tried_with_the_final_fields_is_kept_and_not_paid_again(draft, user, scripted):
    trying.ask(draft, user)
    tried(draft)
    scripted.calls.clear()
    runs.start(fresh(draft), user)
    until(lambda: fresh(draft).status == "completed")
    assert sorted(scripted.calls) == ["1.jpg", "3.jpg", "5.jpg", "7.jpg"]
    assert fresh(draft).completed == 7
    assert CardResult.objects.filter(state=ResultState.CURRENT).count() == 7
    assert all(card.result.card_id == card.pk for card in draft.cards.select_related("result"))


def test_a_batch_of_three_that_were_tried_is_finished_by_its_start(make_batch, services, user, scripted):
    batch = make_batch("a.jpg", "b.jpg", "c.jpg")
    services()
    trying.ask(batch, user)
    tried(batch)
    runs.start(fresh(batch), user)
    until(lambda: fresh(batch).status == "completed")
    assert len(scripted.calls) == 3


def test_readings_made_with_other_fields_are_stale_and_read_again(draft, user, scripted):
    trying.ask(draft, user)
    tried(draft)
    before = queries.mark(fresh(draft))
    drafts.edit_fields(draft, lambda specs: editing.removed(specs, "year"))
    assert trial(draft).is_stale
    assert not trial(draft).holds
    assert queries.mark(fresh(draft)) != before
    scripted.calls.clear()
    runs.start(fresh(draft), user)
    until(lambda: fresh(draft).status == "completed")
    assert len(scripted.calls) == 7
    assert not CardResult.objects.filter(state=ResultState.TRIED).exists()


def test_a_turned_scan_is_another_picture(draft, user):
    trying.ask(draft, user)
    found = tried(draft)
    type(found.cards[0].card).objects.filter(pk=found.cards[0].card.pk).update(rotation=180)
    assert [one.fresh for one in trial(draft).cards] == [False, True, True]


def test_another_choice_pays_only_for_cards_that_were_not_tried_yet(draft, user, scripted):
    trying.ask(draft, user)
    tried(draft)
    scripted.calls.clear()
    cards = {card.original_name: card.pk for card in draft.cards.all()}
    trying.ask(draft, user, [cards["1.jpg"], cards["2.jpg"]])
    assert tried(draft).holds
    assert scripted.calls == ["1.jpg"]
    trying.ask(draft, user, [cards["1.jpg"], cards["2.jpg"]])
    assert tried(draft).holds
    assert sorted(scripted.calls) == ["1.jpg", "1.jpg", "2.jpg"], "all were read: somebody wants to see them again"


def test_what_it_costs_belongs_to_batch_and_engine(draft, user, scripted):
    trying.ask(draft, user)
    tried(draft)
    assert Attempt.objects.filter(card__batch=draft).count() == 3
    assert fresh(draft).tokens_in == 30
    assert trial(draft).cost == "no cost", "the local engine"


def test_a_card_that_fails_says_why_and_spares_the_others(draft, user, scripted):
    scripted.script["4.jpg"] = [ReplyInvalid("no JSON") for _ in range(3)]
    trying.ask(draft, user)
    found = tried(draft)
    assert [one.state for one in found.cards] == ["read", "failed", "read"]
    assert found.cards[1].sentence == "The model's answer could not be understood."
    assert found.cards[1].advice
    assert not found.holds


def test_a_short_trouble_is_tried_again(draft, user, scripted):
    scripted.script["4.jpg"] = [EngineFailed("busy"), RateLimited(retry_after=0.05)]
    trying.ask(draft, user)
    assert tried(draft).holds
    assert scripted.calls.count("4.jpg") == 3


def test_a_try_that_is_given_up_ends_nowhere(draft, user, scripted):
    scripted.hold = threading.Event()
    trying.ask(draft, user)
    until(lambda: len(scripted.calls) >= 1)
    trying.give_up(draft)
    assert queries.of(fresh(draft)) is None
    scripted.hold.set()
    until(lambda: fresh(draft).tokens_in > 0)
    assert queries.of(fresh(draft)) is None


def test_a_reading_that_comes_after_the_start_is_not_paid_again(make_batch, services, user, scripted):
    batch = make_batch("a.jpg")
    services(threads=1)
    scripted.hold = threading.Event()
    trying.ask(batch, user)
    until(lambda: len(scripted.calls) == 1)
    batch = fresh(batch)
    batch.options = {**batch.options, "on_duplicate": "skip"}
    runs.start(batch, user)
    scripted.hold.set()
    until(lambda: fresh(batch).status == "completed")
    assert fresh(batch).completed == 1
    assert Batch.objects.get(pk=batch.pk).cards.get().result is not None


def test_a_try_whose_process_is_gone_says_so_and_is_not_begun_again(make_batch, user, services, scripted):
    batch = make_batch("a.jpg")
    trying.ask(batch, user)
    TryCard.objects.update(worker="somebody-dead")
    services()
    assert tried(batch).cards[0].sentence == "The program that read this card has ended meanwhile."
    assert scripted.calls == []


def test_cards_of_batches_leave_the_next_place_to_who_waits(make_batch, services, start_batch, user, engine, scripted):
    engine.max_in_flight = 1
    engine.save()
    batch = make_batch("tried.jpg")
    scripted.hold = threading.Event()
    running = start_batch(*[f"r{n}.jpg" for n in range(6)], name="Drawer 13")
    service = services()

    def awaits() -> bool:
        with service.engines.flowing(engine) as flow:
            return flow.awaited == 1

    until(lambda: len(scripted.calls) == 1)
    trying.ask(batch, user)
    until(awaits)  # taken it was before: then its scan is still being opened
    scripted.hold.set()
    tried(batch)
    until(lambda: fresh(running).status == "completed")
    assert scripted.calls.index("tried.jpg") <= 2
    assert scripted.most_at_once == 1


def test_scans_that_must_stay_inside_are_not_sent_out(make_batch, services, user, engine, scripted):
    engine.kind, engine.place, engine.model = "openai_compatible", "outside", "m"
    engine.save()
    batch = make_batch("a.jpg", options={"stay_inside": True})
    services()
    with pytest.raises(trying.Refused, match="must not leave the house"):
        trying.ask(batch, user)
    tryout = TryOut.objects.create(batch=batch, asked_by=user)  # marked after somebody had asked
    TryCard.objects.create(tryout=tryout, card=batch.cards.get())
    runs.ring(batch.pk)
    assert "must not leave the house" in tried(batch).cards[0].sentence
    assert scripted.calls == []


def test_nothing_is_tried_without_fields_or_cards(make_batch, user):
    batch = make_batch("a.jpg")
    drafts.set_fields(batch, [])
    with pytest.raises(trying.Refused, match="at least one field"):
        trying.ask(batch, user)
    empty = make_batch(name="Empty")
    with pytest.raises(trying.Refused, match="no scan"):
        trying.ask(empty, user)
    many = make_batch(*NAMES, name="Many")
    with pytest.raises(trying.Refused, match="at most 3"):
        trying.ask(many, user, [card.pk for card in many.cards.all()])
