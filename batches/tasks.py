"""Doorbells: ids only, back in milliseconds. The card row is the queue."""

from huey.contrib.djhuey import task

from batches.drain.service import service


@task()
def drain(batch_id: int) -> None:
    service().wake(batch_id)


@task()
def prepare(batch_id: int) -> None:
    service().wake(batch_id)
