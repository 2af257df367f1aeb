"""The page of what is old: for administrators, who see what would go before anything does."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from batches.actions import clearing as clearings
from batches.drain import clearing as drain
from batches.models import Activity, Batch, BatchShare, Clearing, ClearingItem, Upload
from batches.states import BatchStatus, UploadStatus
from cardocr_site.accounts.models import User
from tests.site.everywhere import whole

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def finished(batch: Batch) -> Batch:
    past = timezone.now() - timedelta(days=1000)
    Batch.objects.filter(pk=batch.pk).update(
        status=BatchStatus.COMPLETED, changed_at=past, total=1234, completed=1234, reviewed=7
    )
    return Batch.objects.get(pk=batch.pk)


def test_what_is_old_is_listed_with_what_one_needs_to_decide(root: Client, finished: Batch, user: User):
    BatchShare.objects.create(batch=finished, group=Group.objects.create(name="Music room"))
    Activity.objects.create(batch=finished, by=user, kind="export", at=timezone.now() - timedelta(days=900))
    Upload.objects.create(batch=finished, name="a.zip", size=3_000_000, status=UploadStatus.DONE)
    text = root.get("/old/").text
    for shown in ("Drawer 12", "1234", "Ingrid Solberg", "Music room", "2.9", "1 batch, longest untouched first"):
        assert shown in text, shown
    assert "never" not in text.partition("<table")[2].partition("</table>")[0]
    assert "Nothing is that old" in root.get("/old/?kind=drafts").text
    assert "Nothing is that old" in root.get("/old/?months=40").text


@pytest.mark.parametrize("query", ["months=0", "months=601", "months=x", "months=%C2%B2", "kind=all", "months="])
def test_nonsense_is_told(root: Client, query: str):
    response = root.get(f"/old/?{query}")
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert root.post("/old/", dict([query.split("=")])).status_code == 422
    assert not Clearing.objects.exists()


def test_the_table_alone_for_htmx(root: Client, finished: Batch):
    text = root.get("/old/", headers={"HX-Request": "true", "HX-Target": "old"}).text
    assert text.lstrip().startswith('<div id="old">')
    assert "<h1>" not in text


def test_the_list_asks_no_more_for_more_batches(
    root: Client, finished: Batch, django_assert_max_num_queries: Any, user: User
):
    for n in range(5):
        copy = Batch.objects.create(name=f"Drawer {n}", owner=user, status=BatchStatus.COMPLETED)
        Batch.objects.filter(pk=copy.pk).update(changed_at=finished.changed_at)
    with django_assert_max_num_queries(14):
        root.get("/old/")


def test_from_the_preview_to_the_end(root: Client, finished: Batch):
    where = root.post("/old/", {"kind": "finished", "months": "12"}).headers["Location"]
    page = root.get(where).text
    assert "Type the number of cards" in page
    assert "1 batch, 1234 cards" in page
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    refused = root.post(where, {"number": "12", "seen": seen})
    assert (refused.status_code, "That is not the number." in refused.text) == (422, True)
    assert root.post(where, {"number": "1234", "seen": "x"}).status_code == 422
    assert Clearing.objects.get().confirmed_at is None
    assert root.post(where, {"number": " 1234 ", "seen": seen}).headers["Location"] == where
    part = root.get(where, headers={"HX-Request": "true", "HX-Target": "old-progress"}).text
    assert part.lstrip().startswith('<div id="old-progress"')
    assert "0 of 1234." in part
    assert 'hx-trigger="load delay:1s"' in part
    drain.go_on()
    done = root.get(where).text
    assert "Done." in done
    assert "load delay" not in done
    assert not Batch.objects.exists()
    assert "Finished batches" in root.get("/old/").text, "what was deleted is listed"
    assert root.post(where, {"number": "1234", "seen": seen}).status_code == 200, "a second time is nothing"
    log = root.get("/audit/").text
    for said in ("Batch erased for good", "What is old deleted", "Deletion of what is old confirmed"):
        assert said in log


def test_what_has_changed_is_said_before_and_after(root: Client, finished: Batch, administrator: User):
    clearing = clearings.preview("finished", 12, administrator)
    where = f"/old/{clearing.token}/"
    Batch.objects.update(version=99)
    assert "1 batch has changed since this preview" in root.get(where).text
    root.post(where, {"number": "1234", "seen": clearings.fingerprint(clearing)})
    drain.go_on()
    assert "Somebody has changed it since the preview." in root.get(where).text
    assert Batch.objects.count() == 1


def test_an_empty_preview_says_so(root: Client):
    where = root.post("/old/", {"kind": "trash", "months": "12"}).headers["Location"]
    assert "There is nothing to delete" in root.get(where).text


@pytest.mark.django_db(transaction=True)
def test_the_list_can_be_taken_along(root: Client, finished: Batch, administrator: User):
    Batch.objects.update(name='=HYPERLINK("http://x")\n')
    clearing = clearings.preview("finished", 12, administrator)
    response = root.get(f"/old/{clearing.token}/list/")
    text = async_to_sync(whole)(response).decode("utf-8-sig")
    head, row = csv.reader(io.StringIO(text))
    told = dict(zip(head, row, strict=True))
    assert (told["cards"], told["reviewed"], told["state"], told["batch"]) == ("1234", "7", "waiting", str(finished.pk))
    assert told["name"].startswith("'=")
    assert root.head(f"/old/{clearing.token}/list/").status_code == 200


def test_sessions_and_notices_are_counted_apart(root: Client, administrator: User):
    clearing = clearings.preview("leftovers", 12, administrator)
    ClearingItem.objects.create(clearing=clearing, name="sessions", number=4)
    page = root.get(f"/old/{clearing.token}/").text
    assert "Type the number of rows" in page
    assert "Sign-ins in browsers that have run out" in page
    assert root.get("/old/?kind=leftovers").status_code == 200


@pytest.mark.parametrize("role", ["viewer", "reviewer", "operator"])
def test_nobody_else_gets_there(client: Client, other_user: User, administrator: User, finished: Batch, role: str):
    other_user.role = role
    other_user.save()
    clearing = clearings.preview("finished", 12, administrator)
    number, seen = str(clearings.to_type(clearing)), clearings.fingerprint(clearing)
    for person in (client, Client()):
        if person is client:
            person.force_login(other_user)
        for where in ("/old/", f"/old/{clearing.token}/", f"/old/{clearing.token}/list/"):
            for method in ("get", "head", "post"):
                response = getattr(person, method)(where, {"number": number, "seen": seen, "kind": "finished"})
                gone = response.status_code in {403, 405} or "/login/" in response.headers.get("Location", "")
                assert gone, (method, where)
    clearing.refresh_from_db()
    assert clearing.confirmed_at is None
    assert Clearing.objects.count() == 1
