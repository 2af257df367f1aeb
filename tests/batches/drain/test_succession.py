"""A process that finds a newer program's tables ends, before it does anything else."""

import os
import signal
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from batches.drain import presence, succession, sweeper, watch

pytestmark = pytest.mark.django_db


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(succession.os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


def record(app: str, name: str) -> None:
    MigrationRecorder(connection).record_applied(app, name)


@pytest.mark.parametrize("round_", ["consumer", "web"])
def test_each_process_ends_once_the_tables_are_a_newer_ones(signals: list[Any], round_: str, settings: Any, tmp_path):
    settings.DATA_DIR = tmp_path
    look = sweeper.Sweeper(presence.Presence().worker).sweep if round_ == "consumer" else watch.Watch().look
    look()
    assert signals == []
    record("batches", "9999_later")
    look()
    assert signals == [(os.getpid(), signal.SIGTERM)]


def test_what_other_programs_keep_in_the_same_database_is_theirs(signals: list[Any]):
    record("catalogue", "0001_initial")
    succession.look()
    assert signals == []
