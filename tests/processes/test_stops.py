"""Orderly stops while the endpoint says nothing, and `extract` that is stopped or killed and goes on."""

import csv
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import vlm_server
from tests.processes.test_kills import AT_A_TIME, batch_of, consumer, grown, make_batch, rows, site_of, variables
from tests.site.processes import ROOT, environment, with_tables
from tests.waiting import until

pytestmark = pytest.mark.processes

NUMBER, ANSWERED = 12, 4


@contextmanager
def extract(data: Path, server: vlm_server.Server, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "manage.py", "extract", *arguments, "--out", str(data / "out.csv")],
        cwd=ROOT,
        env=environment(data, **variables(server)),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def goes_on(data: Path, server: vlm_server.Server, name: str) -> bool:
    """The batch is read to its end: every card has its own answer."""
    with extract(data, server, "--resume", name) as process:
        _out, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    return authors(data) == [f"author {number}" for number in range(NUMBER)]


def drawer(folder: Path) -> Path:
    folder.mkdir()
    for number in range(NUMBER):
        (folder / f"{number}.jpg").write_bytes(vlm_server.card_image(number, (160, 120)))
    return folder


def authors(data: Path) -> list[str]:
    with (data / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["author"] for row in csv.DictReader(file)]


def label_in(told: str) -> str:
    found = re.search(r"--resume (\S+)", told)
    assert found is not None, told
    return found[1]


def test_consumer_and_extract_stop_within_thirty_seconds_though_the_endpoint_never_answers(tmp_path):
    with vlm_server.running() as silent, vlm_server.running() as mute:
        for server in (silent, mute):
            server.fail(lambda image: vlm_server.number(image) >= ANSWERED, "timeout")
        first, second = site_of(tmp_path / "first", silent), site_of(tmp_path / "second", mute)
        pk = make_batch(first, silent, NUMBER)
        scans = str(drawer(tmp_path / "drawer"))
        with consumer(first, silent) as process, extract(second, mute, scans, "--fields", "author") as alone:
            until(lambda: silent.in_flight == mute.in_flight == AT_A_TIME, 60)
            for one in (process, alone):
                one.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            _out, told = alone.communicate(timeout=60)
            assert process.wait(60) == 0
            assert time.monotonic() - begun < 30
        assert alone.returncode == 130, told
        for data, number, server in ((first, pk, silent), (second, 1, mute)):
            after = batch_of(data, number)
            assert (after["status"], after["processing"], after["failed"]) == ("running", 0, 0)
            assert rows(data, "SELECT max(tries), max(crashes), count(worker_id) FROM batches_card") == [(1, 0, 0)]
            assert len(server.calls) == after["completed"] + AT_A_TIME, "no other call was begun"
        mute.heal()
        assert goes_on(second, mute, label_in(told))
        assert len(mute.calls) == NUMBER + AT_A_TIME, "those that were never answered were asked again, no others"


def test_extract_that_was_killed_goes_on_with_what_it_had_not_read(tmp_path):
    data = with_tables(tmp_path / "data")
    with vlm_server.running(delay=0.3) as server:
        with extract(data, server, str(drawer(tmp_path / "drawer")), "--fields", "author") as process:
            until(grown(server, 0, 7), 60)
            process.kill()
            _out, told = process.communicate(timeout=30)
        ((uid,),) = rows(data, "SELECT uid FROM batches_batch WHERE label = ?", label_in(told))
        assert goes_on(data, server, uid)
        calls = Counter(call.card for call in server.calls)
    assert max(calls.values()) <= 2
    assert calls.total() <= NUMBER + AT_A_TIME
