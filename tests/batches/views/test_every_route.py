"""Each address of a batch, also the next one that somebody adds: who may not, neither sees nor changes anything."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, reverse

from batches import urls
from batches.models import Activity, Batch, Card, CardResult, CardScan, News, Sheet, Upload
from cardocr_site.accounts.models import User

ROUTES = [
    route
    for route in urls.urlpatterns
    if str(route.pattern).startswith(("batches/<int:pk>/", "trash/<int:pk>/", "notices/<int:news_pk>/"))
]
METHODS = ("get", "head", "post", "patch", "delete")


@pytest.fixture
def address(batch: Batch, make_cards: Callable[..., list[Card]]) -> Callable[[URLPattern], str]:
    """With the keys of rows that are there."""
    card = make_cards(1)[0]
    known = {
        "pk": batch.pk,
        "card_pk": card.pk,
        "upload_pk": Upload.objects.create(batch=batch, name="1.jpg").pk,
        "sheet_pk": Sheet.objects.create(batch=batch, **card.as_scan()).pk,
        "scan_pk": CardScan.objects.create(card=card, role=CardScan.Role.EARLIER, **card.as_scan()).pk,
        "result_pk": CardResult.objects.create(card=card).pk,
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


# Whoever sees a batch may keep, as their own, a template of its fields, settings of its export, columns of its table.
OWN = {"fields_save_template", "export_settings_save", "batch_columns"}
CHANGING = [route for route in ROUTES if route.name not in OWN]


@pytest.mark.parametrize("route", CHANGING, ids=lambda route: route.name)
def test_what_others_may_see_they_may_not_change(
    client: Client, other_user: User, address: Callable[[URLPattern], str], route: URLPattern
):
    path = address(route)
    client.force_login(other_user)
    for method, response in asked(client, path).items():
        assert method in {"get", "head"} or response.status_code in {404, 405}, method


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_nothing_is_changed_without_the_token_of_a_form(
    user: User, address: Callable[[URLPattern], str], route: URLPattern
):
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    path = address(route)
    for method in ("post", "patch", "delete"):
        assert getattr(client, method)(path).status_code in {403, 405}, method
