"""What writes cards without the lock of their batch waits for nobody: the two would wait for each other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from batches.drain import claims, filer
from batches.models import Card, Worker

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one who writes"),
]


@contextmanager
def being_written(card: Card) -> Iterator[None]:
    """By somebody else, who does not come to an end."""
    begun, over = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Card.objects.filter(pk=card.pk).update(crashes=1)
            begun.set()
            over.wait(20)
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(20)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '3s'")
        try:
            yield
        finally:
            over.set()
            thread.join()
            cursor.execute("SET lock_timeout = 0")


def test_a_heartbeat_passes_over_a_card_that_is_being_written(make_cards):
    now = timezone.now()
    worker = Worker.objects.create(uid="one", host="here", pid=1, started_at=now, seen_at=now)
    past = now - timedelta(minutes=1)
    first, second = make_cards(2, worker=worker, lease_until=past)
    with being_written(first):
        claims.renew(worker)
    assert Card.objects.get(pk=first.pk).lease_until == past
    assert Card.objects.get(pk=second.pk).lease_until > now


def test_a_card_that_is_being_written_stays_due_for_its_files(make_cards):
    first, second = make_cards(2, files_due=True)
    with being_written(first):
        assert filer._note([first, second]) == 1
    assert list(Card.objects.filter(files_due=True)) == [first]
