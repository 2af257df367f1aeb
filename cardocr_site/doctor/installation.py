"""Settings, and the channel layer."""

import asyncio
import os
import stat
from collections.abc import Iterator
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.utils.translation import gettext as _

from cardocr_site.doctor.told import Told, failed, fine, warning
from cardocr_site.public import LOOPBACK
from ocr import sealing

SHORTEST = 50  # characters of the secret key
ANSWERS_WITHIN = 5.0  # seconds


def secrets() -> Iterator[Told]:
    about = _("secret keys")
    open_to_others = []
    for name in ("secret-key", "encryption-key"):
        path = settings.DATA_DIR / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            open_to_others.append(name)
    if open_to_others:
        yield warning(
            about,
            _("Other accounts of this machine may read: %(files)s.") % {"files": ", ".join(open_to_others)},
            _("In the data folder: chmod 600 %(files)s") % {"files": " ".join(open_to_others)},
        )
    if len(settings.SECRET_KEY) < SHORTEST:
        yield warning(
            about,
            _("CARDOCR_SECRET_KEY is short: sessions could be forged."),
            _("Remove the setting, and one is made; people sign in once more."),
        )
    try:
        sealing.keys()
    except ValueError:
        yield failed(
            about,
            _("CARDOCR_ENCRYPTION_KEY is no key: the keys of engines can neither be kept nor opened."),
            _("Set it to the content of data/encryption-key, or remove the setting and enter the engines' keys again."),
        )
        return
    if not open_to_others and len(settings.SECRET_KEY) >= SHORTEST:
        yield fine(about, _("There, and for this account alone."))


def address() -> Iterator[Told]:
    about = _("web address")
    urls = ", ".join(settings.PUBLIC_URLS)
    hosts = {urlsplit(url).hostname for url in settings.PUBLIC_URLS}
    if settings.SITE.secure:
        yield fine(about, _("%(urls)s, by https.") % {"urls": urls})
    elif hosts <= {host.strip("[]") for host in LOOPBACK}:
        yield fine(about, _("%(urls)s: for this machine alone.") % {"urls": urls})
    else:
        yield warning(
            about,
            _("%(urls)s is not https: passwords travel for everybody to read.") % {"urls": urls},
            _("Put a proxy with a certificate in front and set CARDOCR_URL to its address (docs/operating.md)."),
        )


def debug() -> Iterator[Told]:
    if settings.DEBUG:
        yield warning(
            _("debug mode"),
            _("It is on: error pages show the inside of the program to everybody."),
            _("Remove CARDOCR_DEBUG."),
        )
    else:
        yield fine(_("debug mode"), _("It is off."))


def channel_layer() -> Iterator[Told]:
    about = _("channel layer")
    try:
        arrived = async_to_sync(_there_and_back)()
    except Exception as error:  # of the layer's own kind, which need not be installed
        arrived, said = False, str(error)
    else:
        said = ""
    if arrived:
        yield fine(about, _("A message arrived; live pages can be told of changes."))
    else:
        yield failed(
            about,
            _("No message arrives: live pages are late. %(said)s") % {"said": said},
            _("Is the server of REDIS_URL running?"),
        )


async def _there_and_back() -> bool:
    layer = get_channel_layer()
    if layer is None:
        return False
    name = await layer.new_channel()
    sent = {"type": "doctor.hello", "pid": os.getpid()}
    async with asyncio.timeout(ANSWERS_WITHIN):
        await layer.send(name, sent)
        return bool(await layer.receive(name) == sent)
