"""Runs in a process of its own on a site's data folder: opens every page and export of its batches, tells what came."""

import json
import os
import sys

import django


def look() -> dict[str, int]:
    from django.conf import settings
    from django.test import Client

    from batches.models import Batch
    from cardocr_site.accounts.models import User
    from tests.site import everywhere

    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # nobody has collected them
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    client = Client(HTTP_HOST="127.0.0.1:8000", raise_request_exception=False)
    client.force_login(User.objects.get(username="admin"))
    found = {}
    for batch in Batch.objects.all():
        for path in everywhere.pages(batch, ("",)) if batch.name == "Drawer 13" else ():
            response = client.get(path)
            everywhere.content(response)
            found[path] = response.status_code
        for form in ("csv", "json", "xlsx", "txt"):
            path = f"/batches/{batch.pk}/export/download/?format={form}"
            response = client.get(path)
            found[path] = response.status_code if everywhere.content(response) else 0
    return found


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "cardocr_site.settings"
    django.setup()
    json.dump(look(), sys.stdout)
