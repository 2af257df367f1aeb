"""A batch before its start: made, given scans and fields, chosen from; and what may be changed at any time."""

import zipfile
from io import BytesIO

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile

from batches.actions import runs
from batches.models import Activity, Batch, Card
from ocr.models import Engine
from tests.conftest import image_bytes

pytestmark = pytest.mark.django_db


def scan(name: str = "1.jpg", content: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, image_bytes((80, 60)) if content is None else content)


def send(api, batch, *files, **more):
    return api("post", f"/batches/{batch.pk}/images", data={"files": list(files)}, **more)


def started(batch, user):
    batch.refresh_from_db()
    return runs.start(batch, user)


# -- made and changed


def test_a_batch_is_made_with_all_that_is_said(api, user, engine):
    body = {
        "name": " Drawer  13 ",
        "collection": "Music",
        "tags": ["print", "Print", "1900"],
        "fields": [{"label": "Author", "required": True}, {"label": "Year"}],
        "engine_id": engine.pk,
        "options": {"retries": 4, "transcribe": True, "rotation": 90},
    }
    response = api("post", "/batches", body)
    assert response.status_code == 201
    told = response.data
    assert (told["name"], told["collection"], told["tags"]) == ("Drawer 13", "Music", ["1900", "print"])
    assert [(one["key"], one["type"]) for one in told["fields"]] == [("author", "text"), ("year", "year")]
    assert (told["status"], told["label"], told["owner"]) == ("draft", None, "ingrid")
    options = told["options"]
    assert (options["retries"], options["transcribe"], options["rotation"], options["chunk_size"]) == (4, True, 90, 50)
    assert Batch.objects.get().pk == told["id"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x\x00"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "odd": 1}, "odd"),
        ({"name": "x", "tags": ["a"] * 21}, "tags"),
        ({"name": "x", "tags": ["a,b"]}, "tags"),
        ({"name": "x", "template_id": 999_999_999}, "template_id"),
        ({"name": "x", "engine_id": 999_999_999}, "engine_id"),
        ({"name": "x", "fields": [{"label": "A", "key": "a"}, {"label": "B", "key": "a"}]}, "fields"),
        ({"name": "x", "fields": [{"label": "A", "pattern": "("}]}, "fields"),
        ({"name": "x", "fields": [{"label": "A", "type": "odd"}]}, "fields.0.type"),
        ({"name": "x", "options": {"retries": 11}}, "options.retries"),
        ({"name": "x", "options": {"odd": 1}}, "options.odd"),
    ],
)
def test_what_is_wrong_with_a_new_batch_is_told_and_none_is_made(api, engine, body, name):
    assert list(api.refused("VALIDATION_ERROR", "post", "/batches", body)) == [name]
    assert not Batch.objects.exists()


def test_an_engine_that_cannot_do_what_is_asked_is_refused_and_nothing_is_made(api, engine):
    body = {"name": "x", "engine_id": engine.pk, "options": {"summarize": True}}
    api.refused("VALIDATION_ERROR", "post", "/batches", body)
    assert not Batch.objects.exists()


def test_sent_twice_with_a_key_one_batch_is_made(api, engine):
    for _ in range(2):
        api("post", "/batches", {"name": "x"}, headers={"Idempotency-Key": "k"})
    assert Batch.objects.count() == 1


def test_name_collection_tags_and_budget_change_at_any_time(api, user, batch, make_cards):
    make_cards(1)
    started(batch, user)
    told = api("patch", f"/batches/{batch.pk}", {"name": "Drawer 14", "tags": ["a"], "budget": "12.50"}).data
    assert (told["name"], told["collection"], told["tags"], told["budget"]) == ("Drawer 14", "Music", ["a"], "12.50")
    assert told["label"].startswith("Drawer-12_")
    assert api("patch", f"/batches/{batch.pk}", {"budget": None}).data["budget"] is None
    assert list(api.refused("VALIDATION_ERROR", "patch", f"/batches/{batch.pk}", {"budget": 0})) == ["budget"]


def test_its_owner_says_whom_it_is_shared_with(api, others_api, other_user, batch):
    group = Group.objects.create(name="Catalogue")
    other_user.groups.add(group)
    path = f"/batches/{batch.pk}"
    shared = {"everybody": "none", "groups": {"Catalogue": "edit"}}
    assert api("patch", path, {"sharing": shared}).data["sharing"] == shared
    assert others_api("patch", path, {"collection": "Maps"}).data["sharing"] == shared
    others_api.refused("PERMISSION_DENIED", "patch", path, {"sharing": {"everybody": "edit"}})
    for wrong in ({"everybody": "all"}, {"everybody": "none", "groups": {"Nobody": "read"}}, {"groups": {}}):
        api.refused("VALIDATION_ERROR", "patch", path, {"sharing": wrong})
    assert api("patch", path, {"sharing": {"everybody": "none"}}).data["sharing"]["groups"] == {}
    others_api.refused("RESOURCE_NOT_FOUND", "get", path)


def test_a_batch_is_deleted_by_whoever_says_its_name(api, batch):
    assert list(api.refused("VALIDATION_ERROR", "delete", f"/batches/{batch.pk}")) == ["confirm"]
    assert api("delete", f"/batches/{batch.pk}?confirm=Drawer 12").data is None
    assert Batch.objects.get().deleted_at is not None
    api.refused("RESOURCE_NOT_FOUND", "get", f"/batches/{batch.pk}")


def test_a_batch_that_somebody_lets_go_on_meanwhile_is_not_deleted(api, batch, make_cards, monkeypatch):
    make_cards(1, "pending")
    Batch.objects.update(status="running")
    cancel = runs.cancel

    def resumed(batch, by):
        cancel(batch, by)
        Batch.objects.update(status="queued")

    monkeypatch.setattr(runs, "cancel", resumed)
    told = api.refused("BATCH_STATE_INVALID", "delete", f"/batches/{batch.pk}?confirm=Drawer 12")
    assert told == {"status": "queued"}
    assert Batch.objects.get().deleted_at is None


# -- scans


def test_one_bad_file_does_not_spoil_the_others(api, batch):
    told = send(api, batch, scan("Mäppe/1 a.jpg"), scan("2.txt", b"no image"), scan("3.jpg", b"")).data
    assert [(one["original_name"], one["code"]) for one in told["rejected"]] == [
        ("2.txt", "FILE_TYPE_INVALID"),
        ("3.jpg", "FILE_TYPE_INVALID"),
    ]
    card = Card.objects.get()
    assert told["added"] == [{"id": card.pk, "filename": card.filename, "original_name": card.original_name}]
    assert told["tasks"] == []
    listed = api("get", f"/batches/{batch.pk}/images").data
    assert (listed["total"], [one["id"] for one in listed["items"]]) == (1, [card.pk])


def test_the_same_file_twice_is_told(api, batch):
    send(api, batch, scan())
    told = send(api, batch, scan("again.jpg")).data
    assert (told["added"], [one["code"] for one in told["rejected"]]) == ([], ["DUPLICATE"])


def test_a_container_becomes_its_cards_and_the_bad_ones_in_it_are_told(api, batch):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.jpg", image_bytes((80, 60)))
        archive.writestr("b.txt", "no")
    told = send(api, batch, scan("box.zip", packed.getvalue())).data
    assert [one["original_name"] for one in told["added"]] == ["box.zip/a.jpg"] or len(told["added"]) == 1
    assert [one["code"] for one in told["rejected"]] == ["FILE_TYPE_INVALID"]


def test_files_are_needed(api, batch):
    assert list(api.refused("VALIDATION_ERROR", "post", f"/batches/{batch.pk}/images")) == ["files"]


def test_a_scan_is_taken_out_by_name_or_id(api, batch):
    one, two = send(api, batch, scan(), scan("2.jpg", image_bytes((90, 60)))).data["added"]
    assert api("delete", f"/batches/{batch.pk}/images/{one['filename']}").data is None
    assert api("delete", f"/batches/{batch.pk}/images/{two['id']}").data is None
    assert not Card.objects.exists()
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/batches/{batch.pk}/images/{two['id']}")


# -- chosen


def test_cards_are_chosen_all_at_once_and_one_by_one(api, batch, make_cards):
    cards = make_cards(4)
    path = f"/batches/{batch.pk}/selection"
    told = api("put", path, {"all": False, "chosen": [cards[1].pk]}).data
    assert told == {"total": 4, "chosen": 1, "not_chosen": 3, "blank": 0}
    left = api("get", f"/batches/{batch.pk}/images?only=left-out").data["items"]
    assert {one["skip_reason"] for one in left} == {"not_chosen"}
    assert api("put", path, {"all": True, "left_out": [cards[0].pk]}).data["chosen"] == 3
    assert list(api.refused("VALIDATION_ERROR", "put", path, {"chosen": [2**70]})) == ["chosen"]
    both = {"chosen": [cards[0].pk], "left_out": [cards[0].pk]}
    assert list(api.refused("VALIDATION_ERROR", "put", path, both)) == ["left_out"]


# -- fields


def test_fields_are_set_and_guessed_types_are_told(api, batch):
    told = api("put", f"/batches/{batch.pk}/fields", {"fields": [{"label": "Datum"}], "instruction": "Read."}).data
    assert [(one["key"], one["type"]) for one in told["fields"]] == [("datum", "date")]
    assert told["instruction"] == "Read."
    told = api("put", f"/batches/{batch.pk}/fields", {"fields": [{"label": "Autor"}]}).data
    assert told["instruction"] == "Read.", "what is not sent stays"
    assert list(api.refused("VALIDATION_ERROR", "put", f"/batches/{batch.pk}/fields", {"fields": []})) == ["fields"]


# -- after the start


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("put", "fields", {"fields": [{"label": "A"}]}),
        ("put", "selection", {"all": True}),
        ("delete", "images/card-0001.jpg", None),
        ("post", "try", {}),
    ],
)
def test_after_the_start_nothing_of_it_changes(api, user, batch, make_cards, method, path, body):
    make_cards(2)
    started(batch, user)
    api.refused("BATCH_LOCKED", method, f"/batches/{batch.pk}/{path}", body)
    assert batch.cards.count() == 2


def test_after_the_start_no_scan_is_added(api, user, batch, make_cards):
    make_cards(1)
    started(batch, user)
    assert send(api, batch, scan()).error["code"] == "BATCH_LOCKED"


# -- who may


CHANGES = [
    ("patch", "", {"name": "x"}),
    ("delete", "?confirm=Drawer 12", None),
    ("put", "/fields", {"fields": [{"label": "A"}]}),
    ("put", "/selection", {"all": True}),
    ("delete", "/images/card-0001.jpg", None),
    ("post", "/try", {}),
    ("post", "/start", {"confirm": True}),
    ("post", "/pause", None),
    ("post", "/resume", None),
    ("post", "/cancel", None),
    ("post", "/retry", None),
    ("post", "/retry-image/card-0001.jpg", None),
    ("post", "/reread", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_whoever_may_look_may_not_change(others_api, batch, make_cards, method, path, body):
    make_cards(1)
    others_api.refused("PERMISSION_DENIED", method, f"/batches/{batch.pk}{path}", body)
    Batch.objects.update(everybody="none")
    others_api.refused("RESOURCE_NOT_FOUND", method, f"/batches/{batch.pk}{path}", body)
    assert Batch.objects.get().version == 0
    assert not Activity.objects.exists()


def test_whoever_may_look_adds_no_scan(others_api, batch):
    assert send(others_api, batch, scan()).error["code"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("role", ["", "viewer", "reviewer"])
def test_only_operators_make_batches(api, user, engine, role):
    user.role = role
    user.save()
    api.refused("PERMISSION_DENIED", "post", "/batches", {"name": "x"})
    assert not Batch.objects.exists()


def test_whoever_may_edit_deletes_nothing_of_somebody_elses(others_api, batch):
    Batch.objects.update(everybody="edit")
    assert others_api("patch", f"/batches/{batch.pk}", {"name": "x"}).status_code == 200
    others_api.refused("PERMISSION_DENIED", "delete", f"/batches/{batch.pk}?confirm=x")


def test_an_engine_that_is_out_of_use_is_not_chosen(api, engine):
    Engine.objects.update(enabled=False)
    api.refused("VALIDATION_ERROR", "post", "/batches", {"name": "x", "engine_id": engine.pk})
