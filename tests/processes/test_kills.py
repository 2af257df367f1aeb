"""Real processes, ended in mid-batch: nothing is lost, doubled or mixed up, and nothing is paid for without need."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from tests import vlm_server
from tests.site.processes import (
    PASSWORD,
    POSTGRES,
    ROOT,
    address,
    alive,
    connected,
    environment,
    manage,
    serve,
    with_tables,
)
from tests.waiting import until

pytestmark = pytest.mark.processes

AT_A_TIME = 4  # calls


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running(delay=0.3) as server:
        yield server


class Endpoint(Protocol):
    @property
    def url(self) -> str: ...


def variables(server: Endpoint) -> dict[str, str]:
    return {
        "CARDOCR_VLM_URL": server.url,
        "CARDOCR_VLM_MODEL": "test-model",
        "CARDOCR_ADMIN_PASSWORD": PASSWORD,
        "CARDOCR_THREADS": str(AT_A_TIME),
    }


def site_of(folder: Path, server: Endpoint) -> Path:
    """A data folder whose default engine is that endpoint."""
    data = with_tables(folder / "data")
    prepared = manage(data, "prepare_database", **variables(server))
    assert prepared.returncode == 0, prepared.stderr
    return data


def make_batch(data: Path, server: Endpoint, number: int, first: int = 0) -> int:
    return int(drive(data, "make", str(number), str(first), **variables(server)))


def drive(data: Path, *arguments: str, **more: str) -> str:
    made = driven(data, *arguments, **more)
    assert made.returncode == 0, made.stderr
    return made.stdout


def driven(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.processes.driver", *arguments],
        cwd=ROOT,
        env=environment(data, **more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def rows(data: Path, query: str, *values: Any) -> list[Any]:
    if POSTGRES:
        with connected(address(data)) as connection:
            return connection.execute(query.replace("?", "%s"), values).fetchall()  # type: ignore[no-any-return]
    with closing(sqlite3.connect(f"file:{data / 'cardocr.sqlite3'}?mode=ro", uri=True, timeout=20)) as database:
        return database.execute(query, values).fetchall()


def batch_of(data: Path, pk: int) -> dict[str, Any]:
    names = ("status", "pending", "processing", "completed", "failed", "cancelled")
    (row,) = rows(data, f"SELECT {', '.join(names)} FROM batches_batch WHERE id = ?", pk)
    return dict(zip(names, row, strict=True))


def each_card_has_its_own_answer_once(data: Path, pk: int, number: int, first: int = 0) -> None:
    found = rows(
        data,
        'SELECT c.filename, c.status, c.crashes, r."values" FROM batches_card c'
        " JOIN batches_cardresult r ON r.card_id = c.id WHERE c.batch_id = ?",
        pk,
    )
    assert sorted(name for name, *_rest in found) == sorted(f"{n}.jpg" for n in range(first, first + number))
    for name, status, _crashes, values in found:
        assert (status, json.loads(values)["author"]) == ("completed", f"author {name.removesuffix('.jpg')}")


@contextmanager
def consumer(data: Path, server: Endpoint, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    with (data / "consumer.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_huey"],
            cwd=ROOT,
            env=environment(data, **variables(server), **more),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


def grown(server: vlm_server.Server, before: int, by: int) -> Any:
    return lambda: len(server.calls) >= before + by


VICTIMS = [*["consumer", "web", "everything"] * 3, "consumer"]


def test_ten_kills_of_consumer_web_and_everything_lose_double_and_mix_up_nothing(tmp_path, server):
    kill_in_mid_batch(tmp_path, server, VICTIMS, number=130)


@dataclass
class Bill:
    """What the kills cost. In flight: the endpoint has the call, the database not yet its answer."""

    extra: int  # calls more than cards
    in_flight: list[set[int]]  # cards, for each kill that ended the consumer

    @property
    def kills(self) -> int:
        return len(self.in_flight)


def kill_in_mid_batch(folder: Path, server: vlm_server.Server, victims: Sequence[str], number: int) -> Bill:
    """Kill these one after the other while a batch of `number` cards is read; what is promised is asserted."""
    data, pk, chance = folder / "data", 0, random.Random(7)
    in_flight: list[set[int]] = []
    told: list[str] = []
    for start in range(0, len(victims), 3):
        group = victims[start : start + 3]
        with serve(folder, **variables(server)) as site:
            pk = pk or make_batch(data, server, number)
            for victim in group:
                until(grown(server, len(server.calls), 4), 120)
                until(passed(server.calls[-1].started + chance.uniform(0, 0.3)), 5, every=0.005)
                assert batch_of(data, pk)["status"] == "running", "killed in mid-batch"
                kill(site, victim)
                if victim != "web":
                    in_flight.append({call.card for call in server.calls} - completed_in(data, pk))
            if start + 3 >= len(victims):
                until(partial(is_completed, data, pk), 90)
        told += [line for line in (folder / "serve.log").read_text().splitlines() if "batches.drain" in line]
    end = {"status": "completed", "pending": 0, "processing": 0, "completed": number, "failed": 0, "cancelled": 0}
    assert batch_of(data, pk) == end
    each_card_has_its_own_answer_once(data, pk, number)
    calls = Counter(call.card for call in server.calls)
    assert set(calls) == set(range(number))
    failed = failed_in(data, pk)
    for card, times in calls.items():
        kills = sum(card in flying for flying in in_flight)
        assert times - 1 - failed[card] <= kills, f"card {card} was asked {times} times, and in flight at {kills} kills"
    bill = Bill(calls.total() - number - failed.total(), in_flight)
    again = {card: times for card, times in calls.items() if times > 1}
    paid = f"answers that had arrived were asked for again: {again}, {failed}"
    assert bill.extra <= bill.kills * AT_A_TIME, "\n".join([paid, *told])
    return bill


def failed_in(data: Path, pk: int) -> Counter[int]:
    """Cards whose calls brought no answer, however often: a machine that is too busy breaks connections."""
    asked = "SELECT c.filename FROM batches_attempt a JOIN batches_card c ON c.id = a.card_id"
    found = rows(data, f"{asked} WHERE c.batch_id = ? AND a.error <> ''", pk)
    return Counter(int(name.removesuffix(".jpg")) for (name,) in found)


def completed_in(data: Path, pk: int) -> set[int]:
    found = rows(data, "SELECT filename FROM batches_card WHERE batch_id = ? AND status = 'completed'", pk)
    return {int(name.removesuffix(".jpg")) for (name,) in found}


def passed(moment: float) -> Callable[[], bool]:
    return lambda: time.monotonic() >= moment


def is_completed(data: Path, pk: int) -> bool:
    return bool(batch_of(data, pk)["status"] == "completed")


def kill(site: Any, victim: str) -> None:
    children = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in site.children()}
    doomed = [pid for pid, command in children.items() if victim == "everything" or f"cardocr_site.{victim}" in command]
    assert doomed, children
    if victim == "everything":
        doomed.insert(0, site.process.pid)
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    if victim == "everything":
        site.process.wait(10)
    until(lambda: not any(alive(pid) for pid in doomed))


def test_after_a_stop_in_the_browser_no_call_starts(tmp_path, server):
    data, server.delay = tmp_path / "data", 1.0  # a slow machine stops in mid-batch, too
    with serve(tmp_path, **variables(server)) as site, httpx.Client(base_url=site.url, timeout=30) as browser:
        sign_in(browser)
        for round_ in range(3):
            before = len(server.calls)
            pk = make_batch(data, server, 40, first=40 * round_)
            until(grown(server, before, 5 + round_), 60)
            token = csrf(browser.get(f"/batches/{pk}/").text)
            answer = browser.post(f"/batches/{pk}/cancel/", data={"csrfmiddlewaretoken": token})
            assert answer.status_code in {200, 302, 303, 204}, answer.text
            counted = len(server.calls)
            until(lambda pk=pk: not (batch_of(data, pk)["pending"] + batch_of(data, pk)["processing"]), 30)
            until(lambda: not server.in_flight)
            assert len(server.calls) == counted
            after = batch_of(data, pk)
            assert (after["status"], after["completed"]) == ("cancelled", counted - before)
            assert after["cancelled"] + after["completed"] == 40


def csrf(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def sign_in(browser: httpx.Client) -> None:
    page = browser.get("/accounts/login/")
    given = {"csrfmiddlewaretoken": csrf(page.text), "username": "admin", "password": PASSWORD}
    assert browser.post("/accounts/login/", data=given).status_code == 302


def test_an_orderly_stop_pays_for_nothing_twice(tmp_path, server):
    data, number = site_of(tmp_path, server), 40
    pk = make_batch(data, server, number)
    for stop in range(2):
        with consumer(data, server) as process:
            until(grown(server, len(server.calls), 6), 60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (data / "consumer.log").read_text()
        after = batch_of(data, pk)
        assert after["completed"] == len(server.calls), f"stop {stop}: what was in flight is finished and kept"
        assert after["processing"] == 0
        assert rows(data, "SELECT count(*) FROM batches_card WHERE worker_id IS NOT NULL") == [(0,)]
    with consumer(data, server):
        until(lambda: batch_of(data, pk)["status"] == "completed", 60)
    each_card_has_its_own_answer_once(data, pk, number)
    assert len(server.calls) == number


def test_a_consumer_that_comes_back_goes_on_within_seconds_without_a_doorbell(tmp_path, server):
    data, number = site_of(tmp_path, server), 24
    pk = make_batch(data, server, number)
    with consumer(data, server) as process:
        until(grown(server, 0, 6), 60)
        process.kill()
        process.wait(10)
    drive(data, "hush", **variables(server))
    in_flight = {name for (name,) in rows(data, "SELECT filename FROM batches_card WHERE status = 'processing'")}
    assert in_flight
    workers = "SELECT uid FROM batches_worker"
    before, dead = len(server.calls), set(rows(data, workers))
    with consumer(data, server):
        again = {int(name.removesuffix(".jpg")) for name in in_flight}
        until(lambda: set(rows(data, workers)) - dead, 60)
        until(lambda: again <= {call.card for call in server.calls[before:]} | completed_in(data, pk))
        until(lambda: batch_of(data, pk)["status"] == "completed", 60)
    each_card_has_its_own_answer_once(data, pk, number)


@pytest.mark.skipif(not POSTGRES, reason="two consumers are for PostgreSQL")
def test_two_consumers_read_one_batch_together_and_no_card_twice(tmp_path, server):
    data, number = site_of(tmp_path, server), 60
    pk = make_batch(data, server, number)
    with consumer(data, server) as one, consumer(data, server):
        until(lambda: len(set(rows(data, "SELECT worker_id FROM batches_card WHERE worker_id IS NOT NULL"))) == 2, 60)
        one.kill()  # in mid-batch; the other one takes its cards
        until(lambda: batch_of(data, pk)["status"] == "completed", 90)
    each_card_has_its_own_answer_once(data, pk, number)
    assert len(server.calls) <= number + AT_A_TIME


def test_a_card_that_kills_its_process_is_read_alone_and_fails_alone(tmp_path, server):
    data = site_of(tmp_path, server)
    pk = int(drive(data, "make", "12", "0", "5", **variables(server)))
    ends = [driven(data, "poison", **variables(server)).returncode for _ in range(3)]
    assert ends == [9, 9, 0], "it dies of the card twice; then the card is read in a child"
    found = dict(rows(data, "SELECT filename, status FROM batches_card WHERE batch_id = ?", pk))
    assert found.pop("deadly.jpg") == "failed"
    assert list(found.values()) == ["completed"] * 11
    told = rows(data, "SELECT error, crashes FROM batches_card WHERE filename = 'deadly.jpg'")
    assert told == [("engine_crashed", 2)]
