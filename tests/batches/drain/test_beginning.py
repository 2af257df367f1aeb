"""A consumer that starts while its database does not answer, or its disk is full; one that ends after such an hour."""

import shutil
import threading
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection

from batches import clock, tasks
from batches.drain import service as service_module
from batches.drain.presence import run_folder
from batches.drain.service import Service
from batches.models import Worker
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def consumer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that has just been started."""
    monkeypatch.setattr(service_module, "_service", None)
    monkeypatch.setattr(service_module, "_beginning", None)
    monkeypatch.setattr(service_module, "_leaving", threading.Event())
    monkeypatch.setattr(service_module, "BEGIN_EVERY", 0.02)
    monkeypatch.setattr(service_module, "keep_loaded", lambda: None)
    shutil.rmtree(run_folder())
    yield
    service_module.stop()
    for thread in threading.enumerate():
        if thread.name == "begin":
            thread.join(10)


class Outage:
    """The database answers the one that begins after so many tries."""

    def __init__(self, tries: float) -> None:
        self.tries, self.made, self.learn = tries, 0, clock.learn

    def __call__(self) -> object:
        if threading.current_thread().name == "begin":
            self.made += 1
            if self.made <= self.tries:
                raise OperationalError("couldn't get a connection\nafter 8.00 sec")
        return self.learn()


def traces() -> list[str]:
    return sorted(path.suffix for path in run_folder().iterdir() if path.suffix in {".lock", ".answers"})


def test_cards_are_read_as_soon_as_the_database_answers(monkeypatch, caplog):
    outage = Outage(2)
    monkeypatch.setattr(clock, "learn", outage)
    tasks.begin()
    tasks.begin()  # each of huey's threads does
    until(lambda: service_module._service)
    assert outage.made == 3
    assert Worker.objects.count() == 1
    assert traces() == [".answers", ".lock"], "those that failed have left nothing"
    assert "No cards can be read yet; that is tried again: couldn't get a connection after 8.00 sec" in caplog.text


def test_a_stop_ends_the_tries(monkeypatch):
    outage = Outage(float("inf"))
    monkeypatch.setattr(clock, "learn", outage)
    tasks.begin()
    until(lambda: outage.made > 1)
    tasks.end()
    until(lambda: "begin" not in [thread.name for thread in threading.enumerate()])
    assert service_module._service is None
    assert traces() == []


def test_a_full_disk_leaves_no_worker_that_does_nothing(monkeypatch):
    def full(worker: Worker) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service_module, "Spool", full)
    with pytest.raises(OSError, match="No space"):
        Service()
    assert not Worker.objects.exists()
    assert traces() == []


def test_a_stop_after_an_outage_gives_back_what_it_held():
    if connection.vendor != "postgresql":
        pytest.skip("about connections of a PostgreSQL")
    service = Service()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        mine = cursor.fetchone()[0]

    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [mine])
        connection.close()

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    service.stop()
    assert not Worker.objects.exists()
