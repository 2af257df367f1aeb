"""What sets the consumer's connection apart from that of the web process."""

import copy

import pytest
from django.conf import settings
from django.db import connections

from cardocr_site.consumer import relax


def synchronous() -> int:
    with connections["default"].cursor() as cursor:
        return int(cursor.execute("PRAGMA synchronous").fetchone()[0])


@pytest.mark.django_db
@pytest.mark.embedded
def test_the_web_process_waits_for_the_disk():
    assert synchronous() == 2


@pytest.mark.embedded
def test_the_consumer_does_not():
    database = copy.deepcopy(settings.DATABASES["default"])
    relax(database)
    assert "synchronous=NORMAL" in database["OPTIONS"]["init_command"]
    assert "synchronous=FULL" not in database["OPTIONS"]["init_command"]
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
