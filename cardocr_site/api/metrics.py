"""What a monitor draws and warns by, in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).

Asked for it reads the database; nothing is counted beside it, so that a restart loses nothing.
"""

import ipaddress
import logging
import math
import shutil
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from huey.contrib.djhuey import HUEY
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from batches.live.audience import seated
from batches.queries import meters
from batches.states import BatchStatus
from cardocr_site import __version__, databases
from cardocr_site.accounts.addresses import client_address
from cardocr_site.accounts.authentication import Authentication
from cardocr_site.api.errors import answer
from cardocr_site.api.health import PARTS, state_of
from cardocr_site.contract import Refused

log = logging.getLogger(__name__)
QUANTILES = (0.5, 0.95)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cardocr_{name}", about, value=value)


def _gauges(name: str, about: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"cardocr_{name}", about, labels=labels)


def _counter(name: str, about: str, labels: list[str]) -> CounterMetricFamily:
    return CounterMetricFamily(f"cardocr_{name}", about, labels=labels)


def _cards() -> Iterator[Metric]:
    counts = meters.cards()
    by_status = _gauges("cards", "Cards by status, without the trash.", ["status"])
    for status, number in counts.items():
        if status not in meters.COUNTED:
            by_status.add_metric([status], number)
    yield by_status
    yield _gauge("cards_to_check", "Cards that wait for a person.", counts["to_check"])
    yield _gauge("cards_reviewed", "Cards that a person has checked.", counts["reviewed"])
    yield _gauge("cards_nothing_found", "Cards read without any value.", counts["nothing_found"])
    yield _gauge("cards_unprepared", "Scans whose page image is still to be made.", meters.unprepared())


def _batches() -> Iterator[Metric]:
    counts = meters.batches()
    by_status = _gauges("batches", "Batches by status, without the trash.", ["status"])
    for status in BatchStatus.values:
        by_status.add_metric([status], sum(n for (found, _reason), n in counts.items() if found == status))
    paused = _gauges("batches_paused", "Paused batches, by what they wait for.", ["reason"])
    for (status, reason), number in sorted(counts.items()):
        if status == BatchStatus.PAUSED:
            paused.add_metric([reason or "person"], number)
    yield from (by_status, paused)


def _working() -> Iterator[Metric]:
    leases, last = meters.leases(), meters.last_heartbeat()
    yield _gauge("leases", "Cards that a consumer holds.", leases.held)
    yield _gauge("leases_outdated", "Of them those whose lease has run out.", leases.outdated)
    yield _gauge("consumers", "Consumers that gave a sign of life within 30 seconds.", meters.workers())
    if last is not None:
        yield _gauge("last_heartbeat_timestamp_seconds", "When any consumer last did.", last.timestamp())


def _queue() -> Iterator[Metric]:
    yield _gauge("queue_tasks", "Tasks that no consumer has taken yet.", HUEY.pending_count())


def _spent() -> Iterator[Metric]:
    calls = _counter("calls", "Calls that may have cost something.", ["engine"])
    tokens = _counter("tokens", "Tokens sent and received.", ["engine", "direction"])
    cost = _counter("cost", "What calls have cost, as far as prices are known.", ["engine", "currency"])
    for one in meters.spent():
        calls.add_metric([one.engine], one.calls)
        tokens.add_metric([one.engine, "in"], one.tokens_in)
        tokens.add_metric([one.engine, "out"], one.tokens_out)
        cost.add_metric([one.engine, one.currency], float(one.cost))
    yield from (calls, tokens, cost)


def _shares() -> Iterator[Metric]:
    flying = _gauges("calls_in_flight", "Calls in flight, as each worker has said last.", ["engine", "worker"])
    allowed = _gauges("calls_allowed", "How many calls at a time each worker may have.", ["engine", "worker"])
    for share in meters.shares():
        flying.add_metric([share.engine.name, str(share.worker)], share.in_flight)
        allowed.add_metric([share.engine.name, str(share.worker)], share.granted)
    yield from (flying, allowed)


def _recent() -> Iterator[Metric]:
    recent = meters.recent()
    calls = _gauges(
        "recent_calls", "Calls of the last five minutes, 5,000 at most; without an error they gave a reading.",
        ["engine", "error"],
    )  # fmt: skip
    for (engine, error), number in sorted(recent.calls.items()):
        calls.add_metric([engine, error], number)
    seconds = _gauges("recent_call_seconds", "How long those took that gave a reading.", ["engine", "quantile"])
    for engine, durations in sorted(recent.seconds.items()):
        ordered = sorted(durations)
        for share in QUANTILES:
            seconds.add_metric([engine, str(share)], ordered[math.ceil(share * len(ordered)) - 1])
    yield from (calls, seconds)


def _here() -> Iterator[Metric]:
    """Of this web process and its machine."""
    disk = shutil.disk_usage(settings.DATA_DIR)
    yield InfoMetricFamily("cardocr", "What runs.", value={"version": __version__})
    yield _gauge("sockets", "Pages and programs that follow something in this web process.", seated())
    yield _gauge("disk_free_bytes", "Left on the disk of the data folder.", disk.free)
    yield _gauge("disk_size_bytes", "Size of that disk.", disk.total)
    yield _gauge("disk_kept_free_bytes", "Files are refused while less would be left.", settings.MIN_FREE_BYTES)


def _database() -> Iterator[Metric]:
    if (size := databases.size(connection)) is not None:
        yield _gauge("database_bytes", "Size of the database.", size)


def _ready() -> Iterator[Metric]:
    ready = _gauges("ready", "1 where a part is as it should be; see /health/ready.", ["part"])
    for part in PARTS:
        ready.add_metric([part], state_of(part) == "ok")
    yield ready


GROUPS: tuple[Callable[[], Iterator[Metric]], ...] = (
    _ready,
    _here,
    _database,
    _cards,
    _batches,
    _working,
    _queue,
    _spent,
    _shares,
    _recent,
)


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        for group in GROUPS:
            try:
                yield from list(group())
            except Exception:  # the others tell most when one part is broken
                log.warning("Not measured: %s", group.__name__, exc_info=True)


def _allowed(request: HttpRequest) -> bool:
    try:
        address = ipaddress.ip_network(client_address(request), strict=False).network_address
    except ValueError:
        return False
    return any(address in one for one in settings.METRICS_ADDRESSES)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For the addresses of CARDOCR_METRICS_ADDRESSES, and for an administrator's token."""
    if not _allowed(request):
        try:
            if not Authentication()(request).is_administrator:
                raise Refused("PERMISSION_DENIED", _("That is for administrators."))
        except Refused as refused:
            return answer(refused)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)
