"""A whole job with a Redis between the processes, which goes away: it costs time, and nothing else."""

from pathlib import Path

import httpx
import pytest

from tests import redis_server, vlm_server
from tests.processes.socket_client import Listener, listening
from tests.processes.test_kills import (
    AT_A_TIME,
    batch_of,
    csrf,
    each_card_has_its_own_answer_once,
    is_completed,
    make_batch,
    server,
    sign_in,
    site_of,
    variables,
)
from tests.site.processes import POSTGRES, serve
from tests.waiting import until

__all__ = ["server"]
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not POSTGRES or not redis_server.program(), reason="several processes are for PostgreSQL"),
]


def test_a_batch_is_read_and_shown_though_the_redis_is_killed_started_anew_and_emptied(
    tmp_path: Path, server: vlm_server.Server
):
    number = 70
    with redis_server.running() as redis:
        more = {"REDIS_URL": redis.url, **variables(server)}
        data = site_of(tmp_path, server)
        with serve(tmp_path, **more) as site, httpx.Client(base_url=site.url, timeout=30) as browser:
            sign_in(browser)
            server.delay, pk = 0.5, make_batch(data, server, number)  # its doorbell rings elsewhere: it is found
            cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
            with listening(site.port, f"/ws/batches/{pk}/?view=live", cookies) as page:
                shows_more(page)
                redis.stop()
                shows_more(page)
                press(browser, pk, "pause")  # committed, and no 500
                until(lambda: batch_of(data, pk)["status"] == "paused")
                press(browser, pk, "resume")
                ready = browser.get("/health/ready")
                assert (ready.status_code, ready.json()["error"]["details"]["queue"]) == (503, "failed")
                shows_more(page)
                with listening(site.port, f"/ws/batches/{pk}/?view=live", cookies) as late:
                    until(lambda: late.frames)  # opened while it is gone
                redis.start()
                shows_more(page)
                assert redis.said("FLUSHALL") == "OK"
                shows_more(page)
                until(lambda: browser.get("/health/ready").status_code == 200, 30)
                until(lambda: is_completed(data, pk), 60)
                until(lambda: read_on(page) == number)
                assert page.is_open
        log = site.log.read_text()
    each_card_has_its_own_answer_once(data, pk, number)
    assert len(server.calls) <= number + AT_A_TIME
    assert "does not answer" in log
    assert "answers again" in log
    assert log.count("REDIS_URL") <= 4, "told once by each process"
    assert [line for line in log.splitlines() if " ERROR " in line and "/health/ready" not in line] == []


def read_on(page: Listener) -> int:
    """Cards that the page shows with their values."""
    return sum("author " in html for html in page.rows().values())


def shows_more(page: Listener, by: int = 6) -> None:
    before = read_on(page)
    until(lambda: read_on(page) >= before + by, 30)


def press(browser: httpx.Client, pk: int, button: str) -> None:
    token = csrf(browser.get(f"/batches/{pk}/").text)
    answer = browser.post(f"/batches/{pk}/{button}/", data={"csrfmiddlewaretoken": token})
    assert answer.status_code < 400, answer.text
