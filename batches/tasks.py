"""Doorbells: ids only, back in milliseconds. The card row is the queue.

The id of the request that rang goes along, so that the log of the consumer can be read on from that of the web process.
The names of the tasks are those of bells that rang before an upgrade.
"""

import logging

from huey.contrib.djhuey import on_shutdown, on_startup, task

from batches.drain import service
from cardocr_site import log_context, request_ids

log = logging.getLogger(__name__)


@on_startup()
def begin() -> None:
    """A consumer that comes back after a crash goes on by itself."""
    service.begin()


@on_shutdown()
def end() -> None:
    service.stop()


@task(name="drain")
def heard_drain(batch_id: int, request: str | None = None) -> None:
    _wake(batch_id, request)


@task(name="prepare")
def heard_prepare(batch_id: int, request: str | None = None) -> None:
    _wake(batch_id, request)


@task(name="probe")
def heard_probe(engine_id: int, request: str | None = None) -> None:
    with log_context.of(request=request, engine=engine_id):
        log.info("An engine is to be tested.")
        service.service().test(engine_id)


def drain(batch_id: int) -> None:
    heard_drain(batch_id, _asking())


def prepare(batch_id: int) -> None:
    heard_prepare(batch_id, _asking())


def probe(engine_id: int) -> None:
    heard_probe(engine_id, _asking())


def _wake(batch_id: int, request: str | None) -> None:
    with log_context.of(request=request, batch=batch_id or None):
        log.info("Something is to be done.")
        service.service().wake(batch_id)


def _asking() -> str | None:
    current = request_ids.current()
    return None if current == request_ids.NONE else current
