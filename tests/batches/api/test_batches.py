import pytest

from batches.models import Batch, Tag
from batches.states import BatchStatus

pytestmark = pytest.mark.django_db


def test_a_batch_by_id_uid_and_label(api, batch):
    Batch.objects.update(label="Drawer-12_2026-11-20_14-05_x", status=BatchStatus.COMPLETED)
    Tag.objects.create(batch=batch, name="print")
    told = [api("get", f"/batches/{name}").data for name in (batch.pk, batch.uid, "Drawer-12_2026-11-20_14-05_x")]
    assert told[0] == told[1] == told[2]
    one = told[0]
    assert (one["id"], one["name"], one["owner"], one["tags"]) == (batch.pk, "Drawer 12", "ingrid", ["print"])
    assert [field["key"] for field in one["fields"]] == ["author", "title", "year"]
    assert (one["engine"], one["options"]["retries"], one["pause_reason"]) == ("local", 2, None)
    assert one["progress"] == api("get", f"/batches/{batch.pk}/status").data
    assert (one["progress"]["total"], one["progress"]["percent"]) == (0, 0)


@pytest.mark.parametrize("name", ["0", "999999", "x", "9" * 40, "%00", "²"])
def test_what_is_no_batch_is_not_found(api, batch, name):
    api.refused("RESOURCE_NOT_FOUND", "get", f"/batches/{name}")


def test_a_private_batch_is_not_there_for_others(api, others_api, batch):
    assert others_api("get", f"/batches/{batch.pk}").status_code == 200
    Batch.objects.update(everybody="none")
    assert api("get", f"/batches/{batch.pk}").status_code == 200
    for path in ("", "/status"):
        others_api.refused("RESOURCE_NOT_FOUND", "get", f"/batches/{batch.pk}{path}")
    assert others_api("get", "/batches").data["items"] == []


def test_the_list_is_narrowed(api, user, other_user, batch):
    Tag.objects.create(batch=batch, name="print")
    other = Batch.objects.create(name="Maps 1", owner=other_user, status=BatchStatus.COMPLETED, collection="Maps")
    wanted = {
        "": [other.pk, batch.pk],
        "q=drawer": [batch.pk],
        "tag=print": [batch.pk],
        "owner=magnus": [other.pk],
        "collection=Maps": [other.pk],
        "status=completed": [other.pk],
        "status=draft&owner=magnus": [],
    }
    for query, ids in wanted.items():
        assert [one["id"] for one in api("get", f"/batches?{query}").data["items"]] == ids, query
    assert list(api.refused("VALIDATION_ERROR", "get", "/batches?status=odd")) == ["status"]


def test_the_list_takes_as_many_queries_for_many_batches_as_for_one(
    api, user, engine, batch, django_assert_max_num_queries
):
    for number in range(20):
        one = Batch.objects.create(name=f"B {number}", owner=user, engine=engine)
        Tag.objects.create(batch=one, name="print")
    with django_assert_max_num_queries(8):
        assert len(api("get", "/batches").data["items"]) == 21
