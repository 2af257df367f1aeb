"""In a process of its own on the site's data folder: people, a read batch to review, drafts that will run.

`python -m benchmarks.load.filling '{"people": 50, …}'` prints what was made as JSON on its last line.
"""

import json
import sys
from typing import Any

from benchmarks import common, filling


def fill(wanted: dict[str, Any]) -> dict[str, Any]:
    from cardocr_site.accounts.models import User

    people = [
        User(username=f"person{n}", first_name="Person", last_name=str(n), role=User.Role.OPERATOR, password="!")
        for n in range(wanted["people"])
    ]
    User.objects.bulk_create(people)
    people = list(User.objects.filter(username__startswith="person").order_by("pk"))
    read = filling.fill(1, wanted["cards"], check_every=2)
    picture = common.scan(0)
    running = []
    for _ in range(wanted["running"]):
        draft = common.draft(wanted["each"], wanted["endpoint"], wanted["threads"], picture)
        type(draft).objects.filter(pk=draft.pk).update(owner=people[0])
        running.append(draft.pk)
    return {
        "each": wanted["each"],
        "people": [session(person) for person in people],
        "read": read[0],
        "running": running,
    }


def session(person: Any) -> tuple[str, str]:
    """The cookie of one who is signed in: fifty sign-ins at once from one address are slowed down, as they should."""
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(person)
    name: str = settings.SESSION_COOKIE_NAME
    return name, client.cookies[name].value


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(fill(json.loads(sys.argv[1]))))
