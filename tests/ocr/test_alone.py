import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ocr import alone, errors
from ocr.engines.base import CALLS_LONG, EngineConfig, Prepared, ReadTask, gated
from ocr.fields import FieldSpec
from ocr.reading import FieldReading, Reading, Usage

TASK = ReadTask(fields=(FieldSpec(key="author", label="Author"),))
CONFIG = EngineConfig(kind="test", name="test")


class Adapter:
    """What happens is said by the image's name."""

    full_resolution = in_process = True

    def read(self, image, task):
        if image.path.name == "deadly":
            os._exit(9)
        if image.path.name == "hanging":
            threading.Event().wait()
        if image.path.name == "broken":
            raise errors.RateLimited("slow down", raw="{}", usage=Usage(3, 1), retry_after=7.0)
        with alone.sending():
            pass
        return Reading(fields={"author": FieldReading("Grieg", "Grieg")}, raw=str(os.getpid()))

    def close(self):
        return None


def build(config):
    return Adapter()


def read(name, stopping=None, config=CONFIG):
    image = Prepared(Path(name), "image/jpeg", 10, 10)
    return alone.read(image, TASK, config, build, stopping or threading.Event())


def test_the_reading_comes_from_another_process():
    reading = read("fine")
    assert reading.fields["author"].value == "Grieg"
    assert int(reading.raw) != os.getpid()


def test_an_error_of_the_engine_comes_back_whole():
    with pytest.raises(errors.RateLimited) as caught:
        read("broken")
    assert (caught.value.message, caught.value.retry_after, caught.value.usage.tokens_in) == ("slow down", 7.0, 3)


def test_a_card_that_kills_the_child_twice_is_told_by_name():
    with pytest.raises(errors.EngineCrashed):
        read("deadly")


def test_a_child_that_hangs_counts_as_dead(monkeypatch):
    monkeypatch.setattr(alone, "LONGEST", 0.0)
    monkeypatch.setattr(alone, "START", -CALLS_LONG * CONFIG.timeout)
    with pytest.raises(errors.EngineCrashed):
        read("hanging")


def test_a_stop_ends_the_child():
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(errors.CallWithheld):
        read("hanging", stopping)


def test_the_child_passes_the_parents_gate():
    def closed():
        raise errors.CallWithheld

    with gated(closed), pytest.raises(errors.CallWithheld):
        read("fine")


def test_a_child_has_the_time_that_its_engine_gives_a_card(monkeypatch):
    given = []
    monkeypatch.setattr(alone, "_converse", lambda _ours, _stopping, longest: given.append(longest))
    for seconds in (120.0, 1000.0):
        read("fine", config=replace(CONFIG, timeout=seconds))
    assert given == [alone.LONGEST, CALLS_LONG * 1000.0 + alone.START]
