"""Shares as arithmetic: workers settle, call, learn, join, leave and die in any order, without time or database."""

import copy
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from batches.drain import shares
from batches.drain.breaker import Breaker, Failure
from batches.drain.flow import Climb, Flow
from batches.drain.shares import Terms
from batches.drain.sharing import Wish, share_out
from batches.models import Pace, Share


def out(limit: int, *wanted: int, turn: int = 0, awaited: tuple[int, ...] = ()) -> list[int]:
    wishes = [Wish(worker, calls, int(worker in awaited)) for worker, calls in enumerate(wanted)]
    found = share_out(wishes, limit, turn)
    return [found.get(worker, 0) for worker in range(len(wanted))]


def test_all_want_more_than_there_is_and_get_the_same():
    assert out(8, 16, 16) == [4, 4]
    assert sorted(out(8, 16, 16, 16)) == [2, 3, 3]


def test_what_one_does_not_use_goes_to_the_others():
    assert out(8, 2, 16) == [2, 6]
    assert out(10, 1, 3, 16, 16) == [1, 3, 3, 3]
    assert out(8, 0, 16) == [0, 8]


def test_what_nobody_asks_for_lies_ready_with_those_who_call():
    assert out(8, 1, 2, 0) == [4, 4, 0] or out(8, 1, 2, 0) == [3, 5, 0]
    assert out(8, 0, 0) == [0, 0]


def test_more_workers_than_calls_take_turns():
    served = Counter(worker for turn in range(6) for worker, calls in enumerate(out(2, 9, 9, 9, turn=turn)) if calls)
    assert served == {0: 4, 1: 4, 2: 4}
    assert {sum(out(2, 9, 9, 9, turn=turn)) for turn in range(6)} == {2}


def test_where_a_person_waits_is_the_first_turn():
    assert {tuple(out(1, 9, 9, 1, turn=turn, awaited=(2,))) for turn in range(9)} == {(0, 0, 1)}


def test_a_limit_is_never_passed_and_all_of_it_is_given_out():
    chance = random.Random(7)
    for _ in range(2000):
        wanted = [chance.choice([0, 1, 2, 5, 30]) for _ in range(chance.randint(1, 6))]
        limit, turn = chance.randint(0, 20), chance.randint(0, 99)
        found = out(limit, *wanted, turn=turn)
        assert sum(found) == (limit if any(wanted) and sum(map(bool, wanted)) <= limit else min(limit, sum(found)))
        assert sum(found) <= limit
        if sum(map(bool, wanted)) <= limit:
            assert all(calls >= 1 for calls, wish in zip(found, wanted, strict=True) if wish)


@dataclass
class Process:
    """A worker as it is between two statements: `later` is a settlement that is saved and not taken up yet."""

    pk: int
    flow: Flow
    later: tuple[Pace, Share, bool] | None = None
    calls: list[tuple[int, bool]] = field(default_factory=list)


class World:
    """The rows, and processes that share them; settlements come one after the other, as the lock has it."""

    def __init__(self, ceiling: int, *, start: int | None = None, is_local: bool = False) -> None:
        self.ceiling, self.start, self.is_local = ceiling, start or ceiling, is_local
        self.pace = Pace(engine_id=1)
        self.rows: dict[int, Share] = {}
        self.processes: dict[int, Process] = {}
        self.turn = 0
        self.is_set_aside = False
        self.card = 0

    def join(self, wanted: int = 16) -> Process:
        flow = Flow(Breaker(0.0, 0.0), Climb(self.start), is_shared=True, wanted=wanted)
        process = Process(max(self.processes, default=0) + 1, flow)
        self.processes[process.pk] = process
        return process

    def settle(self, process: Process, *, take_up: bool = True, saved: bool = True) -> None:
        if process.later:
            self.take_up(process)
        terms = Terms(self.ceiling, self.ceiling, self.is_local, self.is_set_aside, self.turn)
        others = [copy.copy(row) for pk, row in self.rows.items() if pk != process.pk]
        mine = copy.copy(self.rows.get(process.pk)) or Share(worker_id=process.pk, engine_id=1)
        pace = copy.copy(self.pace)
        news = shares.settle(process.flow, pace, mine, others, terms)
        if not saved:
            process.flow.news = news.and_then(process.flow.news)
            return
        self.pace = pace
        self.rows.pop(process.pk, None)
        if mine.granted or mine.wanted:
            self.rows[process.pk] = mine
        process.later = (pace, mine, not others)
        if take_up:
            self.take_up(process)

    def take_up(self, process: Process) -> None:
        if process.later:
            pace, mine, is_alone = process.later
            shares.take_up(process.flow, pace, mine, is_alone=is_alone)
            process.later = None

    def call(self, process: Process) -> bool:
        if not process.flow.places(self.ceiling):
            return False
        self.card += 1
        process.calls.append((self.card, process.flow.enter()))
        return True

    def fill(self, *processes: Process) -> list[int]:
        for process in processes or self.processes.values():
            while self.call(process):
                pass
        return [process.flow.in_flight for process in self.processes.values()]

    def end(self, process: Process, how: str = "answer") -> None:
        card, probe = process.calls.pop(0)
        flow = process.flow
        before = flow.breaker.due_at
        if how == "answer":
            if flow.breaker.answered(card):
                flow.news.outage = True
            flow.answered(self.ceiling)
        elif how == "429":
            flow.meet_limit(self.ceiling)
        elif how == "down":
            was_open = flow.breaker.is_open
            flow.breaker.failed(Failure(card, float("inf"), no_connection=True))
            if flow.breaker.is_open and not was_open:
                flow.begin(1)
            flow.news.outage = flow.news.outage or flow.breaker.due_at != before
        flow.leave(probe=probe)

    def end_all(self, process: Process, how: str = "answer") -> None:
        while process.calls:
            self.end(process, how)

    def round(self) -> None:
        for process in list(self.processes.values()):
            self.settle(process)

    def lose(self, process: Process) -> None:
        """Its row is gone, and so are its calls."""
        del self.processes[process.pk]
        self.rows.pop(process.pk, None)

    @property
    def in_flight(self) -> int:
        return sum(process.flow.in_flight for process in self.processes.values())

    @property
    def granted(self) -> int:
        return sum(row.granted for row in self.rows.values())


def test_one_worker_has_all_of_it_at_once():
    world = World(8)
    one = world.join()
    assert not world.call(one), "before it is settled nobody knows of it"
    world.settle(one)
    assert world.fill() == [8]


def test_one_worker_learns_with_each_answer_and_waits_for_nobody():
    world = World(8, start=1)
    one = world.join()
    world.settle(one)
    seen = []
    for _ in range(4):
        seen += world.fill()
        world.end_all(one)
    assert seen == [1, 2, 4, 8]
    world.settle(one)
    assert world.pace.calls == 8


def test_a_second_one_gets_half_once_the_first_has_given_it_back():
    world = World(8)
    one, other = world.join(), world.join()
    world.settle(one)
    world.fill()
    world.settle(other)
    assert world.fill() == [8, 0], "all of it is in flight"
    world.settle(one)
    for _ in range(3):
        world.end(one)
    world.settle(other)
    assert world.fill() == [5, 0], "it has not said yet that it has ended some, and begins none"
    world.settle(one)
    world.settle(other)
    assert world.fill() == [5, 3]
    world.end_all(one)
    world.round()
    world.round()
    assert world.fill() == [4, 4]


def test_who_leaves_or_dies_gives_its_part_to_the_others_at_their_next_heartbeat():
    world = World(8)
    one, other = world.join(), world.join()
    world.round()
    world.round()
    world.round()
    assert world.fill() == [4, 4]
    world.lose(one)
    world.settle(other)
    assert world.fill() == [8]


def test_who_has_nothing_to_read_gives_its_part_back():
    world = World(8)
    one, other = world.join(), world.join()
    for _ in range(3):
        world.round()
    one.flow.wanted = 0
    world.settle(one)
    world.settle(other)
    assert world.fill() == [0, 8]
    assert list(world.rows) == [other.pk]


def test_a_new_worker_begins_with_what_the_others_know():
    world = World(32, start=16)
    one = world.join()
    world.settle(one)
    world.fill()
    world.end(one, "429")
    world.settle(one)
    assert world.pace.calls == 8
    other = world.join()
    world.end_all(one)
    for _ in range(3):
        world.round()
    assert other.flow.climb.calls == 9, "a round of answers has come meanwhile"
    assert sorted(world.fill()) == [4, 5]


def test_one_burst_that_all_workers_meet_halves_once_and_answers_of_all_raise_it():
    world = World(16)
    one, other = world.join(), world.join()
    for _ in range(3):
        world.round()
    assert world.fill() == [8, 8]
    world.end(one, "429")
    world.end(other, "429")
    world.round()
    world.round()
    assert world.pace.calls == 8
    world.end_all(one)
    world.end_all(other)
    world.round()
    world.round()
    assert sorted(world.fill()) == [4, 5], "the answers that came after it are one round"
    for _ in range(3):
        world.end_all(one)
        world.end_all(other)
        world.round()
        world.fill()
    assert 9 < world.pace.calls < 16


def test_answers_that_are_older_than_a_limit_do_not_raise_it():
    world = World(16)
    one, other = world.join(), world.join()
    for _ in range(3):
        world.round()
    world.fill()
    world.end(one, "429")
    world.settle(one)
    world.end_all(other)
    world.settle(other)
    assert world.pace.calls == 8


def test_one_worker_alone_asks_an_endpoint_that_is_down():
    world = World(8)
    one, other = world.join(), world.join()
    for _ in range(3):
        world.round()
    world.fill()
    world.end(one, "down")
    world.round()
    assert other.flow.breaker.is_open, "it has heard of it"
    world.end_all(one, "down")
    world.end_all(other, "down")
    for turn in range(6):
        world.turn = turn
        world.round()
        world.round()
        assert sorted(world.fill()) == [0, 1]
        for process in (one, other):
            world.end_all(process, "down" if turn < 5 else "answer")
    for _ in range(2):
        world.round()
    assert not one.flow.breaker.is_open
    assert not other.flow.breaker.is_open
    assert world.pace.calls == 2, "after an outage it climbs from one"


def test_both_have_their_turn_with_an_endpoint_that_is_down_and_with_one_call():
    for world in (World(8), World(1)):
        one, other = world.join(), world.join()
        world.settle(one)
        world.call(one)
        if world.ceiling > 1:
            world.end(one, "down")
        asked = Counter[int]()
        for turn in range(8):
            world.turn = turn
            for _ in range(2):
                for process in (one, other):
                    world.end_all(process, "down" if world.ceiling > 1 else "answer")
                world.round()
            world.fill()
            asked.update(process.pk for process in (one, other) if process.calls)
        assert min(asked.values()) >= 3
        assert len(asked) == 2


def test_calls_that_hang_do_not_keep_the_one_that_asks_from_going():
    world = World(8)
    one, other = world.join(), world.join()
    for _ in range(3):
        world.round()
    world.fill()
    world.end(one, "down")
    for _ in range(3):
        world.round()
        world.fill()
    assert world.in_flight == 8, "seven of them hang"
    assert sum(process.flow.probes for process in (one, other)) == 1


def test_set_aside_for_a_test_nobody_begins_a_call_and_the_tester_knows_when_all_are_over():
    world = World(8)
    one, other, tester = world.join(), world.join(), world.join(wanted=0)
    for _ in range(3):
        world.round()
    world.fill()
    world.is_set_aside, tester.flow.is_tested = True, True
    world.round()
    assert not tester.flow.is_quiet
    for process in (one, other):
        world.end_all(process)
    assert world.fill()[:2] == [0, 0], "though their shares are not lowered yet"
    world.round()
    world.settle(tester)
    assert tester.flow.is_quiet
    late = world.join()
    world.settle(late)
    assert not world.call(late)
    world.is_set_aside, tester.flow.is_tested = False, False
    for _ in range(3):
        world.round()
    assert sum(world.fill()) == 8


def test_what_could_not_be_saved_is_told_again():
    world = World(16)
    one = world.join()
    world.settle(one)
    world.fill()
    world.end(one, "429")
    world.settle(one, saved=False)
    assert world.pace.calls == 16
    world.settle(one)
    assert world.pace.calls == 8


@pytest.mark.parametrize("seed", range(30))
def test_no_order_of_events_passes_the_limit(seed):
    """Calls begin and end between any two statements; settlements fail, or are taken up late."""
    chance = random.Random(seed)
    world = World(chance.choice([1, 2, 3, 8, 16]), is_local=seed % 10 == 9)
    world.start = chance.randint(1, world.ceiling)
    for _ in range(600):
        _something_happens(world, chance)
        assert world.in_flight <= world.ceiling
        assert world.granted <= world.ceiling
        for process in world.processes.values():
            held = world.rows.get(process.pk)
            assert process.flow.in_flight <= process.flow.share <= (held.granted if held else 0)
            assert process.flow.may_probe <= bool(held and held.may_probe)
        probing = [row for row in world.rows.values() if row.may_probe]
        assert len(probing) <= 1 or world.pace.probe_at is None


def _something_happens(world: World, chance: random.Random) -> None:
    does = chance.random()
    if does < 0.02 and len(world.processes) < 5:
        world.join(chance.choice([1, 4, 16]))
        return
    if does < 0.04:
        world.turn += 1
        world.is_set_aside = chance.random() < 0.1
        return
    if not world.processes:
        return
    process = chance.choice(list(world.processes.values()))
    if does < 0.045:
        world.lose(process)
    elif does < 0.06:
        process.flow.wanted = chance.choice([0, 1, 16])
    elif does < 0.3:
        world.settle(process, take_up=chance.random() < 0.7, saved=chance.random() < 0.9)
    elif does < 0.4:
        world.take_up(process)
    elif does < 0.7:
        world.call(process)
    elif process.calls:
        world.end(process, chance.choices(["answer", "429", "down"], [20, 1, 2])[0])
