"""What a line of the log tells beside its words: whose request it was, which batch, card, engine and worker.

Set where work of one of them begins, and for as long as it lasts; no message repeats it.
"""

import contextvars
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

FIELDS = ("request", "user", "batch", "card", "engine", "worker")
_told: contextvars.ContextVar[Mapping[str, object] | None] = contextvars.ContextVar("log_context", default=None)


def told() -> Mapping[str, object]:
    return _told.get() or {}


@contextmanager
def of(**fields: object) -> Iterator[None]:
    """These, too, until the block ends. What is None is not told."""
    with only(**{**told(), **fields}):
        yield


@contextmanager
def only(**fields: object) -> Iterator[None]:
    """These and no others: for a thread that begins, or a part that serves everybody."""
    token = _told.set({name: value for name, value in fields.items() if value is not None})
    try:
        yield
    finally:
        _told.reset(token)


def add(**fields: object) -> None:
    """For the rest of this task, which ends with its connection."""
    _told.set({**told(), **fields})


def apart() -> contextvars.Context:
    """For a task that goes on for others when whoever began it has gone."""
    context = contextvars.copy_context()
    context.run(_told.set, None)
    return context
