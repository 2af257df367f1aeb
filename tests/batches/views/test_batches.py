import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertTemplateNotUsed, assertTemplateUsed

from batches.models import Batch, Tag, new_uid
from batches.states import BatchStatus, PauseReason
from cardocr_site.accounts.models import User
from templates_app import versions
from templates_app.models import FieldTemplate


def htmx(target: str) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": target}


@pytest.fixture
def made(user: User, other_user: User, batch: Batch) -> list[Batch]:
    """Ingrid's draft, a finished one with cards to check, Magnus's shared one, and his private one."""
    return [
        batch,
        Batch.objects.create(
            name="Box 4",
            owner=user,
            collection="Maps",
            status=BatchStatus.COMPLETED,
            total=10,
            completed=10,
            to_check=3,
        ),
        Batch.objects.create(name="Herbarium", owner=other_user, status=BatchStatus.RUNNING, total=20, completed=5),
        Batch.objects.create(name="Secret", owner=other_user, everybody="none"),
    ]


@pytest.mark.parametrize("name", ["home", "batch_list", "batch_new"])
def test_somebody_who_is_not_signed_in_is_sent_to_sign_in(db: None, client: Client, name: str) -> None:
    response = client.get(reverse(name))

    assert response.status_code == 302
    assert reverse("login") in response["Location"]


def test_the_home_page_is_the_list(ingrid: Client) -> None:
    assert ingrid.get("/")["Location"] == reverse("batch_list")


def test_who_has_no_batch_is_shown_how_to_begin(ingrid: Client) -> None:
    response = ingrid.get(reverse("batch_list"))

    assert "Start with your first batch" in response.text
    assert reverse("batch_sample") in response.text


def test_the_list_shows_what_one_may_see(ingrid: Client, made: list[Batch]) -> None:
    text = ingrid.get(reverse("batch_list")).text

    assert "Drawer 12" in text
    assert "Herbarium" in text
    assert "Secret" not in text


def test_an_administrator_sees_private_batches(client: Client, administrator: User, made: list[Batch]) -> None:
    client.force_login(administrator)

    assert "Secret" in client.get(reverse("batch_list")).text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?whose=mine", {"Drawer 12", "Box 4"}),
        ("?state=check", {"Box 4"}),
        ("?state=reading", {"Herbarium"}),
        ("?state=draft", {"Drawer 12"}),
        ("?q=HERB", {"Herbarium"}),
        ("?collection=Maps", {"Box 4"}),
        ("?owner=magnus", {"Herbarium"}),
        ("?whose=shared", {"Herbarium"}),
        ("?tag=print", {"Box 4"}),
        ("?template=999", set()),
        ("?template=x&version=-1", {"Drawer 12", "Box 4", "Herbarium"}),
        ("?tag=print&state=draft", set()),
        ("?state=nonsense&sort=nonsense&per=nonsense&page=nonsense", {"Drawer 12", "Box 4", "Herbarium"}),
    ],
)
def test_the_address_holds_the_filter(ingrid: Client, made: list[Batch], query: str, names: set[str]) -> None:
    Tag.objects.create(batch=made[1], name="print")
    rows = ingrid.get(reverse("batch_list") + query).context["rows"]

    assert {row.batch.name for row in rows} == names


@pytest.mark.parametrize(
    ("sort", "first"), [("name", "Box 4"), ("-name", "Herbarium"), ("-check", "Box 4"), ("-owner", "Herbarium")]
)
def test_the_address_holds_the_order(ingrid: Client, made: list[Batch], sort: str, first: str) -> None:
    rows = ingrid.get(f"{reverse('batch_list')}?sort={sort}").context["rows"]

    assert rows[0].batch.name == first


def test_a_second_click_on_a_head_turns_the_order_round(ingrid: Client, made: list[Batch]) -> None:
    columns = ingrid.get(f"{reverse('batch_list')}?sort=name&whose=mine").context["columns"]

    assert columns[0]["sorted"] == "ascending"
    assert "sort=-name" in columns[0]["address"]
    assert "whose=mine" in columns[0]["address"]


def test_htmx_gets_the_table_alone(ingrid: Client, made: list[Batch]) -> None:
    response = ingrid.get(reverse("batch_list"), headers=htmx("batches"))

    assertTemplateNotUsed(response, "base.html")
    assert response.text.lstrip().startswith('<div id="batches">')
    assert "HX-Target" in response["Vary"]


def test_a_history_restore_gets_the_whole_page(ingrid: Client, made: list[Batch]) -> None:
    assertTemplateUsed(ingrid.get(reverse("batch_list"), headers={"HX-Request": "true"}), "base.html")


def test_a_list_without_a_match_says_so(ingrid: Client, made: list[Batch]) -> None:
    assert "No batch matches" in ingrid.get(f"{reverse('batch_list')}?q=nothing").text


def test_a_longer_list_asks_the_database_no_more(
    ingrid: Client, user: User, made: list[Batch], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Tag.objects.bulk_create(Tag(batch=one, name="print") for one in made)
    with django_assert_num_queries(13):
        ingrid.get(reverse("batch_list"))
    Batch.objects.bulk_create(
        Batch(name=f"B{n}", owner=user, uid=new_uid(), status=BatchStatus.RUNNING, total=9) for n in range(20)
    )
    Tag.objects.bulk_create(Tag(batch=one, name=f"tag {one.pk}") for one in Batch.objects.all())
    with django_assert_num_queries(13):
        assert len(ingrid.get(reverse("batch_list")).context["rows"]) == 23


def test_the_list_comes_in_pages(ingrid: Client, user: User) -> None:
    Batch.objects.bulk_create(Batch(name=f"B{n}", owner=user, uid=new_uid()) for n in range(30))
    response = ingrid.get(f"{reverse('batch_list')}?page=2&whose=mine")

    assert len(response.context["rows"]) == 5
    assert "?whose=mine&amp;page=1" in response.text


def test_the_trash_is_linked_with_its_count(ingrid: Client, made: list[Batch]) -> None:
    Batch.objects.filter(pk=made[1].pk).update(deleted_at="2026-11-01T10:00Z")

    assert "In the trash: 1 batch" in ingrid.get(reverse("batch_list")).text


def test_a_new_batch_is_a_draft_at_once(ingrid: Client, user: User, engine: object) -> None:
    response = ingrid.post(reverse("batch_new"), {"name": "Drawer 13", "collection": "Maps"})
    batch = Batch.objects.get()

    assert response["Location"] == reverse("batch_upload", args=[batch.pk])
    assert (batch.name, batch.collection, batch.owner, batch.status) == ("Drawer 13", "Maps", user, "draft")
    assert batch.engine == engine


def test_two_clicks_make_one_batch(ingrid: Client) -> None:
    uid = ingrid.get(reverse("batch_new")).context["form"].initial["uid"]
    first, second = (ingrid.post(reverse("batch_new"), {"name": "Once", "uid": uid}) for _click in range(2))

    assert Batch.objects.count() == 1
    assert first["Location"] == second["Location"]


def test_the_uid_of_somebody_elses_batch_gives_a_batch_of_ones_own(
    ingrid: Client, made: list[Batch], user: User
) -> None:
    ingrid.post(reverse("batch_new"), {"name": "Mine", "uid": made[3].uid})

    assert Batch.objects.get(name="Mine").owner == user


def test_a_batch_without_a_name_is_not_made(ingrid: Client) -> None:
    response = ingrid.post(reverse("batch_new"), {"name": " "})

    assert response.status_code == 422
    assert "This was not saved" in response.text
    assert not Batch.objects.exists()


def test_a_template_brings_its_fields(ingrid: Client, user: User, batch: Batch) -> None:
    template = versions.create(user, "Music", batch.specs(), instruction="Scores.")
    ingrid.post(reverse("batch_new"), {"name": "New", "template": template.pk})
    made = Batch.objects.get(name="New")

    assert [spec.key for spec in made.specs()] == ["author", "title", "year"]
    assert (made.template_version, made.instruction) == (template.newest, "Scores.")


def test_somebody_elses_private_template_cannot_be_used(ingrid: Client, other_user: User) -> None:
    template = versions.create(other_user, "His", everybody="none")
    response = ingrid.post(reverse("batch_new"), {"name": "New", "template": template.pk})

    assert response.status_code == 422


def test_the_sample_is_made_once_and_opens_on_its_fields(ingrid: Client, user: User, batch: Batch) -> None:
    template = versions.create(user, "Sample cards", batch.specs())
    FieldTemplate.objects.filter(pk=template.pk).update(shipped=True, owner=None)
    first, second = (ingrid.post(reverse("batch_sample")) for _click in range(2))
    sample = Batch.objects.get(is_sample=True)

    assert first["Location"] == second["Location"] == reverse("batch_fields", args=[sample.pk])
    assert (sample.total, sample.cards.count(), len(sample.fields)) == (12, 12, 3)


def test_each_person_has_a_sample_of_their_own(client: Client, user: User, other_user: User) -> None:
    for person in (user, other_user):
        client.force_login(person)
        client.post(reverse("batch_sample"))

    assert set(Batch.objects.filter(is_sample=True).values_list("owner__username", flat=True)) == {"ingrid", "magnus"}


def test_the_sample_wants_a_post(ingrid: Client) -> None:
    assert ingrid.get(reverse("batch_sample")).status_code == 405


def test_every_page_has_what_the_scripts_need(ingrid: Client) -> None:
    text = ingrid.get(reverse("batch_list")).text

    assert 'id="card-action"' in text
    assert '<html lang="en">' in text
    assert 'action="/i18n/setlang/"' in text
    assert "Admin" not in text
    for path in ("css/app.css", "css/pages-a.css", "js/ui.js", "js/theme.js", "js/upload.js", "favicon.svg"):
        assert finders.find(path)


def test_administrators_are_led_to_the_admin(client: Client, administrator: User) -> None:
    client.force_login(administrator)

    assert reverse("admin:index") in client.get(reverse("batch_list")).text


@pytest.mark.parametrize(
    ("state", "values"),
    [
        ("reading", {"status": BatchStatus.RUNNING}),
        ("queued", {"status": BatchStatus.QUEUED}),
        ("someone", {"status": BatchStatus.PAUSED, "pause_reason": PauseReason.PILOT}),
        ("someone", {"status": BatchStatus.PAUSED, "pause_reason": PauseReason.CREDENTIALS}),
        ("endpoint", {"status": BatchStatus.PAUSED, "pause_reason": PauseReason.ENDPOINT}),
        ("paused", {"status": BatchStatus.PAUSED, "pause_reason": PauseReason.PERSON}),
        ("stopped", {"status": BatchStatus.CANCELLED}),
    ],
)
def test_a_batch_is_found_by_what_it_waits_for(
    ingrid: Client, batch: Batch, state: str, values: dict[str, str]
) -> None:
    Batch.objects.update(**values)
    counts = ingrid.get(reverse("batch_list")).context["counts"]
    found = {name for name, _label in ingrid.get(reverse("batch_list")).context["states"] if counts[name]}

    assert found == {state}
    assert len(ingrid.get(f"{reverse('batch_list')}?state={state}").context["rows"]) == 1


def test_the_tags_that_one_may_see_can_be_chosen(ingrid: Client, made: list[Batch]) -> None:
    Tag.objects.bulk_create([Tag(batch=made[0], name="scores"), Tag(batch=made[3], name="secret tag")])
    text = ingrid.get(reverse("batch_list")).text

    assert text.count("scores</") == 2  # in its row, and to be chosen
    assert "secret tag" not in text


def test_another_filter_keeps_the_state(ingrid: Client, made: list[Batch]) -> None:
    text = ingrid.get(f"{reverse('batch_list')}?state=check&sort=name").text

    assert '<input type="hidden" name="state" value="check">' in text
    assert '<input type="hidden" name="sort" value="name">' in text


@pytest.mark.parametrize(
    ("total", "fields", "said"),
    [(0, True, "no scans yet"), (2, False, "no field is named yet"), (2, True, "ready to be started")],
)
def test_a_draft_says_what_it_waits_for(ingrid: Client, batch: Batch, total: int, fields: bool, said: str) -> None:
    Batch.objects.update(total=total, pending=total, fields=batch.fields if fields else [])

    assert said in ingrid.get(reverse("batch_list")).text
