import pytest
from django.test import Client

from batches import changes
from batches.actions import trash
from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_deleting_takes_the_name(ingrid: Client, batch: Batch) -> None:
    where = f"/batches/{batch.pk}/delete/"
    assert "Type the name of the batch: Drawer 12" in ingrid.get(where).text
    response = ingrid.post(where, {"name": "drawer"})
    assert response.status_code == 422
    assert "That is not the name of this batch." in response.text
    assert Batch.objects.get().deleted_at is None
    assert ingrid.post(where, {"name": " Drawer 12 "}).headers["Location"] == "/trash/"
    assert Batch.objects.get().deleted_at is not None
    assert ingrid.get(where).status_code == 404


def test_a_batch_being_read_is_stopped_and_the_page_says_so(ingrid: Client, batch: Batch) -> None:
    Batch.objects.update(status=BatchStatus.RUNNING)
    assert "stops the reading first" in ingrid.get(f"/batches/{batch.pk}/delete/").text
    ingrid.post(f"/batches/{batch.pk}/delete/", {"name": "Drawer 12"})
    assert Batch.objects.get().status == BatchStatus.CANCELLED


def test_one_resumed_meanwhile_is_kept(ingrid: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(batch: Batch, user: User) -> None:
        raise changes.TransitionRefused("running", "cancelled")

    monkeypatch.setattr(trash, "delete", refuse)
    assert ingrid.post(f"/batches/{batch.pk}/delete/", {"name": "Drawer 12"}).status_code == 422


def test_back_from_the_trash(ingrid: Client, batch: Batch, user: User) -> None:
    trash.delete(batch, user)
    assert "Drawer 12" in ingrid.get("/trash/").text
    assert ingrid.post(f"/trash/{batch.pk}/restore/").headers["Location"] == f"/batches/{batch.pk}/upload/"
    assert "The trash is empty" in ingrid.get("/trash/").text


def test_for_good_is_asked_twice(ingrid: Client, batch: Batch, user: User) -> None:
    trash.delete(batch, user)
    assert "Nobody can bring them back." in ingrid.get(f"/trash/{batch.pk}/empty/").text
    assert Batch.objects.exists()
    assert ingrid.post(f"/trash/{batch.pk}/empty/").headers["Location"] == "/trash/"
    assert not Batch.objects.exists()


def test_only_ones_own_trash_but_an_administrator_sees_all(
    client: Client, batch: Batch, user: User, other_user: User, administrator: User
) -> None:
    trash.delete(batch, user)
    client.force_login(other_user)
    assert "Drawer 12" not in client.get("/trash/").text
    assert client.post(f"/trash/{batch.pk}/restore/").status_code == 404
    assert client.get(f"/trash/{batch.pk}/empty/").status_code == 404
    assert client.post(f"/trash/{batch.pk}/empty/").status_code == 404
    client.force_login(administrator)
    assert "Ingrid Solberg" in client.get("/trash/").text
    assert client.post(f"/trash/{batch.pk}/restore/").status_code == 302
