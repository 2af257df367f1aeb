"""The breaker's decisions, with a clock of the test's own."""

from dataclasses import dataclass

import pytest

from batches.drain.breaker import PATIENCE, Breaker, Failure


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(5, 60, clock)


def fail(breaker: Breaker, clock: Clock, card: int, **more: bool) -> bool:
    failure = Failure(card, clock.now, **more)
    clock.now += 1
    return breaker.failed(failure)


def opened(breaker: Breaker, clock: Clock) -> None:
    for card in range(5):
        fail(breaker, clock, card)
    assert breaker.is_open


def test_five_different_cards_in_a_row_are_the_endpoint(breaker, clock):
    assert [fail(breaker, clock, card) for card in range(4)] == [True] * 4
    assert not breaker.is_open
    assert fail(breaker, clock, 4) is False
    assert (breaker.is_open, breaker.holds, breaker.probe_in) == (True, True, 5)


def test_one_card_five_times_is_not_five_cards(breaker, clock):
    for _ in range(6):
        fail(breaker, clock, 1)
    assert not breaker.is_open


def test_an_answer_between_them_ends_the_row(breaker, clock):
    for card in range(4):
        fail(breaker, clock, card)
    assert breaker.answered(9) is False
    fail(breaker, clock, 4)
    assert not breaker.is_open


def test_a_card_that_fails_while_others_are_read_is_charged_to_its_last(breaker, clock):
    assert fail(breaker, clock, 1)
    breaker.answered(2)
    assert fail(breaker, clock, 1)
    assert fail(breaker, clock, 1, last=True)
    assert not breaker.is_open


def test_no_card_fails_for_good_without_proof_that_the_endpoint_works(breaker, clock):
    breaker.answered(2)
    clock.now += 1
    assert fail(breaker, clock, 1)
    assert fail(breaker, clock, 1)
    assert fail(breaker, clock, 1, last=True) is False
    assert breaker.holds, "it may be the endpoint: a probe will tell"


def test_a_broken_connection_spares_a_card_its_last_try_once(breaker, clock):
    fail(breaker, clock, 1)
    breaker.answered(2)
    assert fail(breaker, clock, 1, last=True, broken=True) is False
    assert not breaker.is_open
    assert fail(breaker, clock, 1, last=True, broken=True)


def test_where_others_fail_too_the_last_try_is_spared_once(breaker, clock):
    fail(breaker, clock, 1)
    fail(breaker, clock, 2)
    breaker.answered(3)
    assert fail(breaker, clock, 1, last=True)
    assert fail(breaker, clock, 2, last=True) is False
    assert fail(breaker, clock, 2, last=True)


def test_a_refused_connection_is_the_endpoints_fault_from_the_first(breaker, clock):
    assert fail(breaker, clock, 1, no_connection=True) is False
    assert breaker.holds


def test_a_refused_connection_beside_answers_costs_nobody_anything(breaker, clock):
    failure = Failure(1, clock.now, last=True, no_connection=True)
    clock.now += 1
    breaker.answered(2)
    assert breaker.failed(failure) is False
    assert not breaker.is_open


def test_what_was_under_way_is_not_charged_and_delays_no_probe(breaker, clock):
    late = Failure(7, clock.now, last=True)
    opened(breaker, clock)
    probe_in = breaker.probe_in
    assert breaker.failed(late) is False
    assert breaker.probe_in == probe_in


def test_probes_are_further_apart_each_time_up_to_a_minute(breaker, clock):
    opened(breaker, clock)
    waits = []
    for card in range(20, 26):
        clock.now += breaker.probe_in
        assert not breaker.holds
        assert breaker.failed(Failure(card, clock.now, last=True)) is False
        waits.append(breaker.probe_in)
    assert waits == [10, 20, 40, 60, 60, 60]


def test_an_answer_closes_it_and_the_next_outage_begins_anew(breaker, clock):
    opened(breaker, clock)
    clock.now += 5
    fail(breaker, clock, 9)
    clock.now += 10
    assert breaker.answered(1) is True
    assert (breaker.is_open, breaker.holds, breaker.probe_in) == (False, False, 0)
    opened(breaker, clock)
    assert breaker.probe_in == 5


def test_after_a_restart_it_goes_on_where_the_row_says(breaker, clock):
    breaker.adopt(12)
    breaker.adopt(99)
    assert (breaker.holds, breaker.probe_in) == (True, 12)
    clock.now += 12
    assert not breaker.holds


def test_a_person_need_not_wait_for_the_next_probe(breaker, clock):
    opened(breaker, clock)
    breaker.try_now()
    assert (breaker.is_open, breaker.holds) == (True, False)


def test_a_lone_card_is_not_spared_for_ever(breaker, clock):
    assert fail(breaker, clock, 1, last=True) is False
    clock.now += 3600
    assert fail(breaker, clock, 1, last=True) is False, "an hour-long outage costs no card"
    clock.now += PATIENCE
    assert fail(breaker, clock, 1, last=True) is True


def test_five_cards_prove_an_outage_of_any_length(breaker, clock):
    opened(breaker, clock)
    clock.now += 10 * PATIENCE
    assert fail(breaker, clock, 1, last=True) is False


def test_what_was_charged_before_it_opened_is_owed_once(breaker, clock):
    for card in (1, 2, 2, 3, 4):
        assert fail(breaker, clock, card)
    assert breaker.owed() == {}, "it may be the cards"
    assert not fail(breaker, clock, 5)
    assert breaker.owed() == {1: 1, 2: 2, 3: 1, 4: 1}
    assert breaker.owed() == {}


def test_what_was_charged_before_an_answer_stays_charged(breaker, clock):
    assert fail(breaker, clock, 1)
    breaker.answered(9)
    for card in (2, 3, 4, 5, 6):
        fail(breaker, clock, card)
    assert set(breaker.owed()) == {2, 3, 4, 5}


def test_a_server_that_may_be_loading_is_thought_down_at_once_and_no_card_is_charged(clock):
    breaker = Breaker(clock=clock)
    assert breaker.failed(Failure(1, clock.now, loading=True)) is False
    assert breaker.is_open
    assert breaker.owed() == {}


def test_where_others_are_answered_a_card_that_is_too_slow_is_charged(clock):
    breaker, begun = Breaker(clock=clock), clock.now
    clock.now += 1
    breaker.answered(2)
    assert breaker.failed(Failure(1, begun, loading=True)) is True
    assert not breaker.is_open
