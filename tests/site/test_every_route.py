"""Each address of the site has a rule that says for whom it is: one that somebody adds fails here without one."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from batches.models import Batch, Card
from batches.routing import websocket_urlpatterns
from cardocr_site.accounts.models import User
from ocr.models import Engine
from templates_app import versions
from templates_app.models import FieldTemplate

# open: everybody; self: whoever is signed in, about oneself or what is seen anyway; make: operators; administrator.
RULES = {
    "open": """favicon health health_ready login register invitation reset password_forgotten set_language
        api:openapi-json""",
    "self": """profile profile_theme profile_engine profile_key password_change token_make home batch_list
        batch_list_live engine_models site_activity news_list news_bell news_seen view_save site_search
        review_home help_keys statistics_site collection_list trash_list template_list pattern_test""",
    "make": "batch_new batch_sample template_new template_import",
    "administrator": """people_list invite invitation_revoke person_reset person_deactivate person_let_in
        admin_errors admin_error audit_log audit_download old_list engine_test metrics api:openapi-view""",
}
# Of a template and a collection that an address names, as for batches in tests/batches/views/test_every_route.py.
NAMED = {
    "see": """template_detail template_export template_compare template_prompt collection_detail collection_cards
        collection_live collection_columns collection_act collection_reread collection_review collection_export
        collection_download""",
    "edit": """template_edit template_instruction template_back template_field_add template_field_restore
        template_field_save template_field_move template_field_remove template_sample""",
    "own": "template_share template_delete",
}
# Whose rules stand with their own topic: by how the address begins, or by name.
ELSEWHERE = {
    "tests/batches/views/test_every_route.py": ("batches/<int:pk>/", "trash/<int:pk>/", "notices/<int:news_pk>/"),
    "tests/batches/views/test_webhooks.py": ("webhooks/",),
    "tests/batches/views/test_old.py": ("old/<slug:token>/",),
    "tests/batches/views/test_saved_views.py": ("views/<int:pk>/",),
    "tests/batches/views/test_collection_rereading.py": ("collection_act_detail",),
    "tests/site/api/test_matrix.py": ("api/v1/",),
    "tests/site/test_profile_keys.py": ("token_revoke",),
    "tests/site/test_accounts.py": ("logout",),
    "tests/site/test_oidc.py": ("accounts/oidc/",),
    "tests/site/test_pages.py": ("admin/login/",),  # sends to the site's own
}
# Each code with which a socket may be closed, and the test that holds it; False: it is not opened.
CLOSED = {
    "": {False: "api.test_sockets.test_another_address_is_denied_without_an_error"},  # any other
    "ws/collections/": {
        4401: "live.test_collecting.test_a_collection_of_which_one_knows_nothing_is_closed",
        4404: "live.test_collecting.test_a_collection_of_which_one_knows_nothing_is_closed",
    },
    "ws/batches/": {4401: "live.test_listing.test_the_list_is_closed_to_nobody_signed_in"},
    "ws/batches/<int:batch_id>/": {
        4401: "live.test_consumers.test_nobody_signed_in_is_accepted_and_closed_with_4401",
        4403: "live.test_consumers.test_permission_that_is_withdrawn_closes_with_4403",
        4404: "live.test_consumers.test_a_private_batch_of_another_is_unknown",
        4413: "live.test_consumers.test_a_message_that_is_too_large_ends_the_connection",
        4429: "live.test_consumers.test_too_many_messages_end_the_connection",
    },
    "api/v1/ws/task/<str:batch_id>": {
        4400: "api.test_sockets.test_what_is_no_version_is_closed_with_4400",
        4401: "api.test_sockets.test_who_says_nothing_is_closed_with_4401",
        4403: "api.test_sockets.test_a_right_that_is_withdrawn_closes_with_4403",
        4404: "api.test_sockets.test_what_is_not_there_or_not_shared_is_closed_with_4404",
        4413: "api.test_sockets.test_a_message_that_is_too_large_closes_with_4413",
        4429: "api.test_sockets.test_too_many_messages_close_with_4429",
    },
}
PEOPLE = ("anonymous", "", "viewer", "reviewer", "operator", "administrator")
ALLOWED = {
    "open": PEOPLE,
    "self": PEOPLE[1:],
    "make": ("operator", "administrator"),
    "administrator": ("administrator",),
    "see": PEOPLE[2:],
    "edit": ("operator", "administrator"),
    "own": ("administrator",),
}
ADMIN = "admin/"


def routes(entries: list[Any], begins: str = "", space: str = "") -> Iterator[tuple[str, str, URLPattern | None]]:
    """Name and address of each; the administration as one."""
    for entry in entries:
        path = begins + str(entry.pattern)
        if not isinstance(entry, URLResolver):
            yield (f"{space}{entry.name}" if entry.name else path), path, entry
        elif entry.namespace == "admin":
            yield ADMIN, path, None
        else:
            yield from routes(entry.url_patterns, path, f"{entry.namespace}:" if entry.namespace else space)


ROUTES = list(routes(get_resolver().url_patterns))
PATTERNS = {name: pattern for name, _path, pattern in ROUTES}
RULE_OF = {name: rule for rule, names in (RULES | NAMED).items() for name in names.split()} | {ADMIN: "administrator"}


def is_elsewhere(name: str, path: str) -> bool:
    return any(name in begins or path.startswith(begins) for begins in ELSEWHERE.values())


def test_each_route_has_a_rule_and_each_rule_its_route() -> None:
    without = [f"{name} at /{path}" for name, path, _ in ROUTES if name not in RULE_OF and not is_elsewhere(name, path)]
    assert not without, "say above for whom these are"
    assert not RULE_OF.keys() - {name for name, _path, _pattern in ROUTES}
    for where, begins in ELSEWHERE.items():
        assert (settings.BASE_DIR / where).is_file()
        for one in begins:
            assert any(one == name or path.startswith(one) for name, path, _pattern in ROUTES), one


def test_no_two_routes_share_a_name() -> None:
    """A rule of the one would be none of the other."""
    assert len({name for name, _path, _pattern in ROUTES}) == len(ROUTES)


@pytest.fixture
def people(user: User) -> dict[str, Client]:
    """Of these nobody owns anything; user is who does."""
    made = {"anonymous": Client()}
    for role in PEOPLE[1:]:
        made[role] = Client()
        made[role].force_login(User.objects.create_user(f"role-{role}", password="x" * 20, role=role))
    return made


@pytest.fixture
def address(batch: Batch, make_cards: Callable[..., list[Card]], user: User) -> Callable[[str], str]:
    """With what is there, shared with everybody to edit."""
    Batch.objects.update(everybody="edit", status="completed")
    template = versions.create(user, "Music", batch.specs(), everybody="edit")
    card, engine = make_cards(1)[0], Engine.objects.get().pk
    known = {"card_pk": card.pk, "name": "Music", "key": "author", "number": 1, "engine_id": engine}
    known |= {"person_id": user.pk, "invitation_id": 1, "token": "x", "uidb64": "x"}

    def made(name: str) -> str:
        pattern = PATTERNS[name]
        assert pattern is not None
        if not pattern.name:
            return f"/{name}"
        pk = template.pk if name.startswith("template") else engine
        parts = {part: known.get(part, pk) for part in pattern.pattern.converters}
        return reverse(name, kwargs=parts)

    return made


def is_refused(response: HttpResponse) -> bool:
    return response.status_code in {401, 403} or "/login/" in response.headers.get("Location", "")


@pytest.mark.parametrize("name", [name for names in RULES.values() for name in names.split()])
def test_who_may_gets_through_and_who_may_not_is_refused(
    people: dict[str, Client], address: Callable[[str], str], name: str
) -> None:
    path = address(name)
    for person, client in people.items():
        answers = [client.get(path), client.post(path)]
        taken = [response for response in answers if response.status_code != 405]
        assert taken
        refused = [is_refused(response) for response in taken]
        assert refused == [person not in ALLOWED[RULE_OF[name]]] * len(taken), person


@pytest.mark.parametrize("name", [name for names in NAMED.values() for name in names.split()])
def test_what_an_address_names_is_there_for_who_may(
    people: dict[str, Client], address: Callable[[str], str], name: str
) -> None:
    path = address(name)
    for person, client in people.items():
        if person == "anonymous" or person not in ALLOWED[RULE_OF[name]]:
            for response in (client.get(path), client.post(path)):
                assert response.status_code in {404, 405} or is_refused(response), person
        elif name != "template_sample":  # which without a card says 404 to everybody
            assert {client.get(path).status_code, client.post(path).status_code} - {405, 404, 403}, person
    Batch.objects.update(everybody="none")
    FieldTemplate.objects.update(everybody="none")
    for person in ("viewer", "reviewer", "operator"):
        for response in (people[person].get(path), people[person].post(path)):
            assert response.status_code in {404, 405}, person


def test_the_administration_is_for_administrators_alone(people: dict[str, Client]) -> None:
    pages = [reverse("admin:index")]
    for model in admin.site._registry:
        pages.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
    for person, client in people.items():
        answers = {page: client.get(page) for page in pages}
        if person == "administrator":
            assert {response.status_code for response in answers.values()} == {200}
        else:
            assert [page for page, response in answers.items() if not is_refused(response)] == [], person


def test_each_socket_names_the_tests_of_its_close_codes() -> None:
    assert {str(route.pattern) for route in websocket_urlpatterns} == CLOSED.keys()
    for codes in CLOSED.values():
        for code, test in codes.items():
            module, _, name = test.rpartition(".")
            held = getattr(importlib.import_module(f"tests.batches.{module}"), name)
            assert re.search(rf"\b{code}\b", inspect.getsource(held)), test
