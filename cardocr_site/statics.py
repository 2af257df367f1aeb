"""Styles, scripts and icons, collected and compressed where the web process serves them from."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

MARK = ".collected"


def collect() -> None:
    """Again only where one of them has changed: compressing them was half of a start's work."""
    root = Path(settings.STATIC_ROOT)
    mark, now = root / MARK, _fingerprint()
    if mark.is_file() and mark.read_text() == now:
        return
    mark.unlink(missing_ok=True)  # whoever stops us now leaves half of them
    call_command("collectstatic", interactive=False, verbosity=0)
    mark.write_text(now)


def _fingerprint() -> str:
    """Of what is collected, and of what treats it."""
    told = [f"{name} {version(name)}" for name in ("django", "whitenoise")]
    told.append(f"{settings.STATIC_URL} {settings.STORAGES['staticfiles']}")
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            told.append(f"{path} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
