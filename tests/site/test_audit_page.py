"""The page of the audit log: for administrators, found by what the address says, in words, and taken along."""

import ast
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from batches.actions import activity
from batches.models import Batch
from cardocr_site.accounts import audit, watching
from cardocr_site.accounts.models import AuditEntry, User
from cardocr_site.audit_log import views, words
from tests.site.test_rules import TREES, called

ROWS = '<tr><th scope="row">'


@pytest.fixture
def admin_client(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def acts(user: User, other_user: User, batch: Batch, admin_client: Client) -> None:
    audit.record("start", by=user, of=batch, details={"engine": "local", "count": 12})
    audit.record("export", by=other_user, of=batch, details={"format": "csv", "which": "read"})
    audit.record("rights", of=other_user, kind="user", name="magnus", details={"role": ["operator", "reviewer"]})


def table(client: Client, query: str = "", **headers: str) -> str:
    response = client.get(f"/audit/{query}", headers=headers)
    assert response.status_code == 200
    page: str = response.text.partition('<div id="audit">')[2]
    return page


@pytest.mark.usefixtures("acts")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("actor=ingrid", ["Batch started"]),
        ("act=export", ["Export"]),
        ("name=drawer", ["Export", "Batch started"]),
        ("object=batch:{batch}", ["Export", "Batch started"]),
        ("object=batch:{batch}&actor=magnus", ["Export"]),
        ("outcome=refused", []),
        ("address=192.0.2.1", []),
        ("act=start&from={today}&to={today}", ["Batch started"]),
        ("act=start&to=2020-01-01", []),
        ("act=start&from=2998-01-01", []),
    ],
)
def test_the_address_says_what_is_shown(admin_client: Client, batch: Batch, query: str, shown: list[str]):
    page = table(admin_client, "?" + query.format(batch=batch.pk, today=timezone.localdate().isoformat()))
    assert [label for label in ("Export", "Batch started") if f">{label}<p" in page] == shown
    assert page.count(ROWS) == len(shown)
    assert ("No entry matches" in page) == (not shown)


def test_where_from_is_found_by_the_network_of_an_address(admin_client: Client, user: User):
    filled = {"username": "ingrid", "password": "wrong"}
    Client(REMOTE_ADDR="2001:db8:1:2::3").post("/accounts/login/", filled)
    assert "Tried to sign in" in table(admin_client, "?address=2001:db8:1:2::99&outcome=refused")
    assert "Tried to sign in" in table(admin_client, "?address=2001:db8:1:2::/64")


@pytest.mark.usefixtures("acts")
def test_words_stand_in_it_and_what_is_there_is_a_link(admin_client: Client, batch: Batch, other_user: User):
    person = f'href="/admin/accounts/user/{other_user.pk}/change/"'
    page = table(admin_client)
    assert "Engine: local · 12 cards" in page
    assert "CSV · all cards that were read" in page
    assert "Role: operator → reviewer" in page
    assert f'href="/batches/{batch.pk}/"' in page
    assert person in page
    Batch.objects.update(deleted_at=timezone.now())
    other_user.delete()
    page = table(admin_client)
    assert f'href="/batches/{batch.pk}/"' not in page
    assert person not in page


@pytest.mark.usefixtures("acts")
def test_the_table_alone_for_htmx(admin_client: Client):
    response = admin_client.get("/audit/?act=start", headers={"HX-Request": "true", "HX-Target": "audit"})
    assert response.text.lstrip().startswith('<div id="audit">')
    assert "<html" not in response.text
    assert "HX-Target" in response.headers["Vary"]
    assert "no-store" in response.headers["Cache-Control"]


def test_pages_by_place_with_the_same_number_of_questions(
    admin_client: Client, user: User, batch: Batch, django_assert_max_num_queries: Any, monkeypatch: Any
):
    monkeypatch.setattr(views, "PER_PAGE", 3)
    for number in range(7):
        audit.record("pause", by=user, of=batch, name=f"Drawer {number}")
    seen, address = [], "?act=pause"
    while address:
        with django_assert_max_num_queries(7):
            page = table(admin_client, address)
        seen += [int(part[0]) for part in page.split("<bdi>Drawer ")[1:]]
        address = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    assert table(admin_client, "?act=pause&before=nonsense").count(ROWS) == 3


@pytest.mark.parametrize("query", ["from=yesterday", "to=2026-13-01", "act=zstart", "object=batch", "outcome=perhaps"])
def test_what_makes_no_sense_is_said_and_shows_nothing(admin_client: Client, query: str):
    response = admin_client.get(f"/audit/?{query}")
    assert response.status_code == 422
    assert "Nothing can be looked for like this" in response.text
    assert ROWS not in response.text
    assert admin_client.get(f"/audit/export/?{query}").headers["Location"].startswith("/audit/?")


def test_names_are_shown_as_text(admin_client: Client, user: User):
    audit.record("bulk", by=user, kind="batch", name="<script>canary</script>", details={"do": "<b>"})
    page = table(admin_client)
    assert "&lt;script&gt;canary" in page
    assert "<script>canary" not in page
    assert "<b>" not in page.partition("<tbody>")[2].partition("</tbody>")[0]


def test_administrators_are_led_there(client: Client, administrator: User, user: User, batch: Batch):
    Batch.objects.update(status="completed", label="drawer")
    own = f"/audit/?object=batch:{batch.pk}"
    for person, led in ((user, False), (administrator, True)):
        client.force_login(person)
        assert ('href="/audit/"' in client.get("/batches/").text) == led
        assert (f'href="{own}"' in client.get(f"/batches/{batch.pk}/activity/").text) == led
        assert (client.get(own).status_code, client.get("/audit/export/").status_code) == (
            (200,) * 2 if led else (403,) * 2
        )
    assert 'href="/audit/"' in client.get("/admin/").text


# -- taken along


def lines(response: Any) -> list[dict[str, Any]]:
    async def read() -> bytes:
        return b"".join([part async for part in response.streaming_content])

    return [json.loads(line) for line in async_to_sync(read)().decode().splitlines()]


def without_time(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Which calls tell to the millisecond."""
    return [entry | {"at": None} for entry in entries]


@pytest.mark.usefixtures("acts")
@pytest.mark.django_db(transaction=True)
def test_what_is_found_is_taken_along_as_programs_get_it(
    admin_client: Client, admins_api: Any, administrator: User, monkeypatch: Any
):
    monkeypatch.setattr(views, "BLOCK", 1)
    response = admin_client.get("/audit/export/?actor=ingrid")
    assert response.headers["Content-Type"] == "application/jsonl"
    assert f"audit-log_{timezone.localdate().isoformat()}.jsonl" in response.headers["Content-Disposition"]
    assert without_time(lines(response)) == without_time(admins_api("get", "/audit?actor=ingrid").data["items"])
    told = AuditEntry.objects.get(act="export", object_kind="auditentry")
    assert (told.actor, told.details) == (administrator.pk, {"format": "jsonl", "asked": {"actor": "ingrid"}})
    whole = lines(admin_client.get("/audit/export/"))
    assert len(whole) == AuditEntry.objects.count() - 1, "all but the entry of this very export"
    assert "Narrowed by actor: ingrid" in table(admin_client)
    assert admin_client.head("/audit/export/").status_code == 200
    assert AuditEntry.objects.filter(object_kind="auditentry").count() == 2


# -- words


def recorded() -> set[str]:
    """What the sources write down, by the first argument of each call."""
    found = set(activity.AUDITED)
    for _name, tree in TREES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in {"audit.record", "_record"} and node.args:
                found |= {one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)}
    return {one for one in found if isinstance(one, str)}


def test_each_act_that_is_written_down_has_its_words():
    assert not recorded() - words.LABELS.keys(), "say in audit_log/words.py what these are called"
    assert not words.LABELS.keys() - recorded()


def test_each_way_in_and_each_reason_has_its_words():
    assert {*watching.VOUCHED.values(), "page", "program"} <= words._BY.keys()
    assert {"inactive", "source", "name", "untrusted"} == words._WHY.keys()


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"by": "header", "why": "inactive"}, ["named by the proxy in front", "the account has been deactivated"]),
        ({"known": False}, ["no account has the name that was typed"]),
        ({"known": True}, []),
        ({"is_active": [True, False]}, ["Account: open → closed"]),
        ({"role": ["", "viewer"]}, ["Role: none → viewer"]),
        ({"source": ["", "proxy"]}, ["Signs in: here, by a password → the proxy in front, by a header"]),
        ({"what": "own key", "how": "set", "user": "ingrid"}, ["key of a person’s own", "set", "Of: ingrid"]),
        ({"host": "llm.example.org", "place": "outside"}, ["Host: llm.example.org", "Outside the house"]),
        ({"changed": ["model", "price_in", "gone"]}, ["Changed: model, price of tokens in, gone"]),
        ({"do": "review", "count": 1}, ["marked as checked", "1 card"]),
        ({"everybody": "read", "groups": {"Music": "edit"}}, ["Everybody: may see it", "Music: may edit it"]),
        ({"events": ["batch.paused"], "batches": "own"}, ["When: a batch is paused", "my own batches"]),
        ({"which": "drafts", "number": 7, "left": 1}, ["Drafts that were never started", "Deleted: 7", "1 batch left"]),
        ({"from": "2020-01-01", "to": "2021-01-01", "left": 0}, ["From: 2020-01-01", "Until: 2021-01-01"]),
        ({"cause": "engine_timeout"}, None),
        ({"new one": [1, 2]}, ["new one: 1, 2"]),
        ({"new one": 1, "count": 12, "engine": "local"}, ["Engine: local", "12 cards", "new one: 1"]),
    ],
)
def test_details_are_said_in_words(details: dict[str, Any], said: list[str] | None):
    found = words.details(AuditEntry(act="start", details=details))
    assert found == said if said is not None else "engine_timeout" not in str(found)
