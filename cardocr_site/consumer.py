"""The consumer process: huey, which reads the cards. `python -m cardocr_site.consumer`."""

import os
from typing import Any

from cardocr_site import lifeline

NICENESS = 10  # pages are answered first


def run() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    # What the consumer writes last is read again after a power cut; what a person was told is saved is not.
    options: dict[str, Any] = settings.DATABASES["default"]["OPTIONS"]  # type: ignore[assignment]
    options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=NORMAL")
    call_command("run_huey")


if __name__ == "__main__":
    lifeline.hold()
    os.nice(NICENESS)
    run()
