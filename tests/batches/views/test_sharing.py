"""Who may see a batch, said by its owner on its settings page; what each role is shown then."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from batches.models import Activity, Batch, BatchShare, Card
from batches.templatetags.activity_words import detail
from cardocr_site.accounts.models import User
from templates_app import versions
from tests.batches.reading import give_result, stored


@pytest.fixture
def group(other_user: User) -> Group:
    """Magnus's."""
    group = Group.objects.create(name="Catalogue")
    other_user.groups.add(group)
    return group


def share(client: Client, batch: Batch, **sent: str) -> int:
    return client.post(reverse("batch_share", args=[batch.pk]), sent).status_code


def test_a_batch_is_shared_with_everybody_and_with_groups(ingrid: Client, batch: Batch, group: Group) -> None:
    field = f"group-{group.pk}"
    page = ingrid.get(reverse("batch_settings", args=[batch.pk])).text
    assert f'name="{field}"' in page
    assert share(ingrid, batch, everybody="none", **{field: "edit"}) == 302
    batch.refresh_from_db()
    assert (batch.everybody, batch.version) == ("none", 1)
    assert list(batch.shares.values_list("group", "edit")) == [(group.pk, True)]
    share(ingrid, batch, everybody="none", **{field: "read"})
    assert list(batch.shares.values_list("group", "edit")) == [(group.pk, False)]
    share(ingrid, batch, everybody="edit", **{field: "none"})
    assert not batch.shares.exists()
    said = [detail(entry) for entry in Activity.objects.filter(kind="sharing").order_by("pk")]
    assert said == [
        "Everybody: may not see it · Catalogue: may edit it",
        "Everybody: may not see it · Catalogue: may see it",
        "Everybody: may edit it",
    ]


def test_shared_as_it_was_is_no_change(ingrid: Client, batch: Batch, group: Group) -> None:
    BatchShare.objects.create(batch=batch, group=group, edit=True)
    share(ingrid, batch, everybody="read", **{f"group-{group.pk}": "edit"})
    share(ingrid, batch, everybody="read")  # a group that is not sent keeps what it has
    batch.refresh_from_db()
    assert (batch.version, batch.shares.get().edit) == (0, True)
    assert not Activity.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"everybody": "all"}, {"everybody": "read", "group-": "own"}])
def test_what_cannot_be_is_refused(ingrid: Client, batch: Batch, group: Group, sent: dict[str, str]) -> None:
    if "group-" in sent:
        sent = {"everybody": "read", f"group-{group.pk}": "own"}
    assert share(ingrid, batch, **sent) == 422
    assert not BatchShare.objects.exists()


def test_whom_it_is_shared_with_to_edit_may_change_it_and_not_pass_it_on(
    client: Client, other_user: User, batch: Batch, group: Group
) -> None:
    Batch.objects.update(everybody="none")
    BatchShare.objects.create(batch=batch, group=group, edit=True)
    client.force_login(other_user)
    page = client.get(reverse("batch_settings", args=[batch.pk])).text
    assert 'name="collection"' in page
    assert 'id="sharing"' not in page
    assert reverse("batch_delete", args=[batch.pk]) not in page
    assert share(client, batch, everybody="edit") == 404
    client.post(reverse("batch_settings", args=[batch.pk]), {"name": "Drawer 13", "initial-name": "Drawer 12"})
    batch.refresh_from_db()
    assert (batch.name, batch.everybody) == ("Drawer 13", "none")
    other_user.groups.clear()
    assert client.get(reverse("batch_settings", args=[batch.pk])).status_code == 404


def test_the_lists_say_whether_nobody_or_groups_alone_see_it(ingrid: Client, batch: Batch, group: Group) -> None:
    template = versions.create(batch.owner, "Music", everybody="none")
    addresses = ["/batches/", "/collections/Music/", "/templates/", f"/templates/{template.pk}/"]
    lone, grouped = '<span class="tag">Private</span>', '<span class="tag">Shared with groups</span>'

    def said() -> list[tuple[bool, bool]]:
        pages = [ingrid.get(address).text for address in addresses]
        return [(lone in page, grouped in page) for page in pages]

    assert said() == [(False, False)] * 2 + [(True, False)] * 2
    Batch.objects.update(everybody="none")
    assert said() == [(True, False)] * 4
    BatchShare.objects.create(batch=batch, group=group)
    template.shares.create(group=group)
    assert said() == [(False, True)] * 4


@pytest.fixture
def read(batch: Batch, card: Card) -> Batch:
    """Its only card was read and is to check."""
    Card.objects.update(status="completed", to_check=True, prepared_at="2026-11-01T00:00Z", width=9, height=9)
    card.refresh_from_db()
    give_result(card, {"author": stored("Greig")})
    Batch.objects.update(status="completed", completed=1, pending=0, to_check=1, label="d")
    return Batch.objects.get()


PAGES = [
    "/batches/",
    "/batches/{batch}/",
    "/batches/{batch}/cards/",
    "/batches/{batch}/cards/{card}/",
    "/batches/{batch}/review/?card={card}",
    "/batches/{batch}/problems/",
    "/batches/{batch}/activity/",
    "/batches/{batch}/statistics/",
    "/batches/{batch}/export/",
    "/batches/{batch}/fields/",
    "/collections/Music/",
    "/collections/Music/cards/",
    "/templates/",
    "/review/",
]
FORM = re.compile(r'(?:action|formaction|hx-post)="([^"?]*)[^"]*"')
# What each may send from any of these pages: their own settings, columns, views; a way out.
PERSONAL = r"/(logout|i18n|views|profile)/|/columns/|/export/(settings/)?|/search/|/cards/$|/batches/$|/templates/$"
UNUSED = r"/review/\d+/(save|flag|undo|give-up)/"  # forms of the cockpit that stand there without a button
CORRECTING = r"/reviewed/|/values/|/review/|/cards/\d+/$|/cards/act/|/entries/|/undo/|/readings/|/sample/"


@pytest.mark.parametrize(("role", "more"), [("viewer", UNUSED), ("reviewer", CORRECTING)])
@pytest.mark.parametrize("page", PAGES)
def test_pages_offer_a_role_what_it_may_do_and_no_more(
    client: Client, other_user: User, read: Batch, role: str, more: str, page: str
) -> None:
    User.objects.filter(pk=other_user.pk).update(role=role)
    client.force_login(other_user)
    response = client.get(page.format(batch=read.pk, card=read.cards.get().pk))
    assert response.status_code == 200
    asked = re.search(r"<main.*</main>", response.text, re.DOTALL)
    offered = {address for address in FORM.findall(asked[0] if asked else "") if address}
    assert not [address for address in offered if not re.search(f"{PERSONAL}|{more}", address)]


def test_a_reviewer_corrects_and_checks(client: Client, other_user: User, read: Batch) -> None:
    User.objects.filter(pk=other_user.pk).update(role="reviewer")
    client.force_login(other_user)
    card = read.cards.get()
    page = client.get(f"/batches/{read.pk}/review/?card={card.pk}").text
    assert "Card is right" in page
    client.post(f"/batches/{read.pk}/cards/{card.pk}/reviewed/?version={card.version}")
    card.refresh_from_db()
    assert (card.reviewed, card.reviewed_by) == (True, other_user)


def test_who_has_no_role_sees_nothing_and_is_told_why(client: Client, other_user: User, read: Batch) -> None:
    User.objects.filter(pk=other_user.pk).update(role="")
    client.force_login(other_user)
    page = client.get("/batches/").text
    assert "You have no role here yet" in page
    assert "Drawer 12" not in page
    for address in ("new/", "sample/"):
        assert client.post(f"/batches/{address}", {"name": "Mine"}).status_code == 403
    assert Batch.objects.count() == 1


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_batches_and_templates_are_made_by_operators(client: Client, other_user: User, role: str) -> None:
    User.objects.filter(pk=other_user.pk).update(role=role)
    client.force_login(other_user)
    for address in ("/batches/new/", "/templates/new/"):
        assert "Only operators" in client.get(address).text
        assert client.post(address, {"name": "Mine"}).status_code == 403
    assert not Batch.objects.exists()


def test_only_who_may_edit_is_offered_to_run_it(client: Client, other_user: User, read: Batch) -> None:
    Batch.objects.update(status="paused", pause_reason="person")
    client.force_login(other_user)
    for everybody, offered in (("read", False), ("edit", True)):
        Batch.objects.update(everybody=everybody)
        page = client.get(f"/batches/{read.pk}/").text
        assert (reverse("batch_resume", args=[read.pk]) in page) == offered
