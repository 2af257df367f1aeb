"""Whether this installation is sound: one check after the other, each with what it means and what to do.

A check never raises: what breaks is its answer. Nothing here tells a key, a password or a proxy's address.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from cardocr_site.doctor import engines, installation, records, signing_in, storage
from cardocr_site.doctor.told import Told, failed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`calls`: whether engines may be asked what costs money. `engine`: this one alone, by name."""

    calls: bool = True
    engine: str = ""


def examine(wanted: Wanted | None = None) -> Iterator[Told]:
    """Takes as long as the engines' tests. Without a database, what needs one is not asked."""
    wanted = wanted or Wanted()
    for check in (installation.secrets, installation.address, installation.debug, installation.channel_layer):
        yield from _asked(check)
    database = list(_asked(records.database))
    yield from database
    sound = all(told.is_good for told in database)
    for check in (
        signing_in.directory,
        storage.writable,
        storage.network,
        storage.scans,
        storage.space,
        storage.decoders,
    ):
        yield from _asked(check)
    if sound:
        lying = (storage.watched_inbox, storage.leftovers, storage.strays, storage.missing)
        for check in (records.queue, records.consumer, records.time_of_day, *lying):
            yield from _asked(check)
        yield from _asked(lambda: engines.tests(calls=wanted.calls, only=wanted.engine))


def _asked(check: Callable[[], Iterator[Told]]) -> Iterator[Told]:
    try:
        yield from check()
    except Exception as error:
        log.debug("A check of the doctor broke.", exc_info=True)
        about = getattr(check, "__name__", "").replace("_", " ") or "engines"
        told = {"kind": type(error).__name__, "error": str(error)[:200]}
        yield failed(
            about,
            _("The check itself broke: %(kind)s: %(error)s") % told,
            _("Check whether this account may read and write the data folder; otherwise tell whoever looks after it."),
        )
