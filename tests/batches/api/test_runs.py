"""A batch on its way, through the calls: tried, started, paused, resumed, stopped, retried, read again."""

import pytest

from batches.actions import runs
from batches.models import Batch, Card, TryCard, Upload
from batches.states import BatchStatus, CardStatus, UploadStatus
from tests.batches.reading import give_result, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(batch) -> str:
    return f"/batches/{batch.pk}"


def test_a_start_is_confirmed_and_twice_is_once(api, batch, make_cards, path):
    make_cards(2)
    for body in ({}, {"confirm": False}):
        assert list(api.refused("VALIDATION_ERROR", "post", f"{path}/start", body)) == ["confirm"]
    first = api("post", f"{path}/start", {"confirm": True})
    assert (first.status_code, first.data) == (202, {"task_id": f"batch-{batch.uid}", "status": "pending"})
    label = Batch.objects.get().label
    assert api("post", f"{path}/start", {"confirm": True}).data == first.data
    assert Batch.objects.get().label == label
    task = api("get", f"/tasks/{first.data['task_id']}").data
    assert (task["task_type"], task["status"], task["progress"]) == ("read_batch", "pending", 0)


@pytest.mark.parametrize("lacks", ["cards", "fields", "engine"])
def test_what_a_start_lacks_is_told(api, batch, make_cards, path, lacks):
    if lacks != "cards":
        make_cards(1)
    Batch.objects.update(**{"fields": {"fields": []}, "engine": {"engine": None}}.get(lacks, {}))
    api.refused("VALIDATION_ERROR", "post", f"{path}/start", {"confirm": True})
    assert Batch.objects.get().status == BatchStatus.DRAFT


def test_pause_resume_and_cancel(api, batch, make_cards, path):
    make_cards(2)
    for act in ("pause", "resume", "cancel"):
        assert api.refused("BATCH_STATE_INVALID", "post", f"{path}/{act}") == {"status": "draft"}
    api("post", f"{path}/start", {"confirm": True})
    assert api("post", f"{path}/pause").data["status"] == "paused"
    told = api("get", path).data
    assert (told["status"], told["pause_reason"]) == ("paused", "person")
    assert api("get", f"/tasks/batch-{batch.uid}").data["status"] == "paused"
    assert api("post", f"{path}/resume").data["status"] == "queued"
    assert api("post", f"/tasks/batch-{batch.uid}/cancel").data["status"] == "cancelled"
    assert api("get", f"{path}/status").data["cancelled"] == 2
    assert api("post", f"{path}/resume").data["status"] == "queued", "the rest is read later"
    assert api("post", f"{path}/cancel").data["status"] == "cancelled"
    details = api.refused("TASK_ALREADY_COMPLETED", "post", f"/tasks/batch-{batch.uid}/cancel")
    assert details == {"status": "cancelled"}


@pytest.fixture
def over(batch, user, make_cards) -> list[Card]:
    """Read: one card came out, one could not be read."""
    cards = [*make_cards(1, CardStatus.COMPLETED), *make_cards(1, CardStatus.FAILED, error="reply_invalid")]
    give_result(cards[0], {"author": stored("Grieg")})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d", started_at="2026-11-20T00:00Z")
    return cards


def test_failed_cards_are_read_again_and_nothing_else(api, over, path):
    response = api("post", f"{path}/retry")
    assert (response.status_code, response.data) == (202, {"retried": 1})
    assert [card.status for card in Card.objects.order_by("pk")] == ["completed", "pending"]
    assert api("post", f"{path}/retry").data == {"retried": 0}


def test_one_failed_card_is_read_again(api, over, path):
    assert api("post", f"{path}/retry-image/{over[1].filename}").data == {"retried": 1}
    details = api.refused("BATCH_STATE_INVALID", "post", f"{path}/retry-image/{over[0].pk}")
    assert details == {"status": "completed"}
    api.refused("RESOURCE_NOT_FOUND", "post", f"{path}/retry-image/nothing.jpg")


def test_a_draft_has_nothing_to_read_again(api, path):
    assert api.refused("BATCH_STATE_INVALID", "post", f"{path}/retry") == {"status": "draft"}


def test_cards_are_read_once_more(api, batch, over, path):
    response = api("post", f"{path}/reread", {"filter": {"filter": "problems"}})
    assert (response.status_code, response.data) == (202, {"task_id": f"batch-{batch.uid}", "cards": 1})
    api.refused("BATCH_STATE_INVALID", "post", f"{path}/reread", {})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"card_ids": []}, "card_ids"),
        ({"card_ids": [1], "filter": {}}, "card_ids"),
        ({"engine_id": 999_999_999}, "engine_id"),
        ({"template_version_id": 999_999_999}, "template_version_id"),
        ({"filter": {"filter": "odd"}}, "filter.filter"),
        ({"filter": {"field": "odd"}}, "field"),
        ({"filter": {"below": 100}}, "filter.below"),
    ],
)
def test_what_is_wrong_with_reading_again_is_told(api, over, path, body, name):
    assert list(api.refused("VALIDATION_ERROR", "post", f"{path}/reread", body)) == [name]


def test_no_card_that_could_be_read_again(api, over, path):
    api.refused("BATCH_STATE_INVALID", "post", f"{path}/reread", {"card_ids": [2**62]})


def test_cards_of_a_draft_are_tried(api, batch, make_cards, path):
    cards = make_cards(5, prepared_at="2026-11-20T00:00Z")
    response = api("post", f"{path}/try", {"card_ids": [cards[3].pk]})
    assert response.status_code == 202
    assert response.data == {"cards": [{"card_id": cards[3].pk, "finished": False, "values": None, "error": None}]}
    TryCard.objects.update(finished_at="2026-11-20T00:00Z", error="reply_invalid")
    told = api("get", f"{path}/try").data["cards"][0]
    assert (told["finished"], told["error"]) == (True, "reply_invalid")
    assert list(api.refused("VALIDATION_ERROR", "post", f"{path}/try", {"card_ids": [2**70]})) == ["card_ids"]
    too_many = {"card_ids": [card.pk for card in cards]}
    api.refused("VALIDATION_ERROR", "post", f"{path}/try", too_many)


# -- tasks


@pytest.mark.parametrize("name", ["batch-", "batch-nothing", "file-", "file-0", "file-²", "file-x", "odd", "%00"])
def test_a_task_that_is_not_there(api, batch, name):
    api.refused("TASK_NOT_FOUND", "get", f"/tasks/{name}")
    api.refused("TASK_NOT_FOUND", "post", f"/tasks/{name}/cancel")


def test_a_draft_is_no_task_and_somebody_elses_private_batch_neither(api, others_api, batch, make_cards, user):
    api.refused("TASK_NOT_FOUND", "get", f"/tasks/batch-{batch.uid}")
    make_cards(1)
    batch.refresh_from_db()
    runs.start(batch, user)
    assert others_api("get", f"/tasks/batch-{batch.uid}").status_code == 200
    others_api.refused("PERMISSION_DENIED", "post", f"/tasks/batch-{batch.uid}/cancel")
    Batch.objects.update(everybody="none")
    others_api.refused("TASK_NOT_FOUND", "get", f"/tasks/batch-{batch.uid}")


def test_a_file_that_is_being_opened_is_a_task(api, batch):
    upload = Upload.objects.create(
        batch=batch, name="box.zip", status=UploadStatus.OPENING, pages_done=3, pages_total=12, cards_made=2
    )
    told = api("get", f"/tasks/file-{upload.pk}").data
    assert (told["task_type"], told["status"], told["progress"]) == ("open_file", "running", 25)
    api.refused("BATCH_STATE_INVALID", "post", f"/tasks/file-{upload.pk}/cancel")
    Upload.objects.update(status=UploadStatus.REFUSED, message="It is damaged.")
    told = api("get", f"/tasks/file-{upload.pk}").data
    assert (told["status"], told["error_message"], told["result"]["cards"]) == ("failed", "It is damaged.", 2)
