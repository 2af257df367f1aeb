"""Shares in the database: several workers, each with engines of its own, and two real ones against an endpoint."""

from collections.abc import Callable, Iterator

import pytest
from django.db import IntegrityError
from django.utils import timezone

from batches.actions import runs
from batches.drain import scheduler
from batches.drain import shares as shares_module
from batches.drain.breaker import Failure
from batches.drain.engines import Engines
from batches.drain.service import Service
from batches.drain.shares import Shares
from batches.intake import adding
from batches.models import Attempt, Batch, Pace, Share, Worker
from ocr.models import Engine, Probe
from tests import vlm_server
from tests.batches.drain.adapters import Scripted
from tests.batches.drain.test_claims import make_worker
from tests.conftest import FIELDS
from tests.waiting import until


@pytest.fixture
def reader(db: None) -> Engine:
    kind = Engine.Kind.OPENAI_COMPATIBLE
    return Engine.objects.create(name="gpu", kind=kind, address="http://gpu2:8000/v1", place="outside", max_in_flight=8)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares_module, "ALONE_EVERY", 0.0)


class Process:
    """What a worker's process has, its threads aside."""

    def __init__(self, name: str, engine: Engine, host: str = "here", wanted: int = 16) -> None:
        self.worker = make_worker(name)
        Worker.objects.filter(pk=self.worker.pk).update(host=host)
        self.worker.host = host
        self.engines = Engines(lambda config: Scripted())
        self.rung = self.more = 0
        self.shares = Shares(self.worker, self.engines, self._on_more)
        self.engine = engine
        self.shares.wake = self._ring  # type: ignore[method-assign]
        self.engines.share_by(self._ring)
        self.engines.want({engine: wanted})

    def _ring(self) -> None:
        self.rung += 1

    def _on_more(self) -> None:
        self.more += 1

    def settle(self) -> None:
        self.shares.settle_all()

    @property
    def row(self) -> Share | None:
        return Share.objects.filter(worker=self.worker).first()

    @property
    def room(self) -> int:
        return self.engines.room(self.engine)

    def fill(self) -> int:
        while self.engines.enter(self.engine) is not None:
            pass
        with self.engines.flowing(self.engine) as flow:
            return flow.in_flight


def test_the_first_worker_rings_and_has_the_whole_limit_at_once(reader):
    one = Process("one", reader)
    assert (one.rung, one.room) == (1, 0)
    one.settle()
    assert (one.room, one.more) == (8, 1)
    assert one.fill() == 8
    assert one.engines.enter(reader) is None


def test_two_workers_share_it_and_one_that_leaves_gives_its_part_back(reader):
    one, other = Process("one", reader), Process("other", reader)
    for process in (one, other, one, other):
        process.settle()
    assert (one.room, other.room) == (4, 4)
    assert [(row.granted, row.wanted) for row in Share.objects.order_by("pk")] == [(4, 8), (4, 8)]
    one.worker.delete()
    other.settle()
    assert other.room == 8


def test_who_wants_nothing_any_more_has_no_row(reader):
    one = Process("one", reader)
    one.settle()
    one.engines.want({})
    one.settle()
    assert one.row is None
    assert one.engines.in_use() == []
    assert one.room == 0
    one.engines.want({reader: 3})
    assert one.rung == 2
    one.settle()
    assert one.room == 8


def test_who_is_alone_asks_the_database_seldom(reader, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(shares_module, "ALONE_EVERY", 60.0)
    one = Process("one", reader)
    one.settle()
    with django_assert_num_queries(1):
        one.settle()


def test_a_worker_that_was_taken_for_dead_may_begin_nothing(reader):
    one = Process("one", reader)
    one.settle()
    one.engines.enter(reader)
    Worker.objects.filter(pk=one.worker.pk).delete()
    one.settle()
    assert one.room == 0
    assert not Share.objects.exists()


def test_the_limit_that_an_administrator_sets_counts_from_the_next_settlement(reader):
    one, other = Process("one", reader), Process("other", reader)
    for process in (one, other, one, other):
        process.settle()
    one.fill(), other.fill()
    Engine.objects.filter(pk=reader.pk).update(max_in_flight=2)
    one.settle(), other.settle()
    for _ in range(3):
        one.engines.leave(reader)
    assert (one.room, one.rung) == (0, 1 + 3), "each that ends is given back soon"
    one.settle()
    assert one.room == 0
    one.engines.leave(reader)
    one.settle()
    assert one.room == 0, "the other one still has four in flight"
    for _ in range(4):
        other.engines.leave(reader)
    other.settle(), one.settle(), other.settle()
    assert (one.room, other.room) == (1, 1)


def test_the_local_engine_is_shared_by_the_workers_of_each_machine(engine, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    here, beside, there = Process("one", engine), Process("two", engine), Process("three", engine, host="there")
    for process in (here, beside, there, here, beside, there):
        process.settle()
    assert (here.room, beside.room, there.room) == (2, 2, 4)


def test_what_was_learnt_a_moment_ago_holds_for_who_comes_and_not_for_ever(reader):
    one = Process("one", reader)
    one.settle()
    one.engines.rest(reader, 0.0)
    one.settle()
    one.worker.delete()
    fresh = Process("two", reader)
    fresh.settle()
    assert fresh.room == 4
    fresh.worker.delete()
    Pace.objects.update(learnt_at=timezone.now() - 2 * shares_module.KNOWN)
    late = Process("three", reader)
    late.settle()
    assert late.room == 8


def test_workers_bring_their_threads_where_nothing_else_limits_them(reader, settings):
    settings.EXTRACTION_THREADS = 6
    Engine.objects.update(max_in_flight=None)
    reader.refresh_from_db()
    one, other = Process("one", reader, wanted=6), Process("other", reader, wanted=6)
    one.settle(), one.fill(), other.settle()
    assert (one.room, other.room) == (0, 6), "nobody waits for anybody"


def test_an_outage_that_one_has_found_holds_for_all_and_so_does_its_end(reader):
    one, other = Process("one", reader), Process("other", reader)
    for process in (one, other, one, other):
        process.settle()
    one.engines.failed(reader, Failure(1, 0.0, no_connection=True))
    one.settle(), other.settle()
    hold = other.engines.hold(reader)
    assert hold is not None
    assert hold.seconds == pytest.approx(5.0, abs=1.0)
    third = Engines(lambda config: Scripted())
    third.share_by(lambda: None)
    third.follow(reader)
    assert third.probe_delay(reader) is not None, "who has not called it lately looks before a batch goes on"
    one.engines.answered(reader, 1)
    one.settle(), other.settle()
    third.follow(reader)
    assert [engines.probe_delay(reader) for engines in (one.engines, other.engines, third)] == [None] * 3
    assert not third.has_answered(reader), "not to this one"


def test_who_wants_to_probe_must_have_the_permission_which_one_alone_has(reader, settings):
    settings.PROBE_SECONDS = 0.0
    one, other = Process("one", reader, wanted=0), Process("other", reader, wanted=0)
    for process in (one, other):
        process.engines.failed(reader, Failure(1, 0.0, no_connection=True))
        assert not process.engines.wants_probe(reader), "it asks first"
    for process in (one, other, one, other):
        process.settle()
    assert sorted(process.engines.wants_probe(reader) for process in (one, other)) == [False, True]
    assert sorted([one.fill(), other.fill()]) == [0, 1]


def test_a_persons_try_is_told_to_all_where_the_endpoint_was_to_wait(reader):
    one, other = Process("one", reader), Process("other", reader)
    for process in (one, other, one, other):
        process.settle()
    one.engines.failed(reader, Failure(1, 0.0, no_connection=True))
    one.settle(), other.settle()
    other.engines.try_now(reader)
    other.settle(), one.settle()
    assert one.engines.hold(reader) is None


def test_a_test_waits_for_the_calls_of_all_workers_and_keeps_them_from_new_ones(reader):
    one, tester = Process("one", reader), Process("tester", reader, wanted=0)
    one.settle()
    one.engines.enter(reader)
    Probe.objects.create(engine=reader, worker=tester.worker.uid)
    looked = []

    def is_stopped() -> bool:
        """Asked again and again while it waits."""
        looked.append(one.room)
        one.settle(), tester.settle()
        if len(looked) == 3:
            one.engines.leave(reader)
        return False

    with tester.engines.set_aside(reader, is_stopped):
        assert one.row is None or one.row.granted == 0
        one.settle()
        late = Process("late", reader)
        late.settle()
        assert (one.room, late.room) == (0, 0)
    assert len(looked) >= 3
    tester.worker.delete()  # it dies, its row of the test left
    one.settle(), late.settle(), one.settle(), late.settle()
    assert one.room + late.room == 8


def test_try_outs_count_and_ring_where_there_is_no_share(reader):
    one = Process("one", reader, wanted=0)
    assert one.rung == 0

    def is_stopped() -> bool:
        one.settle()
        return False

    with one.engines.ahead(reader, is_stopped, 5) as probe:
        assert probe is False
        assert one.rung == 1
        assert one.row is not None
        assert (one.row.granted, one.row.awaited) == (8, 1)
        assert one.fill() == 8


def test_it_is_told_to_the_log_and_tried_again_where_it_cannot_be_saved(reader, monkeypatch, caplog):
    one = Process("one", reader)
    one.settle()
    one.engines.rest(reader, 0.0)

    def broken(_pace: Pace) -> None:
        raise IntegrityError

    with monkeypatch.context() as patch:
        patch.setattr(Pace, "save", broken)
        patch.setattr(shares_module, "close_old_connections", lambda: None)  # this test's own one
        one.settle()
    assert "could not be settled" in caplog.text
    one.settle()
    assert Pace.objects.get().calls == 4


# -- real ones


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running() as server:
        yield server


@pytest.fixture
def make(user, server: vlm_server.Server) -> Callable[..., Batch]:
    def make(cards: int, first: int = 0, **limits) -> Batch:
        engine, _made = Engine.objects.get_or_create(
            name="box",
            defaults={"kind": "openai_compatible", "address": server.url, "model": "test-model", "place": "outside"}
            | limits,
        )
        batch = Batch.objects.create(name="Drawer 12", owner=user, engine=engine, fields=FIELDS)
        for card in range(first, first + cards):
            adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, (160, 120))])
        return runs.start(batch, user)

    return make


@pytest.mark.django_db(transaction=True)
def test_two_services_keep_to_the_engines_limit_together_and_one_goes_on_with_all_of_it(
    make, server, settings, monkeypatch
):
    settings.ALLOW_PRIVATE_ENGINES = ["127.0.0.1"]
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(shares_module, "EVERY", 0.1)
    server.delay = 0.1
    batch = make(90, max_in_flight=3)
    services = [Service(threads=3, engines=Engines()) for _ in range(2)]
    try:
        for service in services:
            service.wake(batch.pk)
        until(lambda: len(set(Attempt.objects.values_list("worker_uid", flat=True))) == 2)
        until(lambda: Share.objects.filter(granted__gt=0).count() == 2)
        services[0].stop(10)
        until(lambda: Batch.objects.get(pk=batch.pk).completed == 90, 30)
    finally:
        for service in services:
            service.stop(10)
    assert server.most_in_flight == 3
    assert len(server.calls) == 90, "none was read twice"
    assert not Share.objects.exists()
