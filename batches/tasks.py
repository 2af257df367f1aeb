"""Doorbells: ids only, back in milliseconds. The card row is the queue."""

from huey.contrib.djhuey import on_shutdown, on_startup, task

from batches.drain import service


@on_startup()
def begin() -> None:
    """A consumer that comes back after a crash goes on by itself."""
    service.service()


@on_shutdown()
def end() -> None:
    service.stop()


@task()
def drain(batch_id: int) -> None:
    service.service().wake(batch_id)


@task()
def prepare(batch_id: int) -> None:
    service.service().wake(batch_id)


@task()
def probe(engine_id: int) -> None:
    service.service().test(engine_id)
