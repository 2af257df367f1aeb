"""The menu of each row of the list of batches."""

from collections.abc import Callable

import pytest
from django.test import Client

from batches.live import listing
from batches.models import Batch, Card
from batches.states import BatchStatus
from cardocr_site.accounts.models import User

READ = ("Open", "Cards", "Review", "Export")
CHANGE = ("Continue in a new batch", "Settings", "Move to the trash…")


@pytest.fixture
def done(batch: Batch, make_cards: Callable[..., list[Card]]) -> Batch:
    make_cards(1)
    Batch.objects.update(status=BatchStatus.COMPLETED, completed=1, total=1, collection="Music")
    batch.refresh_from_db()
    return batch


def items(page: str) -> list[str]:
    menu = page[page.index('class="rowmenu"') :]
    parts = menu[: menu.index("</div>")].split('class="menu__item')[1:]
    return [part.partition(">")[2].partition("<")[0] for part in parts]


@pytest.mark.parametrize("address", ["/batches/", "/collections/Music/"])
def test_the_owner_has_everything_others_what_they_may(
    client: Client, user: User, other_user: User, done: Batch, address: str
) -> None:
    client.force_login(user)
    page = client.get(address).text
    assert items(page) == [*READ, *CHANGE]
    assert f'popovertarget="batch-{done.pk}-menu"' in page
    assert f'form="card-action" formaction="/batches/{done.pk}/continue/"' in page
    client.force_login(other_user)
    assert items(client.get(address).text) == [*READ]


def test_a_draft_is_not_reviewed(client: Client, user: User, batch: Batch) -> None:
    client.force_login(user)
    assert items(client.get("/batches/").text) == ["Add scans", "Fields", "Settings", "Move to the trash…"]


def test_a_row_that_comes_live_has_the_menu_of_its_viewer(
    client: Client, user: User, other_user: User, done: Batch
) -> None:
    for person, expected in ((user, [*READ, *CHANGE]), (other_user, [*READ])):
        client.force_login(person)
        polled = client.get("/batches/live/", {"rows": str(done.pk)}).json()
        assert items(polled["rows"][0]["html"]) == expected
    owner, guest = (listing.shelf(one, (done.pk,), "en") for one in (user, other_user))
    sheets = listing.draw({owner, guest})
    assert "Move to the trash" in (sheets[owner].text or "")
    assert "Move to the trash" not in (sheets[guest].text or "")
