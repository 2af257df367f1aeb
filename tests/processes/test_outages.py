"""Outages of every kind, time compressed, with real processes: the batch waits, says why, and no card fails for it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes.test_kills import (
    AT_A_TIME,
    batch_of,
    consumer,
    csrf,
    drive,
    each_card_has_its_own_answer_once,
    make_batch,
    rows,
    sign_in,
    variables,
)
from tests.site.processes import ROOT, free_port, serve
from tests.waiting import until

pytestmark = pytest.mark.processes

ANSWERS_IN, SLOWLY = 0.2, 3.0  # seconds
LONGEST = 2  # seconds between probes, which stand for sixty
QUICK = {"CARDOCR_PROBE_SECONDS": "0.5", "CARDOCR_PROBE_SECONDS_MAX": str(LONGEST)}


class Endpoint:
    """`python -m tests.vlm_server` in a process of its own, on a port that stays the same."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.earlier = 0  # calls answered by those that were killed
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.vlm_server", "--port", str(self.port), "--delay", str(ANSWERS_IN)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self.is_up)

    def kill(self) -> None:
        assert self.process is not None
        self.earlier += self.calls()
        self.process.kill()
        self.process.wait(10)

    def is_up(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/calls").status_code == 200
        except httpx.TransportError:
            return False

    def calls(self) -> int:
        return int(httpx.get(f"http://127.0.0.1:{self.port}/calls").json()["total"])

    def control(self, path: str, **data: Any) -> None:
        assert httpx.post(f"http://127.0.0.1:{self.port}/{path}", json=data).status_code == 200


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    endpoint.start()
    yield endpoint
    if endpoint.process is not None and endpoint.process.poll() is None:
        endpoint.process.kill()
        endpoint.process.wait(10)


@contextmanager
def reading(
    tmp_path: Path, endpoint: Endpoint, number: int, **more: str
) -> Iterator[tuple[Path, int, Callable[[], str]]]:
    """A site at work on a batch of so many cards: data folder, batch, and what its page says to a person."""
    site_of = serve(tmp_path, **(variables(endpoint) | QUICK | more))
    with site_of as site, httpx.Client(base_url=site.url, timeout=30) as browser:
        sign_in(browser)
        endpoint.control("delay", seconds=SLOWLY)  # or all is read before this process has heard of it
        pk = make_batch(site.data, endpoint, number)
        endpoint.control("delay", seconds=ANSWERS_IN)
        yield site.data, pk, lambda: browser.get(f"/batches/{pk}/").text


def all_were_read(data: Path, pk: int, number: int) -> None:
    until(lambda: batch_of(data, pk)["status"] == "completed", 30)
    assert (batch_of(data, pk)["completed"], batch_of(data, pk)["failed"]) == (number, 0)
    each_card_has_its_own_answer_once(data, pk, number)
    assert rows(data, "SELECT max(tries) FROM batches_card WHERE batch_id = ?", pk) <= [(2,)]


def held(data: Path, pk: int) -> tuple[str, str, str, str]:
    retry_at = "coalesce(CAST(retry_at AS text), '')"
    query = f"SELECT status, pause_reason, pause_message, {retry_at} FROM batches_batch WHERE id = ?"
    (found,) = rows(data, query, pk)
    return found


def is_held(data: Path, pk: int, reason: str) -> bool:
    return held(data, pk)[:2] == ("paused", reason)


def test_an_outage_costs_no_card_and_ends_by_itself(tmp_path, endpoint):
    with reading(tmp_path, endpoint, 60) as (data, pk, page):
        until(lambda: batch_of(data, pk)["completed"] >= 8, 30)
        endpoint.kill()
        until(lambda: is_held(data, pk, "endpoint"), 60)
        _status, _reason, said, retry_at = held(data, pk)
        assert said == f"127.0.0.1:{endpoint.port} does not answer"
        assert retry_at
        said_to_people = page()
        assert "does not answer." in said_to_people
        assert "It is tried again at" in said_to_people
        assert "Cards that were read are kept, and none fails for it." in said_to_people
        until(lambda: held(data, pk)[3] > retry_at)
        before = batch_of(data, pk)
        assert (before["failed"], before["processing"]) == (0, 0)
        endpoint.start()
        until(endpoint.calls, 4 * LONGEST)
        all_were_read(data, pk, 60)
        assert "does not answer" not in page()
    (made,) = rows(data, "SELECT count(*) FROM batches_attempt WHERE error = ''")
    assert made == (60,)
    assert endpoint.earlier + endpoint.calls() <= 60 + 4, "those in flight at the kill were asked again, no others"


def test_an_outage_is_outlived_by_a_batch_whose_consumer_restarts(tmp_path, endpoint):
    with reading(tmp_path, endpoint, 3) as (data, pk, _page):
        endpoint.kill()
        until(lambda: is_held(data, pk, "endpoint"), 60)
    assert batch_of(data, pk)["failed"] == 0
    endpoint.start()
    with consumer(data, endpoint):
        all_were_read(data, pk, 3)


def test_a_storm_of_rate_limits_costs_no_card(tmp_path, endpoint):
    with reading(tmp_path, endpoint, 40) as (data, pk, page):
        until(lambda: batch_of(data, pk)["completed"] >= 6, 30)
        endpoint.control("retry-after", value="8")
        endpoint.control("fail", image=None, mode="429", times=1)
        said = until(lambda: next((text for text in [page()] if "asked us to wait." in text), ""))
        assert "Reading goes on by itself at" in said
        asked = endpoint.calls()
        endpoint.control("retry-after", value="1")
        endpoint.control("fail", image=None, mode="429", times=5)
        until(lambda: "asked us to wait." not in page())
        assert endpoint.calls() <= asked + AT_A_TIME - 1, "those that were in flight, no others"
        all_were_read(data, pk, 40)
    assert endpoint.calls() == 40 + 6
    counted = rows(data, "SELECT counted, count(*) FROM batches_attempt WHERE error = 'rate_limited' GROUP BY counted")
    assert counted == [(0, 6)]
    assert rows(data, "SELECT max(tries) FROM batches_card") == [(1,)]


@pytest.mark.parametrize(
    ("mode", "said"),
    [("402", "The endpoint wants to be paid (402)"), ("403", "The endpoint does not allow this call (403)")],
)
def test_an_unpaid_bill_and_a_forbidden_model_wait_for_a_person(tmp_path, endpoint, mode, said):
    endpoint.control("fail", image=None, mode=mode, times=1)
    with serve(tmp_path, **variables(endpoint)) as site, httpx.Client(base_url=site.url, timeout=30) as browser:
        sign_in(browser)
        pk = make_batch(site.data, endpoint, 6)
        until(lambda: is_held(site.data, pk, "credentials"), 30)
        page = browser.get(f"/batches/{pk}/").text
        assert said in page
        assert "its bill, its address and its model" in page
        assert (endpoint.calls(), batch_of(site.data, pk)["failed"]) == (1, 0)
        answer = browser.post(f"/batches/{pk}/resume/", data={"csrfmiddlewaretoken": csrf(page)})
        assert answer.status_code in {200, 204, 302, 303}, answer.text
        all_were_read(site.data, pk, 6)
    assert endpoint.calls() == 7


def test_a_revoked_key_goes_on_once_the_engine_is_saved(tmp_path, endpoint):
    endpoint.control("key", key="the-old-key-1")
    with reading(tmp_path, endpoint, 20, CARDOCR_VLM_API_KEY="the-old-key-1") as (data, pk, page):
        until(lambda: batch_of(data, pk)["completed"] >= 3, 30)
        endpoint.control("key", key="the-new-key-2")
        until(lambda: is_held(data, pk, "credentials") and not batch_of(data, pk)["processing"])
        assert "does not accept the key (401)" in page()
        asked = endpoint.calls()
        drive(data, "key", "the-new-key-2", **variables(endpoint))  # as the administrator's form does it
        all_were_read(data, pk, 20)
        refused = rows(data, "SELECT count(*) FROM batches_attempt WHERE error = 'credentials_refused'")[0][0]
    assert 1 <= refused <= 4, "no more than were in flight"
    assert endpoint.calls() == 20 + refused
    assert asked < endpoint.calls()
