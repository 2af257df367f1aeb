"""What lies in a real Redis, and what becomes of it when that is gone, is started anew or emptied."""

import asyncio
import logging
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from channels.layers import channel_layers
from django.core.cache import caches

from batches.live import audience, events
from batches.live.audience import Access, Audience, Seat, Sheet
from cardocr_site.accounts import rates
from cardocr_site.shared import address, outage
from cardocr_site.shared.outage import Outage
from tests import redis_server
from tests.servers import proxies
from tests.site.processes import free_port
from tests.waiting import until

pytest.importorskip("channels_redis")
pytestmark = pytest.mark.servers

SILENCE = 10.5  # seconds
HUEY = {"huey_class": "huey.SqliteHuey", "filename": "queue", "results": False, "consumer": {}}


@pytest.fixture(scope="module")
def server() -> Iterator[redis_server.Server]:
    if redis_server.program() is None:
        if os.environ.get("CARDOCR_REQUIRE_SERVERS"):
            pytest.fail("Redis is not installed: make servers")
        pytest.skip("Redis is not installed: make servers")
    with redis_server.running() as server:
        yield server


@pytest.fixture
def redis(server: redis_server.Server, monkeypatch: pytest.MonkeyPatch) -> redis_server.Server:
    """Empty, running, and nobody has heard of an outage."""
    if server.process is None:
        server.start()
    server.said("FLUSHALL")
    for name in ("_until", "_told_at", "_is_told"):
        monkeypatch.setattr(outage.outage, name, getattr(Outage(), name))
    monkeypatch.setattr(outage, "QUIET", 0.2)
    return server


@pytest.fixture
def made(redis: redis_server.Server, settings: Any) -> dict[str, Any]:
    return address.settings_of(redis.url, settings.SECRET_KEY, HUEY, {})


@pytest.fixture
def doorbell(made: dict[str, Any]) -> Any:
    from cardocr_site.shared.doorbell import Doorbell

    given = {name: value for name, value in made["HUEY"].items() if name not in ("huey_class", "consumer", "name")}
    return Doorbell("cardocr", **given)


def test_a_ring_is_heard_by_whoever_waits_and_nobody_waits_for_a_redis_that_is_gone(
    doorbell: Any, redis: redis_server.Server, caplog: pytest.LogCaptureFixture
):
    rung: list[int] = []
    ring = doorbell.task(name="ring")(rung.append)
    heard: list[Any] = []
    waiting = threading.Thread(target=lambda: heard.append(doorbell.dequeue()))
    waiting.start()
    ring(7)
    waiting.join(5)
    doorbell.execute(heard[0])
    assert rung == [7]
    redis.stop()
    began = time.monotonic()
    for number in range(20):
        ring(number)  # what rings has been committed: no error, and no waiting
    assert time.monotonic() - began < 1
    assert doorbell.dequeue() is None
    redis.start()
    time.sleep(outage.QUIET)
    ring(8)
    doorbell.execute(doorbell.dequeue())
    assert rung == [7, 8], "the consumer is connected again by itself"
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert [("does not answer" in line, "answers again" in line) for line in told] == [(True, False), (False, True)]
    assert all("p%40ss" not in line and redis_server.PASSWORD not in line for line in told)


def test_a_redis_that_hangs_holds_one_caller_up_and_no_other(
    doorbell: Any, redis: redis_server.Server, monkeypatch: pytest.MonkeyPatch
):
    assert redis.process is not None
    monkeypatch.setattr(outage, "QUIET", 5.0)
    ring, took = doorbell.task(name="ring")(print), []

    def timed(number: int) -> None:
        began = time.monotonic()
        ring(number)
        took.append(time.monotonic() - began)

    timed(1)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        timed(2)
        assert took[1] < 3, "it waits once"
        monkeypatch.setattr(outage.outage, "_until", time.monotonic())  # some time later
        asking = threading.Thread(target=timed, args=(3,))
        asking.start()
        until(lambda: outage.outage.is_on, 5, every=0.005)
        for number in range(4, 9):
            timed(number)
        assert len(took) == 7, "those came back while the one waited"
        asking.join()
    finally:
        redis.process.send_signal(signal.SIGCONT)


def test_rings_that_nobody_takes_do_not_fill_the_redis(doorbell: Any, monkeypatch: pytest.MonkeyPatch):
    from cardocr_site.shared import doorbell as module

    monkeypatch.setattr(module, "AT_MOST", 3)
    ring = doorbell.task(name="ring")(print)
    for number in range(5):
        ring(number)
    assert doorbell.pending_count() == 3
    assert doorbell.dequeue().args == (2,)


def test_limits_count_over_all_processes_and_in_each_while_the_redis_is_gone(
    made: dict[str, Any], redis: redis_server.Server, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.CACHES = made["CACHES"]
    monkeypatch.setattr(rates, "caches", type(caches)(made["CACHES"]))
    assert [rates._increase("requests:user:1:7") for _number in range(3)] == [1, 2, 3]
    assert redis.said("GET", "cardocr:rates:1:requests:user:1:7") == "$1", "where the other processes look"
    assert redis.said("TTL", "cardocr:rates:1:requests:user:1:7") == "120"
    redis.stop()
    assert [rates._increase("requests:user:1:7") for _number in range(3)] == [1, 2, 3]
    redis.start()
    until(lambda: not outage.outage.is_on)
    assert rates._increase("requests:user:1:7") == 1


def test_what_another_wrote_into_the_cache_is_never_unpickled(made: dict[str, Any], redis: redis_server.Server):
    cache = type(caches)(made["CACHES"])["default"]
    cache.set("figures", {"cards": 7})
    assert cache.get("figures") == {"cards": 7}
    redis.said("SET", "cardocr:default:1:figures", pickle.dumps({"cards": 8}, 0).decode())
    assert cache.get("figures") is None
    redis.said("SET", "of-others", "1")
    cache.set("figures", 1)
    cache.clear()
    assert redis.said("DBSIZE") == "1", "others keep what is theirs"


def test_a_person_has_so_many_places_over_all_processes(redis: redis_server.Server, monkeypatch: pytest.MonkeyPatch):
    from cardocr_site.shared import places

    one, other = places.Places(redis.url), places.Places(redis.url)
    assert [process.take("ingrid", 2, mark) for process, mark in ((one, "a"), (other, "b"), (one, "c"))] == [
        True,
        True,
        False,
    ]
    assert (one.number("ingrid"), other.number("magnus")) == (2, 0)
    one.give_back("c")  # which it did not get
    other.give_back("b")
    assert one.take("ingrid", 2, "c")
    redis.said("FLUSHALL")
    one.renew()
    assert other.number("ingrid") == 2
    monkeypatch.setattr(places, "HOLDS", 1)
    dead = places.Places(redis.url)
    monkeypatch.setattr(dead, "_renew_always", lambda: None)
    assert dead.take("magnus", 1, "d")
    until(lambda: other.take("magnus", 1, "e"), 5, every=0.2)  # a process that was killed takes none along
    redis.stop()
    assert one.take("ingrid", 2, "f"), "nobody is locked out"


def listener(shown: list[float]) -> tuple[Audience[str], Seat[str]]:
    def draw(keys: set[str]) -> dict[str, Sheet[str]]:
        shown.append(time.monotonic())
        return {}

    async def nothing(_said: Any) -> None:
        pass

    seat = Seat("ingrid", nothing, nothing, lambda key: Access(None, key))
    return Audience(events.group(7), draw, lambda held, fresh: held, lambda: None, 0.01), seat


def test_pokes_arrive_after_silence_flushing_and_a_restart(
    made: dict[str, Any], redis: redis_server.Server, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    """Without the watcher. The client would give up on a silent connection after 5 seconds by itself."""
    settings.CHANNEL_LAYERS = made["CHANNEL_LAYERS"]
    monkeypatch.setattr(channel_layers, "backends", {})
    monkeypatch.setattr(events, "_sender", events.Sender())
    monkeypatch.setattr(audience, "AFTER_AN_ERROR", 0.1)
    shown: list[float] = []

    async def poked() -> float:
        """How long it takes; several may be needed while the connection is made anew."""
        seen, began = len(shown), time.monotonic()
        async with asyncio.timeout(15):
            while len(shown) == seen:
                events.changed(7)
                for _look in range(50):
                    if len(shown) > seen:
                        break
                    await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def scenario() -> list[float]:
        house, seat = listener(shown)
        house.join(seat)
        await asyncio.sleep(0.5)
        took = [await poked()]
        await asyncio.sleep(SILENCE)
        took.append(await poked())
        redis.said("FLUSHALL")
        took.append(await poked())
        redis.stop()
        await asyncio.sleep(0.5)
        redis.start()
        await poked()
        house.leave(seat)
        await asyncio.sleep(0.1)
        return took

    assert max(asyncio.run(scenario())) < 0.9, "at once, and the first time"


def test_by_tls_all_three_look_at_the_certificate(redis: redis_server.Server, tmp_path: Path, settings: Any):
    from cardocr_site.shared.client import client

    proxies.certify(tmp_path)
    port, own = free_port(), tmp_path / "fullchain.pem"
    files = {"tls-cert-file": own, "tls-key-file": tmp_path / "privkey.pem", "tls-ca-cert-file": own}
    tls = redis_server.Server(tmp_path, free_port(), more={"tls-port": port, "tls-auth-clients": "no", **files})
    tls.start()
    try:
        address_of = f"rediss://:{quote(redis_server.PASSWORD, safe='')}@127.0.0.1:{port}/0"
        known = address.settings_of(f"{address_of}?ssl_ca_certs={own}", settings.SECRET_KEY, HUEY, {})
        assert client(known["HUEY"]["url"]).ping()
        caches_of = type(caches)(known["CACHES"])
        caches_of["default"].set("figures", 7)
        assert tls.said("GET", "cardocr:default:1:figures") == "$1"
        assert asyncio.run(_published(known)) == 0, "nobody listens; it was sent"
        unknown = address.settings_of(address_of, settings.SECRET_KEY, HUEY, {})
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            client(unknown["HUEY"]["url"]).ping()
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            asyncio.run(_published(unknown))
    finally:
        tls.stop()


async def _published(made: dict[str, Any]) -> Any:
    from redis.asyncio import Redis

    (host,) = made["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"]
    given = {name: value for name, value in host.items() if name != "address"}
    async with Redis.from_url(host["address"], **given) as connection:
        return await connection.publish("cardocr", "hello")
