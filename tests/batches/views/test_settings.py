"""Name, collection, tags and who sees a batch: at any time; and the next batch, read as this one was."""

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from batches.actions import continuing
from batches.forms import split_tags
from batches.models import Activity, Batch, Tag
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from templates_app import versions


def url(batch: Batch, path: str = "settings/") -> str:
    return f"/batches/{batch.pk}/{path}"


def form(batch: Batch, **changed: Any) -> dict[str, Any]:
    """What the browser sends: each input, and what it was drawn with."""
    drawn = {"name": batch.name, "collection": batch.collection, "tags": ", ".join(tags(batch))}
    return drawn | {f"initial-{name}": value for name, value in drawn.items()} | changed


def tags(batch: Batch) -> list[str]:
    return list(batch.tags.values_list("name", flat=True))


@pytest.mark.parametrize("status", BatchStatus.values)
def test_all_of_it_may_change_at_any_time(ingrid: Client, batch: Batch, status: str) -> None:
    Batch.objects.update(status=status, label="d")
    assert ingrid.get(url(batch)).status_code == 200
    ingrid.post(url(batch), form(batch, name="Drawer 13", collection="Maps", tags="print, 1900–1940"))
    batch.refresh_from_db()
    assert (batch.name, batch.collection, batch.version) == ("Drawer 13", "Maps", 1)
    assert tags(batch) == ["1900–1940", "print"]
    assert (batch.status, batch.label) == (status, "d")
    ingrid.post(url(batch), form(batch, tags="print"))
    batch.refresh_from_db()
    assert tags(batch) == ["print"]


def test_two_tabs_do_not_undo_each_other(ingrid: Client, batch: Batch) -> None:
    first, second = form(batch, name="Drawer 13"), form(batch, collection="Maps", tags="print")
    ingrid.post(url(batch), first)
    ingrid.post(url(batch), second)
    batch.refresh_from_db()
    assert (batch.name, batch.collection, tags(batch)) == ("Drawer 13", "Maps", ["print"])


def test_nothing_changed_is_no_change(ingrid: Client, batch: Batch) -> None:
    Tag.objects.create(batch=batch, name="print")
    ingrid.post(url(batch), form(batch))
    batch.refresh_from_db()
    assert batch.version == 0
    assert not Activity.objects.exists()


def test_what_was_changed_is_written_down(ingrid: Client, batch: Batch) -> None:
    ingrid.post(url(batch), form(batch, name="Drawer 13", tags="print"))
    assert sorted(Activity.objects.values_list("kind", flat=True)) == ["rename", "tags"]
    assert Activity.objects.get(kind="rename").what["was"] == "Drawer 12"


def test_a_batch_needs_a_name(ingrid: Client, batch: Batch) -> None:
    response = ingrid.post(url(batch), form(batch, name=" ", collection="Maps"))
    assert response.status_code == 422
    batch.refresh_from_db()
    assert (batch.name, batch.collection) == ("Drawer 12", "Music")


def test_a_draft_goes_on_to_its_scans(ingrid: Client, batch: Batch) -> None:
    assert "Next: scans" in ingrid.get(url(batch)).text
    assert ingrid.post(url(batch), form(batch, next="1")).headers["Location"] == url(batch, "upload/")


def test_names_that_exist_are_offered_as_far_as_one_may_see_them(
    ingrid: Client, batch: Batch, other_user: User
) -> None:
    hidden = Batch.objects.create(name="His", owner=other_user, collection="Hidden", everybody="none")
    Tag.objects.create(batch=hidden, name="secret")
    page = ingrid.get(url(batch)).text
    assert '<option value="Music">' in page
    assert "Hidden" not in page
    assert "secret" not in page


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        (" , ,", []),
        ("skuff 3,  diatomeer ", ["skuff 3", "diatomeer"]),
        ("a  b\tc", ["a b c"]),
        ("Print, maps, PRINT", ["Print", "maps"]),
    ],
)
def test_tags_are_words_between_commas(text: str, names: list[str]) -> None:
    assert split_tags(text) == names


@pytest.mark.parametrize("text", ["x" * 61, ",".join(f"tag{n}" for n in range(21))])
def test_too_much_is_told_where_it_was_typed(ingrid: Client, batch: Batch, text: str) -> None:
    response = ingrid.post(url(batch), form(batch, tags=text))
    assert response.status_code == 422
    assert "at most 60" in response.text or "more than 20" in response.text
    assert not Tag.objects.exists()


# -- the next one


@pytest.fixture
def finished(batch: Batch, user: User) -> Batch:
    template = versions.create(user, "Music", batch.specs(), instruction="Scores.")
    Batch.objects.update(
        status=BatchStatus.COMPLETED,
        label="d",
        total=4,
        completed=4,
        template_version=template.newest,
        instruction="Scores of choirs.",
        model="a-model",
        options={"retries": 5, "pilot": 10, "trim": True},
        budget="2.50",
    )
    Tag.objects.create(batch=batch, name="print")
    batch.refresh_from_db()
    return batch


def test_the_next_batch_is_read_as_this_one_was(ingrid: Client, finished: Batch) -> None:
    assert "Continue in a new batch" in ingrid.get(url(finished, "")).text
    response = ingrid.post(url(finished, "continue/"))
    made = Batch.objects.exclude(pk=finished.pk).get()
    assert response.headers["Location"] == url(made, "upload/")
    same = ("collection", "everybody", "template_version", "fields", "instruction", "engine", "model", "budget")
    assert [getattr(made, name) for name in same] == [getattr(finished, name) for name in same]
    assert made.options == {"retries": 5, "pilot": 0, "trim": True}
    assert (made.name, made.status, made.label, made.total) == ("Drawer 12 (2)", "draft", None, 0)
    assert (made.continues, tags(made), made.prompt) == (finished, ["print"], "")
    assert "Drawer 12" in ingrid.get(url(made)).text


def test_two_clicks_make_one_batch(ingrid: Client, finished: Batch) -> None:
    first, second = (ingrid.post(url(finished, "continue/")).headers["Location"] for _click in range(2))
    assert first == second
    Batch.objects.exclude(pk=finished.pk).update(total=1, pending=1)  # it has a scan: the next one is another
    assert ingrid.post(url(finished, "continue/")).headers["Location"] != first


def test_a_mark_that_was_taken_off_is_there_again(ingrid: Client, finished: Batch) -> None:
    assert finished.template_version
    template = finished.template_version.template
    template.stay_inside = True
    template.save()
    ingrid.post(url(finished, "continue/"))
    assert Batch.objects.exclude(pk=finished.pk).get().option("stay_inside")


@pytest.mark.parametrize(
    ("name", "others", "wanted"),
    [
        ("Drawer 12", [], "Drawer 12 (2)"),
        ("Drawer 12", ["Drawer 12 (2)", "Drawer 12 (9)", "Drawer 12 b (20)"], "Drawer 12 (10)"),
        ("Drawer 12 (2)", ["Drawer 12"], "Drawer 12 (3)"),
        ("Drawer (old)", [], "Drawer (old) (2)"),
        ("x" * 200, [], "x" * 196 + " (2)"),
    ],
)
def test_the_name_is_counted_on(batch: Batch, user: User, name: str, others: list[str], wanted: str) -> None:
    batch.name = name
    batch.save()
    for other in others:
        Batch.objects.create(name=other, owner=user)
    assert continuing.next_name(batch, user) == wanted


def test_a_draft_is_not_continued(ingrid: Client, batch: Batch) -> None:
    assert ingrid.post(url(batch, "continue/")).headers["Location"] == url(batch, "upload/")
    assert Batch.objects.count() == 1


def test_others_neither_change_nor_continue_it(client: Client, other_user: User, finished: Batch) -> None:
    client.force_login(other_user)
    assert client.get(url(finished)).status_code == 404
    assert client.post(url(finished), form(finished, name="x")).status_code == 404
    assert client.post(url(finished, "continue/")).status_code == 404
    assert "Continue in a new batch" not in client.get(url(finished, "")).text


def test_a_new_batch_may_begin_in_a_collection(ingrid: Client, batch: Batch) -> None:
    address = f"/batches/new/?collection={quote('A & B', safe='')}"
    Batch.objects.update(collection="A & B")
    assert address.removeprefix("/batches") in ingrid.get(reverse("collection_detail", args=["A & B"])).text
    assert 'value="A &amp; B"' in ingrid.get(address).text
