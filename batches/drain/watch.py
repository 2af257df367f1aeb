"""Administrators are told when the disk fills up, and when nobody reads: by the web process, since a consumer that is
gone tells nothing. And the web process ends where its tables were changed.
"""

import shutil
import time

from django.conf import settings

from batches import news
from batches.drain import succession
from batches.drain.mailing import Mailing
from batches.drain.threads import Rounds
from batches.models import News
from batches.queries import consumers

EVERY = 10.0  # seconds
PATIENCE = 60.0  # a start or a restart takes a while
SLACK = 1.1  # so much more must be free until that is told: it shall not go to and fro


class Watch(Rounds):
    def __init__(self) -> None:
        super().__init__("watch", self.look, EVERY)
        self._mailing = Mailing()
        self._disk = ""
        self._alone_since: float | None = None

    def look(self) -> None:
        succession.look()
        free = shutil.disk_usage(settings.DATA_DIR).free
        self._disk = _disk(free, self._disk)
        news.server(News.Kind.DISK, self._disk, free=free)
        self._look_for_a_consumer()

    def _look_for_a_consumer(self) -> None:
        """The start of an outage is of this process: where none waited before, nobody was missed."""
        waiting = 0 if consumers.lives() else consumers.waiting()
        if not waiting:
            self._alone_since = None
            if consumers.lives():
                news.server(News.Kind.CONSUMER, "")
            return
        if self._alone_since is None:
            self._alone_since = time.monotonic()
        if time.monotonic() - self._alone_since >= PATIENCE:
            news.server(News.Kind.CONSUMER, news.GONE, batches=waiting)
        self._mailing.mail_all(News.objects.filter(batch=None))  # what is left to mail, the consumer mails


def _disk(free: int, before: str) -> str:
    if free <= settings.MIN_FREE_BYTES * (SLACK if before == news.FULL else 1):
        return news.FULL
    if free < settings.LOW_DISK_BYTES * (SLACK if before else 1):
        return news.NEARLY_FULL
    return ""
