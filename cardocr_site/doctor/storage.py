"""The data folder: can it be written, is there room, what lies there that nobody knows, and are images opened."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from batches.drain import inbox
from batches.drain.sweeper import PARTS_AFTER
from batches.intake import decoders as intake
from batches.intake import durable, store
from batches.intake import strays as found
from batches.intake.unreachable import Unreachable
from cardocr_site import mounts
from cardocr_site.accounts.models import User
from cardocr_site.doctor.told import Told, failed, fine, some, warning
from ocr.errors import UnreadableImage
from ocr.probe import drawn

CLOCK = 60.0  # seconds that two clocks may differ; an answer may take some
SLOW = 1.0  # seconds for a small file to be on the disk


def writable() -> Iterator[Told]:
    about = _("data folder")
    probe = store.part()
    begun = time.monotonic()
    try:
        durable.write({probe: b"doctor"}, probe.parent)
        came_back = probe.read_bytes() == b"doctor"
        probe.unlink()
    except OSError as error:
        yield failed(
            about,
            _("%(folder)s cannot be written: %(why)s") % {"folder": settings.DATA_DIR, "why": error.strerror or error},
            _("It must belong to the account that cardocr runs as, on a disk that is not full."),
        )
        return
    seconds = time.monotonic() - begun
    if not came_back:
        yield failed(
            about,
            _("A file that was written came back changed."),
            _("Do not go on: have the disk looked at. Keep a copy of the data folder."),
        )
    elif seconds > SLOW:
        yield warning(
            about,
            _("It took %(n).1f s until a small file was on the disk.") % {"n": seconds},
            _("Is it a network drive, or a disk about to fail? Put the data folder on a disk of this machine."),
        )
    else:
        yield fine(about, _("%(folder)s can be written, renamed and synced.") % {"folder": settings.DATA_DIR})


def network() -> Iterator[Told]:
    """Scans may lie on a file system over a network, the embedded database not."""
    kind = mounts.network_type(Path(settings.DATA_DIR))
    if kind and connection.vendor == "sqlite":
        yield failed(
            _("data folder"),
            _("It lies on a file system over a network (%(kind)s), where the embedded database would be damaged.")
            % {"kind": kind},
            _("Put it on a disk of this machine (CARDOCR_DATA_DIR), or the rows into a PostgreSQL (DATABASE_URL)."),
        )


def scans() -> Iterator[Told]:
    """Where they lie as objects."""
    if not settings.FILES_URL:
        return
    about = _("object storage")
    begun = time.monotonic()
    try:
        ahead = store.probe()
    except Unreachable as error:
        advice = _("See CARDOCR_FILES_… in docs/operating.md. Batches wait, and go on by themselves when it answers.")
        yield failed(about, error.message, advice)
        return
    values = {"url": settings.FILES_URL, "seconds": time.monotonic() - begun, "n": abs(ahead)}
    if abs(ahead) > CLOCK:
        yield warning(
            about,
            _("Its clock and that of this machine differ by %(n).0f s; at 15 minutes it refuses everything.") % values,
            _("Let the clock of this machine be set by NTP."),
        )
    else:
        yield fine(
            about, _("%(url)s: an object was written, read back, listed and deleted in %(seconds).1f s.") % values
        )


def space() -> Iterator[Told]:
    free = shutil.disk_usage(settings.DATA_DIR).free
    told = _("%(n).1f GB are free.") % {"n": free / 1e9}
    advice = _("Make room: empty the trash, delete batches that nobody needs, or move the data folder.")
    if free <= settings.MIN_FREE_BYTES:
        refused = _("No file is taken any more (CARDOCR_MIN_FREE_MB is %(n)d).")
        yield failed(_("disk space"), f"{told} {refused % {'n': settings.MIN_FREE_BYTES // 1_000_000}}", advice)
    elif free < settings.LOW_DISK_BYTES:
        yield warning(_("disk space"), told, advice)
    else:
        yield fine(_("disk space"), told)


def watched_inbox() -> Iterator[Told]:
    about = _("watched inbox")
    try:
        owner = inbox.owner()
    except User.DoesNotExist:
        if settings.INBOX_OWNER:
            yield failed(
                about,
                _("There is no active person called “%(name)s” to own what comes from it.")
                % {"name": settings.INBOX_OWNER},
                _("Set CARDOCR_INBOX_OWNER to a user name, or leave it out: an administrator owns it then."),
            )
        else:
            yield warning(
                about,
                _("There is no administrator to own what comes from it."),
                _("Start “manage.py serve” once, or make one by “manage.py createsuperuser”."),
            )
        return
    folder = Path(settings.INBOX_DIR)
    folders = [folder, *(Path(entry) for entry in os.scandir(folder) if entry.is_dir())] if folder.is_dir() else []
    closed = [str(path) for path in folders if not os.access(path, os.R_OK | os.W_OK | os.X_OK)]
    if closed:
        yield failed(
            about,
            _("Files cannot be taken out of %(names)s.") % {"names": some(closed)},
            _("They must be readable and writable for the account that cardocr runs as."),
        )
    else:
        yield fine(about, _("%(folder)s; %(name)s owns what comes from it.") % {"folder": folder, "name": owner})


def decoders() -> Iterator[Told]:
    """A drawn image goes the way of a scan: opened in the child program, made smaller there."""
    about = _("opening images")
    source, made = store.part(), store.part()
    pool = intake.Pool(1, settings.MAX_IMAGE_PIXELS)
    try:
        source.write_bytes(drawn.card(640).jpeg)
        inspected = pool.inspect(source)
        pool.derive(source, 1, [intake.Target(str(made), f"{made}.part", 320)])
        opened = inspected.format == "JPEG" and made.stat().st_size > 0
    except (UnreadableImage, OSError) as error:
        opened, told = False, str(error)
    else:
        told = ""
    finally:
        pool.close()
        source.unlink(missing_ok=True)
        made.unlink(missing_ok=True)
    if opened:
        yield fine(about, _("A drawn image was opened and made smaller in the child program."))
    else:
        yield failed(
            about,
            _("A sound image cannot be opened: %(told)s") % {"told": told},
            _("Install cardocr again (make install). May this account start programs, and use 1 GB of memory?"),
        )


def leftovers() -> Iterator[Told]:
    """Uploads that broke off are cleared away after a day, by the consumer."""
    about = _("broken-off uploads")
    old = [part for part in store.parts() if time.time() - part.stat().st_mtime > PARTS_AFTER + 3600]
    if old:
        yield warning(
            about,
            _("%(n)s files are older than a day.") % {"n": len(old)},
            _("The running consumer clears them away within an hour; without one they stay."),
        )
    else:
        yield fine(about, _("None that is older than a day."))


def strays() -> Iterator[Told]:
    about = _("files without a row")
    lost = [*found.folders(), *found.files()]
    if lost:
        names = some([str(path.relative_to(settings.DATA_DIR)) for path in lost])
        yield warning(
            about,
            _("%(n)s lie there that no card knows: %(names)s") % {"n": len(lost), "names": names},
            _("Look at them. What nobody needs may be deleted by hand; cardocr never does it."),
        )
    else:
        yield fine(about, _("None."))


def missing() -> Iterator[Told]:
    about = _("scans of cards")
    gone = [f"{batch.name}: {source}" for batch, source in found.missing()]
    if gone:
        yield failed(
            about,
            _("%(n)s are gone: %(names)s") % {"n": len(gone), "names": some(gone)},
            _("Bring them back from a backup, into the batch's folder under the same name."),
        )
    else:
        yield fine(about, _("All there."))
