"""Cards that were read are read again by a real Service: nothing is replaced, nothing is lost, whatever goes wrong."""

import os
import random
import threading

import pytest
from django.db.models import Count, Q
from django.utils import timezone

from batches import changes
from batches.actions import cards as card_actions
from batches.actions import problems, rereadings, runs
from batches.drain import blocks, claims, filer, spool
from batches.drain.collector import Collector
from batches.drain.outcomes import Outcome, Start
from batches.drain.presence import Presence, forget
from batches.drain.spool import Spool
from batches.intake import store
from batches.models import Batch, Card, Rereading
from batches.queries.means import setup_again
from batches.queries.rereading import Means
from batches.states import CardStatus, ResultState
from ocr.errors import CallWithheld, EngineFailed, ReplyInvalid
from ocr.models import Engine
from ocr.reading import FieldReading
from templates_app.models import Field, FieldTemplate, FieldTemplateVersion
from tests.batches.drain.adapters import Scripted, reading_of
from tests.conftest import FIELDS
from tests.waiting import until

NAMES = ("1.jpg", "2.jpg", "3.jpg", "4.jpg")


class Second(Scripted):
    """Reads what it is told; otherwise the same as the first engine."""

    def __init__(self, **texts: str) -> None:
        super().__init__()
        self.texts = texts
        self.asked: list[tuple[str, ...]] = []

    def read(self, image, task):
        read = super().read(image, task)
        self.asked.append(tuple(spec.key for spec in task.fields))
        text = self.texts.get(image.path.name.removesuffix(".jpg"))
        fields = dict(reading_of(text).fields if text else read.fields)
        fields["depth"] = FieldReading("20 m", "20 m", confidence=0.99)
        return reading_of(text or image.path.name).__class__(fields=fields, model="second-1", raw="{}")


@pytest.fixture
def second() -> Second:
    return Second(**{"2": "Sinding", "4": "Svendsen"})


@pytest.fixture
def other(db) -> Engine:
    return Engine.objects.create(name="Second", kind=Engine.Kind.OPENAI_COMPATIBLE, address="http://x", model="m")


@pytest.fixture
def template(user) -> list[FieldTemplateVersion]:
    """Two versions: the second drops the title and brings the depth."""
    template = FieldTemplate.objects.create(name="Plankton", owner=user)
    versions = [FieldTemplateVersion.objects.create(template=template, number=n) for n in (1, 2)]
    depth = {"key": "depth", "label": "Depth", "type": "text"}
    for version, fields in zip(versions, (FIELDS, [FIELDS[0], FIELDS[2], depth]), strict=True):
        for position, field in enumerate(fields):
            Field.objects.create(version=version, position=position, **field)
    return versions


@pytest.fixture
def drawer(services, start_batch, scripted, template) -> Batch:
    batch = start_batch(*NAMES, template_version=template[0])
    service = services()
    until(is_over(batch))
    service.stop()
    filer.file_due(batch.pk)  # what a stop leaves to the next start
    return batch


def is_over(batch: Batch):
    return lambda: Batch.objects.get(pk=batch.pk).status == "completed"


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def again(batch: Batch, user, engine: Engine, cards=None, **means) -> Rereading:
    return rereadings.start(batch, user, batch.cards.all() if cards is None else cards, Means(engine, **means))


def values(batch: Batch) -> dict[str, dict]:
    return {card.filename: card.result.values for card in batch.cards.select_related("result")}


def counters_are_right(batch: Batch) -> None:
    batch = fresh(batch)
    done = Q(status=CardStatus.COMPLETED)
    counted = batch.cards.aggregate(
        n_total=Count("pk"),
        **{f"n_{status.value}": Count("pk", filter=Q(status=status)) for status in CardStatus},
        n_to_check=Count("pk", filter=done & Q(to_check=True)),
        n_reviewed=Count("pk", filter=done & Q(reviewed=True, to_check=False)),
        n_check_again=Count("pk", filter=done & Q(candidates__gt=0)),
    )
    assert {name: getattr(batch, name.removeprefix("n_")) for name in counted} == counted


def test_what_differs_stands_beside_what_holds(drawer, services, second, user, other):
    before = values(drawer)
    made = again(drawer, user, other)
    services(adapter=second)
    until(is_over(drawer))
    assert values(drawer) == before
    states = {card.filename: [one.state for one in card.results.order_by("pk")] for card in drawer.cards.all()}
    same, another = [ResultState.CURRENT, ResultState.EQUAL], [ResultState.CURRENT, ResultState.CANDIDATE]
    assert states == {"1.jpg": same, "2.jpg": another, "3.jpg": same, "4.jpg": another}
    made.refresh_from_db()
    assert (made.total, made.equal, made.different, made.failed) == (4, 2, 2, 0)
    assert made.finished_at is not None
    batch = fresh(drawer)
    assert (batch.rereading_id, batch.completed, batch.check_again) == (None, 4, 2)
    newest = drawer.cards.get(filename="2.jpg").results.first()
    assert (newest.engine, newest.rereading, newest.values["author"]) == (other, made, "Sinding")
    counters_are_right(drawer)


def test_values_are_shown_and_filed_while_the_card_waits(drawer, user, other):
    again(drawer, user, other)
    batch = fresh(drawer)
    assert (batch.status, batch.pending, batch.completed, batch.to_check) == ("queued", 4, 0, 0)
    assert all(card.is_read and card.result for card in batch.cards.all())
    counters_are_right(drawer)
    Card.objects.update(files_due=True)
    assert filer.file_due(drawer.pk) == 4
    files = sorted(path.name for path in store.results_folder(batch).glob("*_ocr_results.json"))
    assert len(files) == 4


def test_what_people_checked_and_corrected_is_never_overwritten(drawer, services, second, user, other):
    reviewed, corrected = drawer.cards.get(filename="2.jpg"), drawer.cards.get(filename="4.jpg")
    card_actions.mark_reviewed(reviewed, user, reviewed.version, True)
    card_actions.correct(corrected, user, corrected.version, {"author": "Halvorsen"})
    again(drawer, user, other)
    services(adapter=second)
    until(is_over(drawer))
    for card in (reviewed, corrected):
        card.refresh_from_db()
    assert (reviewed.reviewed, reviewed.reviewed_by, reviewed.to_check, reviewed.candidates) == (True, user, True, 1)
    assert corrected.result.values["author"] == "Halvorsen"
    batch = fresh(drawer)
    assert (batch.reviewed, batch.check_again) == (0, 2)
    counters_are_right(drawer)


def test_a_reading_that_says_the_same_lets_a_review_stand(drawer, services, second, user, other):
    card = drawer.cards.get(filename="1.jpg")
    card_actions.mark_reviewed(card, user, card.version, True)
    again(drawer, user, other, drawer.cards.filter(pk=card.pk))
    services(adapter=second)
    until(is_over(drawer))
    card.refresh_from_db()
    assert (card.reviewed, card.to_check, card.candidates) == (True, False, 0)
    assert fresh(drawer).reviewed == 1
    assert len(second.calls) == 1


def test_a_new_version_adds_its_fields_and_what_it_dropped_stays(drawer, services, second, user, other, template):
    made = again(drawer, user, other, drawer.cards.exclude(filename="3.jpg"), version=template[1])
    services(adapter=second)
    until(is_over(drawer))
    assert set(second.asked) == {("author", "year", "depth")}
    batch = fresh(drawer)
    assert [(field["key"], field.get("since")) for field in batch.fields] == [
        ("author", None),
        ("year", None),
        ("depth", 2),
        ("title", None),
    ]
    assert batch.template_version == template[1]
    card = drawer.cards.select_related("result").get(filename="1.jpg")
    assert card.result.values == {"author": "1.jpg", "title": "Peer Gynt", "year": "1875", "depth": "20 m"}
    assert card.result.fields["depth"]["version"] == 2
    assert card.result.template_version == template[0]
    assert "20 m" in card.result.search
    never = drawer.cards.select_related("result").get(filename="3.jpg")
    assert "depth" not in never.result.values
    assert card.results.first().template_version == template[1]
    made.refresh_from_db()
    assert (made.equal, made.different) == (1, 2)


def test_only_the_new_fields_are_asked_for(drawer, services, second, user, other, template):
    again(drawer, user, other, version=template[1], only_new=True)
    services(adapter=second)
    until(is_over(drawer))
    assert set(second.asked) == {("depth",)}
    assert fresh(drawer).check_again == 0
    assert {one["depth"] for one in values(drawer).values()} == {"20 m"}


def test_a_card_that_cannot_be_read_again_keeps_what_it_had(drawer, services, second, user, other):
    second.script["2.jpg"] = [ReplyInvalid("no")] * 9
    Batch.objects.filter(pk=drawer.pk).update(options={"retries": 0})
    made = again(drawer, user, other)
    services(adapter=second)
    until(is_over(drawer))
    made.refresh_from_db()
    assert (made.equal, made.different, made.failed) == (2, 1, 1)
    card = drawer.cards.select_related("result").get(filename="2.jpg")
    assert (card.status, card.result.values["author"], card.error, card.rereading) == ("completed", "2.jpg", "", None)
    assert card.attempts.first().error == "reply_invalid"
    counters_are_right(drawer)


def test_a_card_that_could_not_be_read_is_read_by_another_engine(drawer, services, second, user, other):
    card = drawer.cards.get(filename="1.jpg")
    with changes.locked(drawer) as change:
        change.move_card(Card.objects.get(pk=card.pk), CardStatus.FAILED, result=None, error="reply_invalid")
    again(drawer, user, other, drawer.cards.filter(status=CardStatus.FAILED))
    services(adapter=second)
    until(is_over(drawer))
    card.refresh_from_db()
    assert (card.status, card.error, card.result.engine, card.result.state) == ("completed", "", other, "current")
    counters_are_right(drawer)


@pytest.mark.parametrize(
    ("sent", "left"), [(True, "skipped"), (True, "by hand"), (False, "skipped"), (False, "by hand"), (False, "cause")]
)
def test_a_card_that_could_not_be_read_and_is_decided_by_a_person_holds_nothing_up(
    drawer, user, other, monkeypatch, sent, left
):
    card = drawer.cards.get(filename="1.jpg")
    with changes.locked(drawer) as change:
        change.move_card(Card.objects.get(pk=card.pk), CardStatus.FAILED, result=None, error="reply_invalid")
    if not sent:
        monkeypatch.setattr(blocks, "read_again_some", lambda batch_id: False)
    made = again(drawer, user, other, drawer.cards.filter(filename="1.jpg"))
    if left == "by hand":
        card_actions.enter_by_hand(card, user, {"author": "Grieg"})
    elif left == "skipped":
        runs.skip(card)
    else:
        problems.skip_cause(drawer, "reply_invalid")
    monkeypatch.undo()
    blocks.finish_cut_short()
    card.refresh_from_db()
    assert (fresh(drawer).status, card.rereading) == ("completed", None)
    made.refresh_from_db()
    assert (made.left, made.finished_at is None) == (1, False)
    counters_are_right(drawer)


def test_a_stop_gives_the_rest_back_as_it_was_and_the_batch_is_finished_again(drawer, user, other):
    before = values(drawer)
    made = again(drawer, user, other)
    runs.cancel(fresh(drawer))
    batch = fresh(drawer)
    assert (batch.status, batch.completed, batch.cancelled, batch.rereading_id) == ("completed", 4, 0, None)
    made.refresh_from_db()
    assert made.finished_at is not None
    assert values(drawer) == before
    counters_are_right(drawer)


def test_a_stop_in_the_middle_keeps_what_is_in_flight(drawer, services, second, user, other):
    second.hold = threading.Event()
    again(drawer, user, other)
    service = services(adapter=second, threads=2)
    until(lambda: len(second.calls) == 2)
    runs.cancel(fresh(drawer))
    second.hold.set()
    service.wake(drawer.pk)
    until(is_over(drawer))
    assert len(second.calls) == 2
    made = Rereading.objects.get()
    assert (made.equal + made.different, made.failed) == (2, 0)
    assert made.finished_at is not None
    counters_are_right(drawer)


def test_a_call_that_a_stop_withheld_is_not_told_as_a_card_that_could_not_be_read(drawer, user, other):
    made = again(drawer, user, other)
    presence = Presence()
    held = claims.take(drawer.pk, presence.worker, 1, made.pk)
    saving = Collector(presence.worker.pk)
    saving.write([Start(held[0], timezone.now())])
    runs.cancel(fresh(drawer))
    setup = setup_again(fresh(drawer), made)
    saving.write([Outcome(held[0], fresh(drawer), setup, error=CallWithheld())])
    made.refresh_from_db()
    assert (made.failed, made.left, fresh(drawer).status) == (0, 4, "completed")
    presence.leave()
    counters_are_right(drawer)


def test_a_pause_and_a_resume_go_on_with_the_same_means(drawer, services, second, user, other):
    again(drawer, user, other)
    runs.pause(fresh(drawer))
    services(adapter=second)
    runs.resume(fresh(drawer))
    until(is_over(drawer))
    assert Rereading.objects.get().different == 2


def test_cards_are_sent_back_in_blocks_and_a_crash_between_them_costs_nothing(
    drawer, services, second, user, other, monkeypatch
):
    monkeypatch.setattr(blocks, "BLOCK", 1)
    again(drawer, user, other)
    assert fresh(drawer).pending == 1, "the others are marked, but a crash came"
    counters_are_right(drawer)
    services(adapter=second)
    until(is_over(drawer))
    made = Rereading.objects.get()
    assert made.equal + made.different == made.total == 4
    counters_are_right(drawer)


def test_a_stop_between_the_blocks_forgets_those_that_were_marked(drawer, user, other, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 1)
    again(drawer, user, other)
    runs.cancel(fresh(drawer))
    blocks.finish_cut_short()
    assert fresh(drawer).status == "completed"
    assert not drawer.cards.exclude(rereading=None).exists()
    counters_are_right(drawer)


def test_a_killed_worker_gives_its_cards_back_to_the_same_reading(drawer, services, second, user, other):
    again(drawer, user, other)
    drawer.cards.update(prepared_at="2026-01-01T00:00Z")
    dead = Presence()
    taken = claims.take(drawer.pk, dead.worker, 4, Rereading.objects.get().pk)
    assert len(taken) == 4
    changes.move_cards(drawer, drawer.cards.filter(pk=taken[0].pk), CardStatus.PROCESSING)
    assert claims.give_back(dead.worker, crashed=True) == 4
    dead.leave()
    assert drawer.cards.filter(status=CardStatus.PENDING, rereading__isnull=False, result__isnull=False).count() == 4
    services(adapter=second)
    until(is_over(drawer))
    counters_are_right(drawer)
    assert Rereading.objects.get().different == 2


def test_an_answer_that_a_killed_worker_had_not_written_is_kept_beside_what_holds(drawer, user, other):
    made = again(drawer, user, other)
    drawer.cards.update(prepared_at="2026-01-01T00:00Z")
    dead = Presence()
    card = claims.take(drawer.pk, dead.worker, 1, made.pk)[0]
    setup = setup_again(fresh(drawer), made)
    kept = Outcome(card, drawer, setup, reading=reading_of("Sinding"), started_at=timezone.now())
    Spool(dead.worker).keep(kept)
    os.close(dead._handle)  # it was killed
    with spool.left_by(dead.worker) as outcomes:
        assert [(one.setup.rereading_id, one.setup.engine) for one in outcomes] == [(made.pk, other)]
        Collector(dead.worker.pk).write(outcomes)
    forget(dead.worker)
    card.refresh_from_db()
    assert (card.status, card.candidates, card.result.values["author"]) == ("completed", 1, card.filename)
    counters_are_right(drawer)


def test_a_retry_beside_it_reads_with_the_means_of_the_batch(drawer, services, second, user, other):
    failed = drawer.cards.get(filename="1.jpg")
    with changes.locked(drawer) as change:
        change.move_card(Card.objects.get(pk=failed.pk), CardStatus.FAILED, result=None, error="reply_invalid")
    again(drawer, user, other, drawer.cards.exclude(pk=failed.pk))
    runs.retry_card(failed)
    assert claims.ready(drawer.pk).count() == 1
    services(adapter=second)
    until(is_over(drawer))
    failed.refresh_from_db()
    assert failed.result.engine == drawer.engine
    assert failed.result.rereading is None
    counters_are_right(drawer)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda batch: runs.retry_card(batch.cards.get(filename="1.jpg")), "being read"),
        (lambda batch: runs.pause(batch), "paused"),
    ],
)
def test_only_a_batch_that_is_over_is_read_again(drawer, user, other, prepare, said):
    with changes.locked(drawer) as change:
        card = drawer.cards.get(filename="1.jpg")
        change.move_card(card, CardStatus.FAILED, error="reply_invalid")
    runs.retry_card(card)
    if said == "paused":
        prepare(fresh(drawer))
    with pytest.raises(rereadings.CannotReadAgain, match=said):
        again(fresh(drawer), user, other)


def test_one_rereading_at_a_time(drawer, user, other):
    again(drawer, user, other)
    with pytest.raises(rereadings.CannotReadAgain, match="already"):
        again(fresh(drawer), user, other)


def test_cards_that_stay_inside_are_not_sent_outside(drawer, user, other):
    outside = Engine.objects.create(
        name="Away", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://x", model="m", place=Engine.Place.OUTSIDE
    )
    Batch.objects.filter(pk=drawer.pk).update(options={"stay_inside": True})
    with pytest.raises(rereadings.CannotReadAgain, match="must not leave the house"):
        again(fresh(drawer), user, outside)
    assert not Rereading.objects.exists()


def test_a_card_that_waits_for_another_reading_cannot_be_skipped(drawer, user, other):
    again(drawer, user, other)
    with pytest.raises(changes.TransitionRefused):
        runs.skip(drawer.cards.all()[0])


def test_a_person_may_correct_a_card_that_waits_and_the_reading_is_compared_with_that(
    drawer, services, second, user, other
):
    again(drawer, user, other)
    card = drawer.cards.get(filename="2.jpg")
    card_actions.correct(card, user, card.version, {"author": "Sinding"})
    services(adapter=second)
    until(is_over(drawer))
    card.refresh_from_db()
    assert (card.result.values["author"], card.candidates) == ("Sinding", 0)
    counters_are_right(drawer)


class Turns:
    """People and the machine take turns at random, blocks and stops in between."""

    def __init__(self, batch: Batch, user, engine: Engine, seed: int) -> None:
        self.batch, self.user, self.engine = batch, user, engine
        self.random = random.Random(seed)
        self.presence = Presence()
        self.collector = Collector(self.presence.worker.pk)
        self.typed: dict[int, str] = {}

    def one(self) -> None:
        turns = [self.read, self.read, self.read, self.correct, self.review, self.reread, self.stop]
        self.random.choice(turns)(fresh(self.batch))

    def read(self, batch: Batch) -> None:
        making = batch.rereading
        for card in claims.take(batch.pk, self.presence.worker, 1, making.pk) if making else ():
            reading = self.random.choice([reading_of("Sinding"), reading_of(card.filename), None])
            error = None if reading else EngineFailed("no")
            self.collector.write([Outcome(card, batch, setup_again(batch, making), reading=reading, error=error)])

    def correct(self, batch: Batch) -> None:
        card = self.random.choice(list(batch.cards.all()))
        self.typed[card.pk] = f"Typed {self.random.random()}"
        card_actions.correct(card, self.user, card.version, {"author": self.typed[card.pk]})

    def review(self, batch: Batch) -> None:
        card = self.random.choice(list(batch.cards.all()))
        card_actions.mark_reviewed(card, self.user, card.version, self.random.random() > 0.3)

    def reread(self, batch: Batch) -> None:
        try:
            again(batch, self.user, self.engine, batch.cards.filter(pk__gt=self.random.choice([0, 1])))
        except rereadings.CannotReadAgain:
            blocks.read_again_some(batch.pk)

    def stop(self, batch: Batch) -> None:
        if batch.is_active and self.random.random() < 0.3:
            runs.cancel(batch)
            blocks.finish_cut_short()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_order_no_human_work_is_lost_and_all_is_counted(drawer, user, other, seed, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    drawer.cards.update(prepared_at="2026-01-01T00:00Z")
    turns = Turns(drawer, user, other, seed)
    for _turn in range(60):
        turns.one()
        counters_are_right(drawer)
        for card in drawer.cards.select_related("result"):
            assert card.result is not None
            assert card.result.values["author"] == turns.typed.get(card.pk, card.filename)
            assert card.candidates == card.results.filter(state=ResultState.CANDIDATE).count()
    turns.presence.leave()
    assert drawer.cards.filter(results__rereading__isnull=False).exists()
