"""A consumer killed while cards are read again: nothing is lost, doubled or overwritten, and all is counted."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests import vlm_server
from tests.processes.test_kills import AT_A_TIME, batch_of, consumer, drive, grown, make_batch, rows, site_of, variables
from tests.waiting import until

pytestmark = pytest.mark.processes

NUMBER = 16
_NOW = 'SELECT c.filename, r."values" FROM batches_card c JOIN batches_cardresult r ON r.id = c.result_id'
_CARDS = "SELECT status, reviewed, to_check, candidates, rereading_id, worker_id, crashes FROM batches_card"


def test_a_kill_in_mid_rereading_loses_doubles_and_overwrites_nothing(tmp_path: Path) -> None:
    with vlm_server.running() as server:
        data = site_of(tmp_path, server)
        pk = make_batch(data, server, NUMBER)
        with consumer(data, server):
            until(lambda: batch_of(data, pk)["status"] == "completed", 60)
        drive(data, "reread", str(pk), **variables(server))
        before = dict(rows(data, _NOW))
        server.answer({"author": "another {number}"})
        server.delay, first = 0.3, len(server.calls)
        with consumer(data, server) as process:
            until(grown(server, len(server.calls), 6), 60)
            process.kill()
            process.wait(10)
        assert batch_of(data, pk)["status"] == "running", "killed in mid-reading"
        with consumer(data, server):
            until(lambda: batch_of(data, pk)["status"] == "completed", 60)
    assert dict(rows(data, _NOW)) == before, "what holds, corrected or not, is as it was"
    assert [json.loads(before[f"{n}.jpg"])["author"] for n in range(4)] == [
        *(f"by hand {n}" for n in range(3)),
        "author 3",
    ]
    calls = Counter(call.card for call in server.calls[first:])
    assert set(calls) == set(range(NUMBER))
    assert calls.total() - NUMBER <= AT_A_TIME
    every_card_has_two_readings(data, pk)
    all_is_counted(data, pk)


def every_card_has_two_readings(data: Path, pk: int) -> None:
    found = rows(data, "SELECT card_id, count(*) FROM batches_cardresult GROUP BY card_id")
    assert Counter(number for _card, number in found) == {2: NUMBER}


def all_is_counted(data: Path, pk: int) -> None:
    told = rows(data, "SELECT total, equal, different, failed, finished_at IS NOT NULL FROM batches_rereading")
    assert told == [(NUMBER, 0, NUMBER, 0, 1)]
    cards = rows(data, _CARDS)
    assert {(card[0], *card[4:6]) for card in cards} == {("completed", None, None)}
    assert sum(card[1] for card in cards) == 3, "who checked a card has checked it"
    assert {card[2:4] for card in cards} == {(1, 1)}
    names = "to_check, reviewed, check_again, completed, pending, processing, failed, rereading_id"
    assert rows(data, f"SELECT {names} FROM batches_batch") == [(NUMBER, 0, NUMBER, NUMBER, 0, 0, 0, None)]
