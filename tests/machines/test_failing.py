"""A host that is cut off, killed or wrong about the time; a database that stops; a disk that is full: nothing is lost,
doubled or stuck, and all goes on by itself.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests import hosts, vlm_server
from tests.machines.conftest import AT_A_TIME, House, everybody
from tests.machines.following import Follower
from tests.waiting import until

pytestmark = pytest.mark.machines


@contextmanager
def reading(house: House, cards: int, extra: int = 0) -> Iterator[int]:
    """A batch in mid-run. At the end of the block it is over within a minute and a half, whatever happened; each card
    has its own answer, once, everywhere; no more than so many calls were made twice."""
    first, before = house.first, len(house.endpoint.calls)
    batch = house.batch(cards)
    follower = Follower([house.url("web-2"), house.url("web-1")], batch, house.token)
    until(lambda: len(house.endpoint.calls) >= before + 2 * AT_A_TIME, 60)
    yield batch
    until(lambda: status(house, batch) == "completed", 90, every=0.2)
    found = house.rows(
        "SELECT c.filename, c.status, c.worker_id, r.values->>'author' FROM batches_card c"
        " JOIN batches_cardresult r ON r.card_id = c.id WHERE c.batch_id = %s",
        batch,
    )
    numbers = range(first, first + cards)
    assert sorted(found) == sorted((f"{n}.jpg", "completed", None, f"author {n}") for n in numbers)
    (counted,) = house.rows("SELECT completed, pending, processing, failed FROM batches_batch WHERE id = %s", batch)
    assert counted == (cards, 0, 0, 0)
    # What a host had sent when it was cut off may come late.
    calls = Counter(call.card for call in house.endpoint.calls[before:] if call.card in numbers)
    assert set(calls) == set(numbers)
    assert calls.total() <= cards + extra, {card: times for card, times in calls.items() if times > 1}
    follower.join(40)
    told = Counter(result["filename"] for result in follower.results)
    assert told == Counter(f"{n}.jpg" for n in numbers), "each result comes once, wherever one asks"


def status(house: House, batch: int) -> str:
    return str(house.rows("SELECT status FROM batches_batch WHERE id = %s", batch)[0][0])


def readers(house: House, batch: int) -> set[str]:
    """The hosts that hold cards of this batch now."""
    held = (
        "SELECT DISTINCT w.host FROM batches_card c JOIN batches_worker w ON w.id = c.worker_id WHERE c.batch_id = %s"
    )
    return {host for (host,) in house.rows(held, batch)}


def both_read(house: House) -> None:
    """Within a few batches: who could not reach the endpoint, either, tries it with one card first."""
    seen: set[str] = set()
    for _ in range(12):
        with reading(house, 40) as batch:
            while status(house, batch) != "completed":
                seen |= readers(house, batch)
        if seen == {"worker-1", "worker-2"}:
            return
    raise AssertionError(f"read by {seen} alone")


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 65_536):
            pass


def wrong_clock(told: Path) -> dict[str, str]:
    """A process that takes the time from this file; how long things take, it measures right."""
    return {
        "LD_PRELOAD": str(hosts.wrong_clocks()),
        "FAKETIME_TIMESTAMP_FILE": str(told),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def test_two_workers_share_a_batch_and_each_web_host_tells_of_it(house: House) -> None:
    with reading(house, 40) as batch:
        until(lambda: readers(house, batch) == {"worker-1", "worker-2"})
        told = [house.ask(web, f"/batches/{batch}/status")["status"] for web in ("web-1", "web-2")]
        assert told == ["running", "running"]


def test_hosts_that_are_cut_off_are_done_without_and_come_back(house: House) -> None:
    worker, web = house.host("worker-1"), house.host("web-2")
    with reading(house, 60, extra=2 * AT_A_TIME) as batch:
        until(lambda: "worker-1" in readers(house, batch))
        worker.cut()
        web.cut()
        until(lambda: status(house, batch) == "completed", 90, every=0.2)
        worker.mend()
        web.mend()
    everybody(house)
    both_read(house)


def test_a_host_that_loses_power_is_done_without(house: House) -> None:
    with reading(house, 60, extra=AT_A_TIME) as batch:
        until(lambda: "worker-2" in readers(house, batch))
        house.host("worker-2").power_off()
        house.host("web-1").power_off()
    house.start("worker-2")
    house.start("web-1")
    everybody(house)


def test_a_redis_that_starts_anew_or_forgets_is_done_without(house: House) -> None:
    with reading(house, 60):
        house.redis.said("FLUSHALL")
        house.redis.stop()
        seen = len(house.endpoint.calls)
        until(lambda: len(house.endpoint.calls) > seen + 2 * AT_A_TIME, 30)  # nobody waits for it
        assert httpx.get(f"{house.url('web-1')}/accounts/login/", timeout=20).status_code == 200
        house.redis.start()


def test_a_clock_that_jumps_frees_nothing_and_holds_nothing(house: House, tmp_path: Path) -> None:
    """The one of worker-2, an hour ahead and then an hour behind, in mid-batch."""
    told = tmp_path / "faketime"
    told.write_text("+0")
    house.host("worker-2").shut_down()
    house.start("worker-2", **wrong_clock(told))
    everybody(house)
    with reading(house, 80) as batch:
        for jump in ("+1h", "-1h"):
            seen = len(house.endpoint.calls)
            told.write_text(jump)
            until(lambda seen=seen: len(house.endpoint.calls) >= seen + 20, 30)
            until(lambda: readers(house, batch) == {"worker-1", "worker-2"})
    house.host("worker-2").power_off()  # the library of the wrong clock spoils the waiting in an orderly end
    house.start("worker-2")
    everybody(house)


def test_a_database_that_starts_anew_is_waited_for(house: House) -> None:
    with reading(house, 40, extra=2 * AT_A_TIME):
        house.database.stop()
        answer = httpx.get(f"{house.url('web-1')}/health/ready", timeout=20)
        assert answer.status_code == 503
        page = httpx.get(f"{house.url('web-1')}/", cookies={"sessionid": "a" * 32}, timeout=20)
        assert page.status_code == 503
        assert "database does not answer" in page.text
        house.host("worker-2").kill("cardocr_site.consumer")  # what supervises it starts it again, without a database
        until(lambda: "No cards can be read yet; that is tried again" in house.logged(), 40, every=0.2)
        house.database.start()
    everybody(house)
    both_read(house)


def test_a_database_that_hangs_for_half_a_minute_is_waited_for(house: House) -> None:
    with reading(house, 40, extra=2 * AT_A_TIME):
        house.database.pause()
        try:
            with pytest.raises(AssertionError):
                until(lambda: False, 30)
        finally:
            house.database.go_on()


def test_a_full_disk_takes_no_scans_and_loses_no_reading(house: House) -> None:
    """Readings are in the database; their files follow."""
    filler = house.data / "filler"
    with reading(house, 40) as batch:
        fill(filler)
        try:
            draft = house.send("web-1", "/batches", json={"name": "Drawer 13"}).json()["data"]
            scan = {"files": ("1.jpg", vlm_server.card_image(4000), "image/jpeg")}
            refused = house.send("web-1", f"/batches/{draft['id']}/images", files=scan)
            assert "disk" in refused.text, refused.text
            assert house.rows("SELECT total FROM batches_batch WHERE id = %s", draft["id"]) == [(0,)]
            until(lambda: status(house, batch) == "completed", 60, every=0.2)
        finally:
            filler.unlink()
    until(lambda: len(list(house.data.glob("batches/*/results/*_ocr_results.json"))) >= house.first, 90, every=0.5)
