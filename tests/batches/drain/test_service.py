import gc
import io
import json
import logging
import threading
from dataclasses import replace

import pytest
from django.utils import timezone

from batches import changes
from batches.actions import runs
from batches.drain import claims, run_here, scheduler, worker
from batches.drain import service as service_module
from batches.drain.engines import Engines
from batches.intake import store
from batches.models import Attempt, Batch, Card, CardScan, Worker
from batches.states import BatchStatus, CardStatus
from cardocr_site import log_context, log_lines
from ocr import errors
from ocr.models import Engine
from tests.batches.drain.adapters import Scripted, deadly
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def is_over(batch):
    return lambda: Batch.objects.get(pk=batch.pk).status not in {BatchStatus.QUEUED, BatchStatus.RUNNING}


def statuses(batch):
    return {card.filename: str(card.status) for card in batch.cards.all()}


NAMES = ["a1.jpg", "a2.jpg", "a3.jpg", "a4.jpg", "a5.jpg", "a6.jpg"]


def test_a_started_batch_is_prepared_and_read_to_its_end(services, start_batch, scripted):
    batch = start_batch(*NAMES)
    services().wake(batch.pk)
    until(is_over(batch))
    batch.refresh_from_db()
    assert (batch.status, batch.completed, batch.pending, batch.processing) == (BatchStatus.COMPLETED, 6, 0, 0)
    assert sorted(scripted.calls) == NAMES
    for card in batch.cards.select_related("result"):
        assert card.result.values["author"] == card.filename, "each card has its own answer"
    assert Attempt.objects.count() == 6


def test_a_card_is_read_once_it_is_prepared_and_not_at_the_next_look(services, start_batch, scripted, monkeypatch):
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 600.0)
    service = services()
    until(lambda: service._scheduler._refreshed_at)
    batch = start_batch(*NAMES)
    service.wake(batch.pk)
    until(is_over(batch), 20)
    assert sorted(scripted.calls) == NAMES


def test_the_log_tells_whose_card_it_was_and_who_asked(services, start_batch, scripted):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(log_lines.JsonLine())
    handler.addFilter(log_lines.Told())
    worker.log.addHandler(handler)
    scripted.script["a.jpg"] = [ValueError("once")]
    batch = start_batch("a.jpg")
    service = services()
    with log_context.of(request="harvest-2026.1", user=7):
        service.wake(batch.pk)
    until(is_over(batch))
    worker.log.removeHandler(handler)
    line = json.loads(written.getvalue())
    told = {name: line[name] for name in log_context.FIELDS if name in line}
    assert told == {
        "request": "harvest-2026.1",
        "batch": batch.pk,
        "card": batch.cards.get().pk,
        "engine": batch.engine_id,
        "worker": service.worker.pk,
    }
    assert line["exception"]["type"] == "ValueError"


def test_a_service_that_starts_needs_no_doorbell(services, start_batch):
    batch = start_batch("a.jpg")
    services()
    until(is_over(batch))
    assert batch.cards.get().status == CardStatus.COMPLETED


def test_drafts_are_prepared_and_not_read(services, make_batch, scripted):
    batch = make_batch("a.jpg", "b.jpg")
    services()
    until(lambda: not batch.cards.filter(prepared_at=None).exists())
    assert scripted.calls == []


def test_the_folder_is_settled_and_files_follow(services, start_batch):
    batch = start_batch("a.jpg")
    services()
    until(is_over(batch))
    assert batch.cards.get().status == CardStatus.COMPLETED
    until(lambda: not Card.objects.filter(files_due=True).exists())
    results = store.results_folder(Batch.objects.get(pk=batch.pk))
    assert results.parent.name == batch.label
    assert {path.name for path in results.glob("a.jpg*")} == {"a.jpg_ocr_results.json", "a.jpg_ocr_results.txt"}
    until(lambda: (results / "batch.json").is_file())
    assert "Author: a.jpg" in (results / "a.jpg_ocr_results.txt").read_text()


def test_a_card_that_fails_three_times_fails_alone_and_a_retry_reads_it(services, start_batch, scripted):
    scripted.script["a2.jpg"] = [errors.EngineFailed("500")] * 3
    batch = start_batch(*NAMES)
    service = services()
    until(is_over(batch))
    assert statuses(batch) == dict.fromkeys(NAMES, "completed") | {"a2.jpg": "failed"}
    assert scripted.calls.count("a2.jpg") == 3
    until(lambda: store.find(batch.cards.get(filename="a2.jpg")).parent.name == "_errors")
    assert runs.retry_all(batch) == 1
    service.wake(batch.pk)
    until(lambda: Batch.objects.get(pk=batch.pk).completed == 6)
    until(lambda: not Card.objects.filter(files_due=True).exists())
    assert store.find(batch.cards.get(filename="a2.jpg")).parent.name != "_errors"


def test_a_rate_limit_rests_the_engine_and_is_no_try(services, start_batch, scripted):
    scripted.script["a1.jpg"] = [errors.RateLimited("429", retry_after=0.1)] * 5
    batch = start_batch(*NAMES)
    services()
    until(is_over(batch))
    assert Batch.objects.get(pk=batch.pk).completed == 6
    assert batch.cards.get(filename="a1.jpg").tries == 1


def test_a_refused_key_pauses_and_a_resume_goes_on(services, start_batch, scripted):
    scripted.script = {name: [errors.CredentialsRefused("The key is refused.")] for name in NAMES}
    batch = start_batch(*NAMES)
    service = services()
    until(is_over(batch))
    batch.refresh_from_db()
    assert (batch.status, batch.pause_message) == (BatchStatus.PAUSED, "The key is refused.")
    until(lambda: not Card.objects.exclude(worker=None).exists())
    assert set(statuses(batch).values()) == {"pending"}
    scripted.script = {}
    runs.resume(batch)
    service.wake(batch.pk)
    until(lambda: Batch.objects.get(pk=batch.pk).completed == 6)


def test_a_missing_engine_pauses(services, start_batch):
    def missing(config):
        raise errors.EngineMissing("The key cannot be opened.")

    batch = start_batch("a.jpg")
    services(build=missing)
    until(is_over(batch))
    assert Batch.objects.get(pk=batch.pk).pause_reason == "credentials"


def test_a_mistake_of_ours_is_tried_again_and_told(services, start_batch, scripted, caplog):
    scripted.script["a.jpg"] = [ZeroDivisionError("division by zero")] * 3
    batch = start_batch("a.jpg", "b.jpg")
    services()
    until(is_over(batch))
    card = batch.cards.get(filename="a.jpg")
    assert (card.status, card.error, card.error_message) == ("failed", "error", "ZeroDivisionError: division by zero")


def test_an_unreadable_image_fails_without_a_call(services, start_batch, scripted):
    batch = start_batch("a.jpg", "b.jpg")
    card = batch.cards.get(filename="b.jpg")
    path = store.find(card)
    path.write_bytes(path.read_bytes()[:120])
    services()
    until(is_over(batch))
    assert statuses(batch) == {"a.jpg": "completed", "b.jpg": "failed"}
    assert scripted.calls == ["a.jpg"]
    assert batch.cards.get(filename="b.jpg").error == "unreadable_image"


def hold(scripted):
    scripted.hold = threading.Event()
    return scripted.hold


def test_after_the_answer_to_cancel_no_call_starts_and_those_in_flight_are_kept(services, start_batch, scripted):
    release = hold(scripted)
    batch = start_batch(*NAMES)
    service = services(threads=2)
    until(lambda: len(scripted.calls) == 2)
    runs.cancel(batch)
    service.wake(batch.pk)
    calls = len(scripted.calls)
    release.set()
    until(lambda: not batch.cards.filter(status__in=["pending", "processing"]).exists())
    assert len(scripted.calls) == calls == 2
    batch.refresh_from_db()
    assert (batch.status, batch.completed, batch.cancelled) == (BatchStatus.CANCELLED, 2, 4)


def test_the_rest_of_a_stopped_batch_can_be_read(services, start_batch, scripted):
    batch = start_batch(*NAMES)
    runs.cancel(batch)
    assert Batch.objects.get(pk=batch.pk).cancelled == 6
    service = services()
    runs.resume(batch)
    service.wake(batch.pk)
    until(lambda: Batch.objects.get(pk=batch.pk).completed == 6)


def test_a_pause_holds_new_calls_until_the_resume(services, start_batch, scripted):
    release = hold(scripted)
    batch = start_batch(*NAMES)
    service = services(threads=2)
    until(lambda: len(scripted.calls) == 2)
    runs.pause(batch)
    service.wake(batch.pk)
    release.set()
    until(lambda: Batch.objects.get(pk=batch.pk).completed == 2)
    until(lambda: not Card.objects.exclude(worker=None).exists())
    assert len(scripted.calls) == 2
    runs.resume(batch)
    service.wake(batch.pk)
    until(lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED)
    assert len(scripted.calls) == 6


def test_an_engine_gets_no_more_calls_at_a_time_than_it_bears(services, start_batch, scripted, engine):
    Engine.objects.filter(pk=engine.pk).update(max_in_flight=3)
    release = hold(scripted)
    batch = start_batch(*NAMES)
    services(threads=6)
    until(lambda: len(scripted.calls) == 3)
    release.set()
    until(is_over(batch))
    assert scripted.most_at_once == 3


def test_the_concurrency_of_a_batch_lowers_it(services, start_batch, scripted, engine):
    Engine.objects.filter(pk=engine.pk).update(max_in_flight=4)
    batch = start_batch(*NAMES, options={"concurrency": 1})
    services(threads=6)
    until(is_over(batch))
    assert scripted.most_at_once == 1


def test_a_small_batch_behind_a_huge_one_goes_on_at_once(services, start_batch, scripted, engine):
    Engine.objects.filter(pk=engine.pk).update(max_in_flight=2)
    huge = start_batch(*[f"huge-{n}.jpg" for n in range(40)])
    service = services(threads=2)
    until(lambda: len(scripted.calls) >= 5)
    hold(scripted)
    small = start_batch("small-1.jpg", "small-2.jpg", name="Drawer 13")
    until(lambda: not small.cards.filter(prepared_at=None).exists())
    before = len(scripted.calls)
    service.wake(small.pk)
    until(lambda: small.cards.exclude(worker=None).exists())  # claimed, while both threads are busy with the huge one
    scripted.hold.set()
    until(is_over(small))
    calls = scripted.calls[before:]
    last = max(calls.index("small-1.jpg"), calls.index("small-2.jpg"))
    assert last <= 8, "they took turns with the huge one"
    until(is_over(huge))


def test_an_orderly_stop_finishes_what_is_in_flight_and_gives_the_rest_back(services, start_batch, scripted):
    release = hold(scripted)
    batch = start_batch(*NAMES)
    service = services(threads=2)
    until(lambda: len(scripted.calls) == 2)
    stopping = threading.Thread(target=service.stop)
    stopping.start()
    release.set()
    stopping.join(20)
    batch.refresh_from_db()
    assert (batch.completed, batch.pending, batch.processing) == (2, 4, 0)
    assert not Card.objects.exclude(worker=None).exists()
    assert not Worker.objects.exists()
    assert scripted.closed
    services()
    until(is_over(batch))
    assert sorted(scripted.calls) == NAMES, "nothing was paid for twice"


def test_a_stop_gives_back_what_takes_too_long(services, start_batch, scripted):
    hold(scripted)
    batch = start_batch("a.jpg")
    service = services()
    until(lambda: scripted.calls)
    service.stop(1.0)
    service.stop(1.0)
    batch.refresh_from_db()
    assert (service.is_stopped, batch.pending, batch.processing) == (True, 1, 0)
    assert batch.cards.get().crashes == 0


def test_cards_of_a_worker_that_died_are_read_at_once(services, start_batch, scripted):
    batch = start_batch(*NAMES)
    now = timezone.now()
    dead = Worker.objects.create(uid="dead", host="elsewhere", pid=1, started_at=now, seen_at=now)
    Worker.objects.filter(pk=dead.pk).update(seen_at=now - 2 * claims.LEASE)
    Card.objects.update(prepared_at=now)
    claims.take(batch.pk, dead, 6)
    services()
    until(is_over(batch))
    assert Batch.objects.get(pk=batch.pk).completed == 6
    assert not Worker.objects.filter(pk=dead.pk).exists()


def test_an_engine_in_the_process_is_called_only_once_its_start_is_written(services, start_batch):
    seen = []

    class Watching(Scripted):
        def read(self, image, task):
            seen.append(str(Card.objects.get(filename=image.path.name).status))
            return super().read(image, task)

    batch = start_batch("a.jpg", "b.jpg")
    services(adapter=Watching(in_process=True))
    until(is_over(batch))
    assert seen == ["processing", "processing"]


def test_a_card_that_kills_its_process_fails_alone(services, start_batch):
    batch = start_batch("deadly.jpg", "fine.jpg", "broken.jpg", options={"retries": 0})
    Card.objects.update(crashes=2)
    services(build=deadly)
    until(is_over(batch), 60)
    assert statuses(batch) == {"deadly.jpg": "failed", "fine.jpg": "completed", "broken.jpg": "failed"}
    cards = {card.filename: card for card in batch.cards.select_related("result")}
    assert cards["deadly.jpg"].error == "engine_crashed"
    assert (cards["broken.jpg"].error, cards["broken.jpg"].error_message) == ("engine_failed", "out of order")
    assert Attempt.objects.get(card=cards["broken.jpg"]).tokens_in == 3
    assert cards["fine.jpg"].result.values["author"] == "fine.jpg"


def test_run_here_drains_one_batch_and_tells_each_change(start_batch, scripted):
    batch, other = start_batch(*NAMES), start_batch("other.jpg", name="Other")
    seen = []
    run_here(batch, on_change=seen.append, engines=Engines(lambda config: scripted))
    assert seen[-1].status == BatchStatus.COMPLETED
    assert [one.version for one in seen] == sorted({one.version for one in seen})
    assert Batch.objects.get(pk=other.pk).status == BatchStatus.QUEUED
    assert not Card.objects.filter(batch=batch, files_due=True).exists()
    assert not Worker.objects.exists()


def test_run_here_works_beside_a_consumer(services, start_batch, scripted):
    batch = start_batch(*NAMES)
    services()
    run_here(batch, on_change=lambda batch: None, engines=Engines(lambda config: scripted))
    assert Batch.objects.get(pk=batch.pk).completed == 6
    assert sorted(scripted.calls) == NAMES


def test_run_here_gives_back_on_an_interrupt(start_batch, scripted):
    batch = start_batch(*NAMES)

    release = hold(scripted)

    def interrupt(batch):
        if batch.processing:
            release.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_here(batch, on_change=interrupt, engines=Engines(lambda config: scripted))
    assert not Card.objects.exclude(worker=None).exists()
    assert not Card.objects.filter(status=CardStatus.PROCESSING).exists()


def test_a_process_has_one_service_however_many_ask(transactional_db, monkeypatch):
    monkeypatch.setattr(service_module, "_service", None)
    found = []
    asking = [threading.Thread(target=lambda: found.append(service_module.service())) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert gc.get_freeze_count() > 10_000, "what is loaded is not looked through while cards are read"
    gc.unfreeze()
    service_module.stop()
    assert found[0].is_stopped


def test_a_rotation_found_turns_the_images_and_is_kept(services, start_batch, scripted, monkeypatch):
    batch = start_batch("a.jpg", "b.jpg")
    Card.objects.filter(filename="b.jpg").update(rotation=90)

    class Turning(Scripted):
        def read(self, image, task):
            return replace(super().read(image, task), rotation=180)

    services(adapter=Turning(full_resolution=True))
    until(is_over(batch))
    assert set(batch.cards.values_list("rotation", flat=True)) == {180}
    assert store.derived(batch.cards.first(), "thumb").is_file()


def test_an_engine_that_was_given_a_turned_image_turns_it_further(services, start_batch):
    batch = start_batch("a.jpg")
    Card.objects.update(rotation=90)

    class Upright(Scripted):
        def read(self, image, task):
            return replace(super().read(image, task), rotation=image.rotation)

    services(adapter=Upright(full_resolution=False))
    until(is_over(batch))
    assert batch.cards.get().rotation == 90


def test_a_reading_is_kept_where_the_images_cannot_be_turned(services, start_batch, monkeypatch, caplog):
    def full(card, rotation):
        raise OSError("No space left on device")

    monkeypatch.setattr(worker.derive, "turn", full)
    batch = start_batch("a.jpg")

    class Turning(Scripted):
        def read(self, image, task):
            return replace(super().read(image, task), rotation=90)

    services(adapter=Turning())
    until(is_over(batch))
    assert (batch.cards.get().status, batch.cards.get().rotation) == ("completed", 90)


def test_a_start_that_was_refused_makes_no_call(services, start_batch, scripted, monkeypatch):
    scripted.in_process = True
    refusing = [True]
    write = service_module.Collector._start

    def refuse_once(self, group, starts):
        if refusing and starts:
            refusing.clear()
            for start in starts:
                start.refused = True
            return
        write(self, group, starts)

    monkeypatch.setattr(service_module.Collector, "_start", refuse_once)
    batch = start_batch("a.jpg")
    services()
    until(is_over(batch))
    assert batch.cards.get().status == CardStatus.COMPLETED
    assert scripted.calls == ["a.jpg"]
    assert Attempt.objects.count() == 1


def test_front_and_back_are_read_as_one_card_and_each_is_turned(services, make_batch, user):
    batch = make_batch("a.jpg", "b.jpg")
    front, back = batch.cards.order_by("pk")
    front.back = CardScan.objects.create(card=front, role=CardScan.Role.BACK, **back.as_scan())
    front.save()
    with changes.locked(batch) as change:
        change.remove_cards([back])
    seen = []

    class Turning(Scripted):
        def read(self, image, task):
            seen.append((image.path.name, image.back and image.back.path.name))
            return replace(super().read(image, task), rotation=90, back_rotation=270)

    runs.start(batch, user)
    services(adapter=Turning(full_resolution=True))
    until(is_over(batch))
    card = batch.cards.select_related("back").get()
    assert seen == [("a.jpg", "b.jpg")]
    assert [scan.rotation for scan in card.sides] == [90, 270]
    assert all(store.derived(scan, "thumb").is_file() for scan in card.sides)
    assert Batch.objects.get(pk=batch.pk).completed == 1
