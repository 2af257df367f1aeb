"""LLMock: scripted faults in the shape of OpenAI's own, and a verdict on how we took them."""

import httpx
import pytest

from batches.drain import scheduler, worker
from batches.models import Attempt
from batches.states import PauseReason
from tests.servers.reading import all_read, over, paused, values
from tests.waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

CHAT = "/v1/chat/completions"


class Control:
    """Its own side door: what shall go wrong, what was asked, what it thinks of us."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url.removesuffix("/v1") + "/_llmock", trust_env=False)

    def __enter__(self) -> "Control":
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def reset(self) -> None:
        assert self._http.post("/reset").status_code == 200

    def fail(self, **behavior: object) -> None:
        failing = {"type": "fail", "match": {"path": CHAT}, **behavior}
        answer = self._http.post("/scenario", json={"behaviors": [failing]})
        assert answer.status_code == 201, answer.text

    def calls(self) -> list[dict[str, object]]:
        return [call for call in self._http.get("/requests").json()["requests"] if call["path"] == CHAT]

    def verdict(self) -> list[str]:
        return [finding["code"] for finding in self._http.get("/verdict").json()["findings"]]


@pytest.fixture
def control(llmock):
    with Control(llmock.url) as control:
        control.reset()
        yield control


def test_a_batch_is_read_to_its_last_card_each_asked_for_once(llmock, control, start):
    batch = start(llmock, 40)
    all_read(batch)
    assert values(batch) == {f"{n}.jpg": ("mock-author", "mock-title") for n in range(40)}
    assert [call["status"] for call in control.calls()] == [200] * 40
    assert len({call["fingerprint"] for call in control.calls()}) == 40, "each with an image of its own"
    batch.refresh_from_db()
    assert batch.tokens_in > 40 * 100
    assert not Attempt.objects.filter(tokens_out=None).exists()


def test_it_finds_no_fault_with_how_rate_limits_are_taken(llmock, control, start):
    control.fail(status=429, retry_after=1, times=3)
    batch = start(llmock, 12)
    all_read(batch)
    assert [call["status"] for call in control.calls()].count(429) == 3
    assert control.verdict() == []
    assert set(batch.cards.values_list("tries", flat=True)) == {1}


def test_it_finds_no_fault_with_how_failures_are_taken(llmock, control, start):
    control.fail(status=500, times=1)
    control.fail(status=503, times=1)
    batch = start(llmock, 12)
    all_read(batch)
    assert [call["status"] for call in control.calls() if call["status"] != 200] == [500, 503]
    assert control.verdict() == []


def test_it_finds_that_the_waits_for_one_card_grow(llmock, control, start, monkeypatch):
    monkeypatch.setattr(worker, "FIRST_BACK_OFF", 0.3)
    for pause in ("LOOK_EVERY", "HUNGRY"):  # their usual length would round such short waits alike
        monkeypatch.setattr(scheduler, pause, 0.05)
    control.fail(status=500, times=2)
    all_read(start(llmock, 1))
    assert [call["status"] for call in control.calls()] == [500, 500, 200]
    assert control.verdict() == [], "it would tell of retries at once, or at a constant interval"


def test_a_wrong_key_pauses_the_batch_and_costs_no_card(llmock, control, start):
    control.fail(status=401, times=None)
    batch = start(llmock, 12, max_in_flight=1)
    until(paused(batch, PauseReason.CREDENTIALS))
    batch.refresh_from_db()
    assert (batch.failed, len(control.calls())) == (0, 1)


def test_a_request_that_is_refused_is_not_sent_again(llmock, control, start):
    control.fail(status=400, times=1)
    batch = start(llmock, 6, max_in_flight=1)
    until(over(batch), 30)
    assert batch.cards.get(status="failed").error == "request_refused"
    assert len(control.calls()) == 6
    assert control.verdict() == []
