"""The audit log: what is in it, that nothing changes it, and that nothing secret gets into it."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import CharField, Value
from django.db.models.functions import Cast, Concat
from django.test import Client
from django.urls import reverse

from batches.actions import bulk, erasing, problems, reviewing, runs, trash
from batches.actions import cards as cards_of_batch
from batches.actions import settings as settings_of_batch
from batches.models import Batch, Card, Delivery, Webhook
from batches.queries import grid
from cardocr_site.accounts import audit, tokens
from cardocr_site.accounts.models import AuditEntry, Unchangeable, User
from ocr.models import Engine

PASSWORD = "curator-of-cards"
needs_postgres = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own words")


def told(act: str) -> AuditEntry:
    return AuditEntry.objects.get(act=act)


@pytest.fixture
def entry(user: User) -> AuditEntry:
    return audit.record("start", by=user, kind="batch", name="Drawer 12")


def test_the_model_changes_no_entry(entry: AuditEntry):
    for change in (
        entry.save,
        entry.delete,
        lambda: AuditEntry.objects.update(act="stop"),
        lambda: AuditEntry.objects.filter(pk=entry.pk).delete(),
        lambda: AuditEntry.objects.bulk_update([entry], ["act"]),
    ):
        with pytest.raises(Unchangeable):
            change()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditentry SET act = 'stop'",
        "DELETE FROM accounts_auditentry",
        pytest.param(
            "INSERT OR REPLACE INTO accounts_auditentry SELECT * FROM accounts_auditentry", marks=pytest.mark.embedded
        ),
        pytest.param(
            "INSERT INTO accounts_auditentry SELECT * FROM accounts_auditentry ON CONFLICT (id) DO UPDATE SET act = ''",
            marks=needs_postgres,
        ),
        pytest.param("TRUNCATE accounts_auditentry", marks=needs_postgres),
    ],
)
def test_the_database_changes_no_entry(entry: AuditEntry, statement: str):
    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        connection.cursor().execute(statement)
    assert told("start").pk == entry.pk


def test_it_outlives_whoever_did_it(entry: AuditEntry, user: User):
    key = user.pk
    user.delete()
    assert (told("start").actor, told("start").actor_name) == (key, "ingrid")
    assert told("user_deleted").object_name == "ingrid"


def test_the_administration_shows_it_and_changes_nothing(client: Client, entry: AuditEntry, administrator: User):
    client.force_login(administrator)
    assert "Drawer 12" in client.get("/admin/accounts/auditentry/").text
    assert client.get("/admin/accounts/auditentry/add/").status_code == 403
    assert client.post(f"/admin/accounts/auditentry/{entry.pk}/change/", {"act": "stop"}).status_code == 403
    assert client.post(f"/admin/accounts/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert told("start").pk == entry.pk


# -- people


def test_signing_in_and_out_by_a_page(client: Client, user: User):
    client.post("/accounts/login/", {"username": "ingrid", "password": PASSWORD}, headers={"X-Request-ID": "abcdefgh"})
    client.post("/accounts/logout/")
    into = told("sign_in")
    assert (into.actor, into.actor_name, into.object_id) == (user.pk, "ingrid", str(user.pk))
    assert (into.address, into.outcome, into.request_id) == ("127.0.0.1", "done", "abcdefgh")
    assert told("sign_out").actor == user.pk


def test_only_a_trusted_proxy_says_from_where(client: Client, user: User, settings: Any):
    for trusted, address in (([], "127.0.0.1"), (["127.0.0.1"], "198.51.100.7")):
        settings.TRUSTED_PROXIES = trusted
        client.post(
            "/accounts/login/",
            {"username": "ingrid", "password": PASSWORD},
            headers={"X-Forwarded-For": "198.51.100.7"},
        )
        assert AuditEntry.objects.first().address == address


def test_a_refused_sign_in_by_page_and_by_program(client: Client, anonymous: Any, user: User):
    client.post("/accounts/login/", {"username": "ingrid", "password": "canary-wrong"})
    anonymous.refused("AUTH_INVALID", "post", "/auth/login", {"username": "ingrid", "password": "canary-wrong"})
    refused = AuditEntry.objects.filter(act="sign_in", outcome="refused")
    assert [(one.actor, one.object_name) for one in refused] == [(None, "ingrid")] * 2


def test_a_closed_door_is_told_too(anonymous: Any, user: User):
    for _ in range(5):
        anonymous("post", "/auth/login", {"username": "ingrid", "password": "wrong"})
    anonymous.refused("RATE_LIMIT_EXCEEDED", "post", "/auth/login", {"username": "ingrid", "password": PASSWORD})
    assert AuditEntry.objects.filter(act="sign_in", outcome="refused").count() == 6


def test_a_password_typed_as_a_name_is_not_kept(client: Client, user: User):
    client.post("/accounts/login/", {"username": "canary-password", "password": "x"})
    one = told("sign_in")
    assert (one.object_name, one.details) == ("", {"known": False})


def test_signing_in_and_out_by_a_program(anonymous: Any, user: User):
    token = anonymous("post", "/auth/login", {"username": "ingrid", "password": PASSWORD}).data["token"]
    anonymous("post", "/auth/logout", {}, headers={"Authorization": f"Bearer {token}"})
    assert (told("sign_in").actor, told("sign_in").details) == (user.pk, {"by": "program"})
    assert (told("sign_out").actor, told("sign_out").address) == (user.pk, "127.0.0.1")


def test_tokens_made_and_revoked(api: Any, user: User):
    made = api("post", "/tokens", {"name": "Nightly export", "scope": "read"}).data
    api("delete", f"/tokens/{made['id']}")
    assert (told("token_made").object_name, told("token_made").details["scope"]) == ("Nightly export", "read")
    assert (told("token_revoked").actor, told("token_revoked").object_id) == (user.pk, str(made["id"]))


def test_what_people_may_do(client: Client, user: User, administrator: User):
    group = Group.objects.create(name="Music")
    user.role = User.Role.REVIEWER
    user.save()
    user.groups.add(group)
    group.user_set.remove(user)
    user.set_password("another-long-sentence")
    user.is_active = False
    user.save()
    changed = AuditEntry.objects.filter(act="rights", object_id=str(user.pk)).order_by("id")
    assert [one.details for one in changed] == [{"role": ["operator", "reviewer"]}, {"is_active": [True, False]}]
    assert told("groups").details == {"added": ["Music"]}
    assert (told("members").object_name, told("members").details) == ("Music", {"taken": ["ingrid"]})
    assert told("password").object_name == "ingrid"


def test_who_changed_a_password_by_a_page(client: Client, user: User):
    client.force_login(user)
    new = "a-canary-sentence-of-my-own"
    client.post(reverse("password_change"), {"old_password": PASSWORD, "new_password1": new, "new_password2": new})
    assert told("password").actor == user.pk


# -- engines


def test_engines_and_their_keys(client: Client, administrator: User):
    client.force_login(administrator)
    engine = Engine(name="Outside", kind="openai_compatible", address="https://me:canary-p@llm.example.org/v1")
    engine.set_key("canary-key")
    engine.save()
    engine.model = "reader-2"
    engine.set_key("canary-other-key")
    engine.save()
    engine.set_key("")
    engine.save(update_fields=["sealed_key"])
    engine.delete()
    assert told("engine_made").details == {"host": "llm.example.org", "place": "outside", "key": True}
    assert told("engine_changed").details["changed"] == ["model"]
    keys = AuditEntry.objects.filter(act="key").order_by("id")
    assert [one.details for one in keys] == [{"what": "key", "how": "changed"}, {"what": "key", "how": "removed"}]
    assert told("engine_deleted").object_name == "Outside"


def test_which_engine_outside_a_batch_went_to(batch: Batch, make_cards: Callable[..., list[Card]], user: User):
    make_cards(3)
    runs.start(batch, user)
    assert not AuditEntry.objects.filter(act="sent_out").exists()
    Batch.objects.update(
        status="draft",
        label=None,
        engine=Engine.objects.create(
            name="Far", kind="openai_compatible", address="https://llm.example.org/v1", model="m"
        ),
    )
    runs.start(batch, user)
    assert told("sent_out").details == {"engine": "Far", "host": "llm.example.org", "cards": 3}
    assert (told("sent_out").object_kind, told("sent_out").object_id) == ("batch", str(batch.pk))


# -- batches


def test_starts_stops_deletions_and_emptied_trash(
    api: Any, batch: Batch, make_cards: Callable[..., list[Card]], user: User
):
    make_cards(2)
    runs.start(batch, user)
    api("delete", f"/batches/{batch.pk}?confirm=Drawer 12")
    trash.erase(Batch.objects.get(), user)
    acts = AuditEntry.objects.filter(object_kind="batch", object_id=str(batch.pk)).order_by("id")
    assert [one.act for one in acts] == ["start", "stop", "delete", "erase_batch"]
    assert {(one.actor_name, one.object_name) for one in acts} == {("ingrid", "Drawer 12")}
    assert acts[2].address == "127.0.0.1"


def test_exports_by_page_and_by_program(client: Client, api: Any, batch: Batch, user: User):
    Batch.objects.update(status="completed", label="drawer")
    api.client.get(f"/api/v1/batches/{batch.pk}/export?format=csv", headers=api.headers)
    client.force_login(user)
    client.get(f"/batches/{batch.pk}/export/download/?format=json")
    exports = AuditEntry.objects.filter(act="export").order_by("id")
    assert [one.details["format"] for one in exports] == ["csv", "json"]


def test_corrections_of_many_cards(batch: Batch, make_cards: Callable[..., list[Card]], user: User):
    make_cards(3, "failed")
    Batch.objects.update(status="completed", label="drawer")
    entry = bulk.begin(batch, user, grid.Filters(), "skip")
    bulk.take_back(entry, user)
    assert told("bulk").details == {"do": "skip", "count": 3}
    assert told("bulk_undone").details["do"] == "skip"


def test_nothing_secret_is_in_it(client: Client, user: User, administrator: User):
    """Whatever the tests above have typed as secret, in one go."""
    test_engines_and_their_keys(client, administrator)
    client.logout()
    client.post("/accounts/login/", {"username": "ingrid", "password": "canary-wrong"})
    test_who_changed_a_password_by_a_page(client, user)
    _row, token = tokens.make(user, "Export", "read", None)
    everything = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert AuditEntry.objects.count() > 5
    assert "canary" not in everything
    assert token not in everything


def test_with_whom_a_batch_is_shared(batch: Batch, user: User):
    settings_of_batch.share(batch, user, "read", {Group.objects.create(name="Music"): "edit"})
    assert "Music" in told("sharing").details["groups"]


# -- webhooks, whose addresses may hold a secret


def test_webhooks_made_switched_replayed_and_removed(client: Client, api: Any, administrator: User, user: User):
    made = api("post", "/webhooks", {"address": "http://127.0.0.1:9/canary-secret?token=canary-too"}).data
    hook = Webhook.objects.get()
    delivery = Delivery.objects.create(webhook=hook, event="batch.paused", payload={}, status="given_up")
    api("patch", f"/webhooks/{made['id']}", {"enabled": False})
    api("patch", f"/webhooks/{made['id']}", {"enabled": False})
    api("post", f"/webhooks/{made['id']}/deliveries/{delivery.pk}/replay")
    client.force_login(administrator)
    client.post(f"/webhooks/{made['id']}/switch/", {"enabled": "1"})
    client.post(f"/webhooks/{made['id']}/deliveries/{delivery.pk}/replay/")
    client.post(f"/webhooks/{made['id']}/delete/")
    told = AuditEntry.objects.filter(object_kind="webhook").order_by("id")
    assert [(one.act, one.actor_name) for one in told] == [
        ("webhook_made", "ingrid"),
        ("webhook_off", "ingrid"),
        ("webhook_replayed", "ingrid"),
        ("webhook_on", "admin"),
        ("webhook_replayed", "admin"),
        ("webhook_removed", "admin"),
    ]
    assert {(one.object_id, one.object_name) for one in told} == {(str(made["id"]), "127.0.0.1")}
    assert told[2].details == {"event": "batch.paused", "delivery": str(delivery.uid)}
    assert told[5].details == {"user": "ingrid"}
    everything = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert "canary" not in everything
    assert made["secret"] not in everything


def test_cards_that_are_read_again_go_out_again(batch: Batch, make_cards: Callable[..., list[Card]], user: User):
    one, *_two = make_cards(3, "failed")
    engine = Engine.objects.create(name="Far", kind="openai_compatible", address="https://llm.example.org", model="m")
    Batch.objects.update(status="completed", label="drawer", engine=engine)
    batch.refresh_from_db()
    runs.retry_card(one, user)
    bulk.begin(batch, user, grid.Filters(), "retry")
    sent = AuditEntry.objects.filter(act="sent_out").order_by("id")
    assert [entry.details["cards"] for entry in sent] == [1, 2]
    assert {entry.details["host"] for entry in sent} == {"llm.example.org"}


# -- groups, templates, keys, the command line


def test_groups_made_renamed_and_deleted(administrator: User):
    group = Group.objects.create(name="Music")
    group.name = "Music and maps"
    group.save()
    group.save()
    group.delete()
    acts = AuditEntry.objects.filter(object_kind="group").order_by("id")
    assert [(one.act, one.object_name) for one in acts] == [
        ("group_made", "Music"),
        ("group_renamed", "Music and maps"),
        ("group_deleted", "Music and maps"),
    ]
    assert acts[1].details == {"name": ["Music", "Music and maps"]}


def test_where_a_reset_is_mailed_is_told_without_the_address(user: User):
    user.email = "canary@example.org"
    user.source = User.Source.PROXY
    user.save()
    assert told("rights").details == {"source": ["", "proxy"], "email": True}


def test_templates_shared_and_deleted_by_a_program(api: Any, user: User):
    made = api("post", "/templates", {"name": "Music", "fields": [{"label": "Author"}], "everybody": "read"}).data
    api("put", f"/templates/{made['id']}", {"name": "Music", "fields": [{"label": "Title"}], "everybody": "edit"})
    api("put", f"/templates/{made['id']}", {"name": "Music", "fields": [{"label": "Year"}], "everybody": "edit"})
    api("delete", f"/templates/{made['id']}")
    assert (told("sharing").actor, told("sharing").details) == (user.pk, {"everybody": "edit"})
    assert (told("template_deleted").actor, told("template_deleted").object_name) == (user.pk, "Music")


def test_keys_that_are_sealed_anew(db: None, settings: Any):
    old, new = str(settings.ENCRYPTION_KEY), Fernet.generate_key().decode()
    engine = Engine(name="Far", kind="openai_compatible", address="https://llm.example.org", model="m")
    engine.set_key("canary-key")
    engine.save()
    settings.ENCRYPTION_KEY = f"{new},{old}"
    call_command("rotate_keys", stdout=StringIO())
    call_command("rotate_keys", stdout=StringIO())
    assert (told("keys_rotated").outcome, told("keys_rotated").details["sealed"]) == ("done", 1)
    assert told("keys_rotated").actor is None


def test_results_taken_along_on_the_command_line(batch: Batch, tmp_path: Path):
    Batch.objects.update(status="completed", label="drawer")
    call_command("export", "drawer", "--out", str(tmp_path / "out.csv"), stderr=StringIO())
    assert told("export").details == {"by": "command", "format": "csv", "which": "all"}


def test_all_that_failed_for_one_cause_left_out_at_once(
    batch: Batch, make_cards: Callable[..., list[Card]], user: User
):
    make_cards(3, "failed", error="engine_timeout")
    Batch.objects.update(status="completed", label="drawer")
    batch.refresh_from_db()
    problems.skip_cause(batch, "engine_timeout", user)
    assert told("bulk").details == {"do": "skip", "cause": "engine_timeout"}


def test_what_stands_on_a_card_is_not_in_it(
    client: Client, batch: Batch, make_cards: Callable[..., list[Card]], user: User, administrator: User
):
    """Values, names of files, notes and reasons, by the acts that know them."""
    said = "canary-from-a-card"
    cards = make_cards(4, "failed", error="engine_timeout", error_message=said)
    Batch.objects.update(status="completed", label="drawer")
    Card.objects.update(original_name=f"{said}.jpg", filename=Concat(Value(f"{said}-"), Cast("pk", CharField())))
    card = cards_of_batch.enter_by_hand(Card.objects.get(pk=cards[0].pk), user, {"author": said})
    card = cards_of_batch.correct(card, user, card.version, {"author": f"{said}-2"})
    reviewing.flag(card, user, said)
    runs.retry_card(Card.objects.get(pk=cards[1].pk), user)
    runs.skip(Card.objects.get(pk=cards[2].pk), by=user)
    bulk.begin(batch, user, grid.Filters(), "retry")
    erasing.erase(Card.objects.get(pk=cards[3].pk), user)
    client.force_login(user)
    client.get(f"/batches/{batch.pk}/export/download/?format=json&q={said}")
    everything = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert {"retry", "erase_card", "export"} <= set(AuditEntry.objects.values_list("act", flat=True))
    assert said not in everything
    client.force_login(administrator)
    assert said not in client.get("/audit/").text
