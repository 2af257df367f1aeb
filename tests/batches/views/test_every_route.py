"""Each address of a batch, also the next one that somebody adds: who may not, neither sees nor changes anything."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, reverse

from batches import urls
from batches.models import Activity, Batch, Card, CardResult, CardScan, Delivery, News, Sheet, Upload, Webhook
from cardocr_site.accounts.models import User

ROUTES = [
    route
    for route in urls.urlpatterns
    if str(route.pattern).startswith(
        ("batches/<int:pk>/", "trash/<int:pk>/", "notices/<int:news_pk>/", "webhooks/<int:webhook_pk>/")
    )
]
METHODS = ("get", "head", "post", "patch", "delete")


@pytest.fixture
def address(batch: Batch, make_cards: Callable[..., list[Card]]) -> Callable[[URLPattern], str]:
    """With the keys of rows that are there."""
    card = make_cards(1)[0]
    hook = Webhook.objects.create(owner=batch.owner, address="https://example.org/")
    known = {
        "pk": batch.pk,
        "card_pk": card.pk,
        "upload_pk": Upload.objects.create(batch=batch, name="1.jpg").pk,
        "sheet_pk": Sheet.objects.create(batch=batch, **card.as_scan()).pk,
        "scan_pk": CardScan.objects.create(card=card, role=CardScan.Role.EARLIER, **card.as_scan()).pk,
        "result_pk": CardResult.objects.create(card=card).pk,
        "webhook_pk": hook.pk,
        "delivery_pk": Delivery.objects.create(webhook=hook, event="batch.paused", payload={}).pk,
        "notice_pk": 1,
        "news_pk": News.objects.create(user=batch.owner, batch=batch, kind=News.Kind.FINISHED).pk,
        "settings_pk": 1,
        "place": 1,
        "act": "up",
        "act_pk": Activity.objects.create(batch=batch, kind="pause").pk,
        "size": "thumb",
        "key": "author",
    }
    return lambda route: reverse(str(route.name), kwargs={name: known[name] for name in route.pattern.converters})


def asked(client: Client, path: str) -> dict[str, HttpResponse]:
    return {method: getattr(client, method)(path) for method in METHODS}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_before_signing_in_there_is_nothing(client: Client, address: Callable[[URLPattern], str], route: URLPattern):
    for method, response in asked(client, address(route)).items():
        assert response.status_code == 405 or "/login/" in response.headers.get("Location", ""), method


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_private_batch_is_not_there_for_others(
    client: Client, other_user: User, address: Callable[[URLPattern], str], route: URLPattern
):
    path = address(route)
    Batch.objects.update(everybody="none")
    client.force_login(other_user)
    for method, response in asked(client, path).items():
        assert response.status_code in {404, 405}, method


# Role by role, and with the batch shared to read or to edit: each may all that those before it may.
LADDER = [
    ("nothing", "", "edit"),
    ("see", "viewer", "edit"),
    ("correct", "reviewer", "edit"),
    ("make", "operator", "read"),
    ("edit", "operator", "edit"),
    ("own", "operator", "none"),
]
STEPS = [step for step, _role, _everybody in LADDER]
# What each route takes: to be looked at, and to be sent something. A route that stands nowhere here fails.
RULES = {
    "see": """batch_upload uploads_table batch_rest scan_image sheet_image batch_try_cards batch_prompt batch_confirm
        batch_read_before batch_alike batch_detail batch_live batch_results batch_activity card_image
        batch_review batch_problems batch_statistics batch_export batch_download export_about batch_columns
        export_settings_save export_settings_delete""",
    "correct": """cards_act act_detail act_undo card_edit card_reviewed reading_decide entry_add entry_edit entry_change
        sample_draw review_save review_draft review_lease review_flag review_give_up review_undo""",
    "make": """fields_save_template""",
    "edit": """batch_settings batch_continue card_add uploads_dismiss upload_decide part_create part cards_order
        card_move cards_choose rest_read cards_remove card_remove batch_pairs pairs_part scan_replace batch_sheets
        sheets_look sheets_cut sheets_whole sheet_detail field_add field_restore fields_from_template field_save
        field_move field_remove batch_engine batch_try batch_try_stop batch_scans alike_decide blank_read card_turn
        card_not_blank batch_budget batch_start batch_pause batch_resume batch_cancel batch_retry card_retry batch_key
        batch_reread card_skip card_read notice_done problems_retry problems_skip""",
    "own": """card_erase batch_share batch_delete trash_restore trash_empty""",
    "see, correct": """card_detail""",
    "see, edit": """batch_fields""",
}
NEEDED = {name: rule.split(", ") for rule, names in RULES.items() for name in names.split()}
# An owner's notice, and his programs, are nobody else's.
MINE_ALONE = {"news_open", "webhook_detail", "webhook_switch", "webhook_delete", "delivery_replay"}


def on_step(person: User, owner: User, step: str) -> None:
    _step, role, everybody = LADDER[STEPS.index(step)]
    User.objects.filter(pk=person.pk).update(role=role)
    Batch.objects.update(everybody=everybody, owner=person if step == "own" else owner)


def test_each_route_has_a_rule() -> None:
    assert {route.name for route in ROUTES} == NEEDED.keys() | MINE_ALONE


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_who_may_less_than_it_takes_is_refused(
    client: Client, user: User, other_user: User, address: Callable[[URLPattern], str], route: URLPattern
) -> None:
    path = address(route)
    client.force_login(other_user)
    needed = NEEDED.get(str(route.name), ["own"])
    if path.startswith("/trash/"):
        Batch.objects.update(deleted_at="2026-11-01T00:00Z")
    for step in STEPS[: STEPS.index(needed[-1])]:
        on_step(other_user, user, step)
        for method, response in asked(client, path).items():
            looks = method in {"get", "head"}
            if not looks or STEPS.index(step) < STEPS.index(needed[0]):
                assert response.status_code in {403, 404, 405}, (step, method)


# Sent without what it needs, each of these says that it knows of no such thing.
EMPTY = {
    *("export_settings_delete", "notice_done", "entry_edit", "upload_decide", "part", "cards_act", "card_move"),
    *("scan_image", "sheet_image", "card_image", "batch_download", "export_about", "sheet_detail"),
}


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.name not in MINE_ALONE], ids=lambda route: route.name
)
def test_who_may_what_it_takes_gets_through(
    client: Client, user: User, other_user: User, address: Callable[[URLPattern], str], route: URLPattern
) -> None:
    path = address(route)
    client.force_login(other_user)
    if path.startswith("/trash/"):
        Batch.objects.update(deleted_at="2026-11-01T00:00Z")
    needed = NEEDED[str(route.name)]
    for method, step in (("get", needed[0]), ("post", needed[-1])):
        on_step(other_user, user, step)
        assert getattr(client, method)(path).status_code not in ({403} if route.name in EMPTY else {403, 404}), method


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_nothing_is_changed_without_the_token_of_a_form(
    user: User, address: Callable[[URLPattern], str], route: URLPattern
):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    path = address(route)
    for method in ("post", "patch", "delete"):
        assert getattr(client, method)(path).status_code in {403, 405}, method
