"""Results through the calls: listed without loss, followed by version, corrected with a word about conflicts."""

import json

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from batches.actions import cards
from batches.intake import adding
from batches.models import Attempt, Batch, Card, CardResult, FieldRevision
from batches.states import BatchStatus, CardStatus, ResultState
from tests.batches.reading import give_result, stored
from tests.conftest import image_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(batch, make_cards) -> list[Card]:
    """Four cards: three read, one not."""
    made = [*make_cards(3, CardStatus.COMPLETED), *make_cards(1, CardStatus.FAILED, error="reply_invalid")]
    for card, author, sure in zip(made, ("Grieg", "Sinding", "Halvorsen"), (0.9, 0.5, 0.7), strict=False):
        give_result(card, {"author": stored(author, confidence=sure), "year": stored("1880")})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="Drawer-12_x", version=5)
    for number, card in enumerate(made, 2):
        Card.objects.filter(pk=card.pk).update(version=number)
    return list(Card.objects.order_by("pk"))


@pytest.fixture
def path(batch) -> str:
    return f"/batches/{batch.pk}/results"


def test_a_result_tells_what_was_read_and_what_holds(api, batch, read, path, user):
    card = read[0]
    Attempt.objects.create(
        card=card, result=card.result, engine_name="local", started_at="2026-11-20T00:00Z", tokens_in=7, cost="0.0012"
    )
    cards.correct(card, user, card.version, {"author": "Grieg, Edvard"}, accepted=["author"])
    told = api("get", f"{path}/{card.pk}").data
    assert told["values"] == {"author": "Grieg, Edvard", "year": "1880"}
    assert told["fields"]["author"] == {
        "verbatim": "Grieg",
        "value": "Grieg, Edvard",
        "state": "value",
        "confidence": 0.9,
        "region": None,
        "issues": [],
        "verified_by": "ingrid",
    }
    assert (told["tokens_in"], told["cost"], told["attempts"]) == (7, "0.001200", card.tries)
    assert (told["status"], told["error"], told["candidates"], told["entries"]) == ("completed", None, [], None)
    assert api("get", f"{path}/{card.filename}").data == told


def test_a_card_that_was_not_read_says_why(api, read, path):
    told = api("get", f"{path}/{read[3].pk}").data
    assert (told["values"], told["engine"], told["error"]["code"]) == ({}, None, "reply_invalid")
    assert len(told["error"]["message"]) > 10


def test_the_list_comes_in_parts_by_position(api, read, path):
    seen, cursor = [], None
    while True:
        part = api("get", path, data={"limit": 3} | ({"cursor": cursor} if cursor else {})).data
        seen += [one["card_id"] for one in part["items"]]
        assert part["total"] == 4
        if (cursor := part["next"]) is None:
            break
    assert seen == [card.pk for card in read]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("status=failed", [3]),
        ("min_confidence=0.7", [0, 2]),
        ("reviewed=true", [1]),
        ("reviewed=false&status=completed", [0, 2]),
        ("q=sind", [1]),
        ("since=3", [2, 3]),
        ("since=3&limit=1", [2]),
        ("since=5", []),
    ],
)
def test_the_list_is_narrowed(api, batch, read, path, query, numbers):
    Card.objects.filter(pk=read[1].pk).update(reviewed=True)
    part = api("get", f"{path}?{query}").data
    assert [one["card_id"] for one in part["items"]] == [read[number].pk for number in numbers]
    assert part["total"] is None


def test_who_follows_by_version_gets_each_change_once(api, batch, read, path, user):
    Card.objects.update(version=2)  # four at once: one version
    Batch.objects.update(version=2)
    seen, cursor = [], None
    while True:
        part = api("get", path, data={"since": 0, "limit": 3} | ({"cursor": cursor} if cursor else {})).data
        seen += [(one["card_id"], one["version"]) for one in part["items"]]
        if (cursor := part["next"]) is None:
            break
    assert seen == [(card.pk, 2) for card in read]
    fresh = Card.objects.get(pk=read[0].pk)
    cards.correct(fresh, user, fresh.version, {"author": "Bull"})
    items = api("get", path, data={"since": 2}).data["items"]
    assert [(one["card_id"], one["values"]["author"]) for one in items] == [(fresh.pk, "Bull")]


def test_many_results_take_as_many_queries_as_few(api, batch, make_cards, django_assert_max_num_queries):
    for card in make_cards(40, CardStatus.COMPLETED):
        give_result(card, {"author": stored("Grieg")})
    with django_assert_max_num_queries(12):
        assert len(api("get", f"/batches/{batch.pk}/results").data["items"]) == 40


# -- corrected


def correct(api, path, card, **body):
    fresh = Card.objects.get(pk=card.pk)
    return api("patch", f"{path}/{card.pk}", {"version": fresh.version} | body)


def test_a_correction_holds_and_the_reading_stays_in_the_history(api, read, path):
    told = correct(api, path, read[0], values={"author": "Bull"}, reviewed=True).data
    assert (told["values"]["author"], told["reviewed"], told["reviewed_by"]) == ("Bull", True, "ingrid")
    history = api("get", f"{path}/{read[0].pk}/history").data
    (correction,) = history["corrections"]
    assert (correction["by"], correction["old"], correction["new"], correction["key"]) == (
        "ingrid",
        "Grieg",
        "Bull",
        "author",
    )
    assert CardResult.objects.get(card=read[0]).fields["author"]["value"] == "Grieg"


def test_somebody_elses_change_is_told_and_kept(api, read, path, other_user):
    old = read[0].version
    cards.correct(read[0], other_user, old, {"author": "Bull"})
    details = api.refused(
        "EDIT_CONFLICT", "patch", f"{path}/{read[0].pk}", {"version": old, "values": {"author": "Holter"}}
    )
    assert details["values"]["author"] == "Bull"
    assert FieldRevision.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "version"),
        ({"version": 2, "values": {"odd": "x"}}, "values"),
        ({"version": 2, "values": {"author": 3}}, "values.author"),
        ({"version": 2, "values": {"author": "a\x00"}}, "values.author"),
        ({"version": 2**63}, "version"),
        ({"version": 2, "odd": 1}, "odd"),
    ],
)
def test_what_is_wrong_with_a_correction_is_told(api, read, path, body, name):
    assert list(api.refused("VALIDATION_ERROR", "patch", f"{path}/{read[0].pk}", body)) == [name]


def test_a_card_that_was_not_read_is_not_corrected(api, read, path):
    assert correct(api, path, read[3], values={"author": "x"}).error["code"] == "BATCH_STATE_INVALID"


# -- other readings


@pytest.fixture
def other(read) -> CardResult:
    card = read[0]
    Card.objects.filter(pk=card.pk).update(candidates=1, to_check=True)
    Batch.objects.update(to_check=1, check_again=1)
    values = {"author": "Grief", "year": "1880"}
    return CardResult.objects.create(
        card=card, state=ResultState.CANDIDATE, engine_name="other", values=values, fields={"author": stored("Grief")}
    )


def test_another_reading_is_listed_and_accepted(api, read, path, other):
    (told,) = api("get", f"{path}/{read[0].pk}").data["candidates"]
    assert told == {"n": other.pk, "engine": "other", "model": "", "values": other.values}
    version = Card.objects.get(pk=read[0].pk).version
    response = api("post", f"{path}/{read[0].pk}/candidates/{other.pk}/accept", {"version": version})
    assert (response.data["values"]["author"], response.data["candidates"]) == ("Grief", [])
    api.refused(
        "RESOURCE_NOT_FOUND",
        "post",
        f"{path}/{read[0].pk}/candidates/{other.pk}/accept",
        {"version": response.data["version"]},
    )


def test_or_rejected_or_decided_by_somebody_else_first(api, read, path, other, other_user):
    version = Card.objects.get(pk=read[0].pk).version
    told = api("post", f"{path}/{read[0].pk}/candidates/{other.pk}/reject", {"version": version}).data
    assert (told["values"]["author"], told["candidates"]) == ("Grieg", [])
    details = api.refused(
        "EDIT_CONFLICT", "post", f"{path}/{read[0].pk}/candidates/{other.pk}/accept", {"version": version}
    )
    assert details["version"] > version
    api.refused("RESOURCE_NOT_FOUND", "post", f"{path}/{read[0].pk}/candidates/{2**70}/accept", {"version": version})


@pytest.mark.parametrize("decision", ["accept", "reject"])
def test_nothing_is_decided_about_a_card_that_changed_or_waits(api, read, path, other, decision):
    version = Card.objects.get(pk=read[0].pk).version
    decide = f"{path}/{read[0].pk}/candidates/{other.pk}/{decision}"
    assert api.refused("EDIT_CONFLICT", "post", decide, {"version": version + 1})["version"] == version
    Card.objects.filter(pk=read[0].pk).update(status="failed")
    assert api.refused("BATCH_STATE_INVALID", "post", decide, {"version": version}) == {"status": "failed"}
    assert CardResult.objects.get(pk=other.pk).state == ResultState.CANDIDATE


# -- images and export


def test_the_image_of_a_card(api, batch):
    (card,) = adding.add_file(batch, "1.jpg", [image_bytes((80, 60))]).cards
    response = api.client.get(f"/api/v1/batches/{batch.pk}/images/{card.filename}?size=full", headers=api.headers)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/jpeg")
    api.refused("RESOURCE_NOT_FOUND", "get", f"/batches/{batch.pk}/images/{card.pk}")
    api.refused("VALIDATION_ERROR", "get", f"/batches/{batch.pk}/images/{card.pk}?size=odd")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "txt", "xlsx"])
def test_the_results_as_a_file(api, batch, read, form):
    async def scenario():
        response = await AsyncClient().get(f"/api/v1/batches/{batch.pk}/export?format={form}", headers=api.headers)
        return response, b"".join([part async for part in response])

    response, content = async_to_sync(scenario)()
    assert "attachment" in response.headers["Content-Disposition"]
    assert content.startswith(b"PK") if form == "xlsx" else b"Sinding" in content
    if form == "json":
        assert len(json.loads(content)["cards"]) == 4


def test_a_draft_has_no_file(api, batch):
    assert api.refused("BATCH_STATE_INVALID", "get", f"/batches/{batch.pk}/export") == {"status": "draft"}
    assert list(api.refused("VALIDATION_ERROR", "get", f"/batches/{batch.pk}/export?format=odd")) == ["format"]


# -- who may

SEEN = ("/results", "/results/{card}", "/results/{card}/history", "/images", "/images/{card}", "/export")
CHANGED = (
    ("patch", "/results/{card}", {"version": 2, "values": {"author": "x"}}),
    ("post", "/results/{card}/candidates/{other}/accept", {"version": 2}),
    ("post", "/results/{card}/candidates/{other}/reject", {"version": 2}),
)


@pytest.mark.parametrize("where", SEEN)
def test_nobody_sees_results_of_a_batch_that_is_not_shared(others_api, anonymous, batch, read, where):
    Batch.objects.update(everybody="none")
    path = f"/batches/{batch.pk}{where.format(card=read[0].pk)}"
    others_api.refused("RESOURCE_NOT_FOUND", "get", path)
    anonymous.refused("AUTH_REQUIRED", "get", path)


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("reviewer", 200), ("operator", 200)])
def test_reviewers_correct_what_is_shared_with_them(others_api, other_user, read, path, role, status):
    other_user.role = role
    other_user.save()
    body = {"version": read[0].version, "values": {"author": "Bull"}}
    assert others_api("patch", f"{path}/{read[0].pk}", body).status_code == status


@pytest.mark.parametrize(("method", "where", "body"), CHANGED)
def test_nobody_changes_results_of_a_batch_that_is_not_shared(
    others_api, anonymous, batch, read, other, method, where, body
):
    Batch.objects.update(everybody="none")
    path = f"/batches/{batch.pk}{where.format(card=read[0].pk, other=other.pk)}"
    others_api.refused("RESOURCE_NOT_FOUND", method, path, body)
    anonymous.refused("AUTH_REQUIRED", method, path, body)
    assert CardResult.objects.get(pk=read[0].result_id).values["author"] == "Grieg"


def test_a_card_of_another_batch_is_not_found_under_this_one(api, batch, read, user, path):
    other = Batch.objects.create(name="Other", owner=user)
    api.refused("RESOURCE_NOT_FOUND", "get", f"/batches/{other.pk}/results/{read[0].pk}")
