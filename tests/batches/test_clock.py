"""The time by the database: what a wrong clock of this machine does not reach."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from batches import clock
from batches.drain import outages
from batches.models import Worker
from batches.queries import consumers, meters
from tests.site.processes import POSTGRES

pytestmark = pytest.mark.django_db


@pytest.fixture
def wrong(monkeypatch) -> None:
    """This machine is an hour ahead."""
    right = timezone.now
    monkeypatch.setattr("django.utils.timezone.now", lambda: right() + timedelta(hours=1))


@pytest.mark.skipif(not POSTGRES, reason="a single machine has one clock")
def test_a_clock_that_jumps_is_not_asked(wrong):
    assert timedelta(minutes=59) < clock.skew() < timedelta(minutes=61)
    assert timezone.now() - clock.learn() > timedelta(minutes=59)


@pytest.mark.skipif(not POSTGRES, reason="a single machine has one clock")
def test_time_goes_on_between_two_questions(django_assert_num_queries):
    before = clock.learn()
    with django_assert_num_queries(0):
        assert timedelta(0) <= clock.now() - before < timedelta(seconds=5)


@pytest.mark.skipif(not POSTGRES, reason="a single machine has one clock")
def test_a_wrong_clock_neither_holds_a_batch_nor_tries_it_early(wrong):
    assert timedelta(0) < outages.next_look() - clock.now() <= timedelta(seconds=settings.PROBE_SECONDS)


@pytest.mark.skipif(not POSTGRES, reason="a single machine has one clock")
def test_a_web_host_with_a_wrong_clock_sees_who_reads(wrong):
    now = clock.learn()
    Worker.objects.create(uid="w", host="h", pid=1, started_at=now, seen_at=now)
    assert consumers.lives()
    assert meters.workers() == 1


def test_who_has_been_silent_for_long_does_not_read():
    now = clock.now()
    worker = Worker.objects.create(uid="w", host="h", pid=1, started_at=now, seen_at=now - timedelta(seconds=25))
    assert (consumers.lives(), meters.workers()) == (True, 1)
    Worker.objects.filter(pk=worker.pk).update(seen_at=now - timedelta(seconds=31))
    assert (consumers.lives(), meters.workers()) == (False, 0)


@pytest.mark.embedded
def test_on_one_machine_it_is_the_machines_own():
    assert abs(clock.now() - timezone.now()) < timedelta(seconds=5)
    assert abs(clock.skew()) < timedelta(seconds=5)
