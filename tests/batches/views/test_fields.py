import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django.asserts import assertTemplateNotUsed

from batches.models import Batch
from batches.queries.means import read_task
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from ocr import prompts
from ocr.models import Engine
from templates_app import versions
from templates_app.models import FieldTemplate

ROW = {"label": "Author", "type": "text", "active": "on"}


def htmx(target: str) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": target}


def keys(batch: Batch) -> list[str]:
    batch.refresh_from_db()
    return [spec.key for spec in batch.specs(active_only=False)]


def save(client: Client, batch: Batch, key: str = "author", **fields: str) -> HttpResponse:
    url = reverse("field_save", args=[batch.pk, key])
    return client.post(url, {**ROW, **fields}, headers=htmx(f"said-{key}"))


def test_the_page_shows_each_field_and_the_engines(ingrid: Client, batch: Batch) -> None:
    text = ingrid.get(reverse("batch_fields", args=[batch.pk])).text

    for key in ("author", "title", "year"):
        assert f'id="field-{key}"' in text
    assert "Made for typed cards; handwriting is mostly misread." in text
    assert "Type guessed from the label" in text


def test_a_row_is_saved_and_the_word_beside_it_comes_back(ingrid: Client, batch: Batch) -> None:
    response = save(
        ingrid,
        batch,
        label="Composer",
        instruction="Surname first.",
        required="on",
        pattern=r"\w+",
        example="Bach",
        aliases="by, from, by",
        keywords="Komponist",
        position="first",
        avoid="arr.",
        until="born",
    )
    batch.refresh_from_db()
    spec = batch.specs()[0]

    assertTemplateNotUsed(response, "base.html")
    assert 'id="said-author"' in response.text
    assert "Saved" in response.text
    assert (spec.key, spec.label, spec.pattern, spec.required) == ("author", "Composer", r"\w+", True)
    assert spec.hints.aliases == ("by", "from")
    assert (spec.hints.position, spec.hints.avoid, spec.hints.until) == ("first", ("arr.",), "born")


@pytest.mark.parametrize(
    ("before", "typed", "after"), [(None, "60", 0.6), (0.855, "86", 0.855), (0.5, "", None), (None, "", None)]
)
def test_how_sure_the_engine_must_be_is_said_in_percent(
    ingrid: Client, batch: Batch, before: float | None, typed: str, after: float | None
) -> None:
    Batch.objects.filter(pk=batch.pk).update(fields=[{**batch.fields[0], "threshold": before}])
    save(ingrid, batch, threshold=typed)
    batch.refresh_from_db()

    assert batch.specs()[0].threshold == after


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"label": ""}, "label"),
        ({"pattern": "("}, "pattern"),
        ({"type": "choice"}, "choices"),
        ({"type": "x"}, "type"),
        ({"threshold": "101"}, "threshold"),
    ],
)
def test_a_wrong_row_is_told_and_not_saved(ingrid: Client, batch: Batch, fields: dict[str, str], name: str) -> None:
    response = save(ingrid, batch, **fields)
    batch.refresh_from_db()

    assert response.status_code == 422
    assert f'data-error-for="author-{name}"' in response.text
    assert batch.specs()[0].label == "Author"


def test_without_scripts_a_row_is_a_page(ingrid: Client, batch: Batch) -> None:
    url = reverse("field_save", args=[batch.pk, "author"])

    assert ingrid.post(url, ROW)["Location"] == reverse("batch_fields", args=[batch.pk])
    response = ingrid.post(url, {**ROW, "label": "Writer", "pattern": "("})
    assert response.status_code == 422
    assert 'value="Writer"' in response.text
    assert 'aria-invalid="true"' in response.text


def test_choices_come_one_on_a_line(ingrid: Client, batch: Batch) -> None:
    save(ingrid, batch, type="choice", choices="red\n\n blue \nred")
    batch.refresh_from_db()

    assert batch.specs()[0].choices == ("red", "blue")


def test_a_list_is_opened_and_closed(ingrid: Client, batch: Batch) -> None:
    save(ingrid, batch, type="choice", choices="red\nblue", open_list="on")
    batch.refresh_from_db()
    assert batch.specs()[0].open_list
    assert re.search(r'name="open_list"[^>]* checked', ingrid.get(reverse("batch_fields", args=[batch.pk])).text)

    save(ingrid, batch, type="choice", choices="red\nblue")
    batch.refresh_from_db()
    assert not batch.specs()[0].open_list

    save(ingrid, batch, open_list="on")  # without a list there is nothing to open
    batch.refresh_from_db()
    assert "open_list" not in batch.fields[0]


def test_choices_come_with_their_spellings(ingrid: Client, batch: Batch) -> None:
    save(ingrid, batch, type="choice", choices="Norskehavet = Norw. Sea; Norwegian Sea\nSkagerrak")
    batch.refresh_from_db()
    spec = batch.specs()[0]
    assert (spec.choices, spec.spellings) == (
        ("Norskehavet", "Skagerrak"),
        (("Norskehavet", ("Norw. Sea", "Norwegian Sea")),),
    )
    assert (
        "Norskehavet = Norw. Sea; Norwegian Sea\nSkagerrak" in ingrid.get(reverse("batch_fields", args=[batch.pk])).text
    )
    assert "Norskehavet (also written Norw. Sea, Norwegian Sea)" in prompts.build(read_task(batch))

    response = save(ingrid, batch, type="choice", choices="A = x\nB = x")
    assert response.status_code == 422
    assert "“x” would be both “A” and “B”." in response.text


def test_a_row_that_is_gone_says_so(ingrid: Client, batch: Batch) -> None:
    response = save(ingrid, batch, key="gone")

    assert response.status_code == 409
    assert "That field is gone" in response.text


def test_a_new_field_gets_its_type_from_its_name(ingrid: Client, batch: Batch) -> None:
    response = ingrid.post(
        reverse("field_add", args=[batch.pk]), {"label": "Accession no.", "type": ""}, headers=htmx("fields")
    )
    batch.refresh_from_db()

    assert response.text.lstrip().startswith('<div id="fields">')
    assert (batch.specs()[-1].key, batch.specs()[-1].type) == ("accession_no", "identifier")


def test_a_list_of_names_is_many_fields(ingrid: Client, batch: Batch) -> None:
    ingrid.post(reverse("field_add", args=[batch.pk]), {"labels": "Place\nDate\n\nPlace"})

    assert keys(batch) == ["author", "title", "year", "place", "date"]


def test_keys_stay_unique(ingrid: Client, batch: Batch) -> None:
    ingrid.post(reverse("field_add", args=[batch.pk]), {"label": "Author"})

    assert keys(batch)[-1] == "author_2"


@pytest.mark.parametrize("sent", [{}, {"label": " "}, {"labels": "x" * 121}, {"label": "a", "type": "nonsense"}])
def test_a_field_without_a_good_name_is_not_added(ingrid: Client, batch: Batch, sent: dict[str, str]) -> None:
    response = ingrid.post(reverse("field_add", args=[batch.pk]), sent, headers=htmx("fields"))

    assert response.status_code == 422
    assert len(keys(batch)) == 3


def test_there_is_an_end_to_fields(ingrid: Client, batch: Batch) -> None:
    labels = "\n".join(f"F{n}" for n in range(98))
    response = ingrid.post(reverse("field_add", args=[batch.pk]), {"labels": labels}, headers=htmx("fields"))

    assert response.status_code == 422
    assert "at most 100 fields" in response.text
    assert len(keys(batch)) == 3


def test_a_field_moves_up_and_down_and_stops_at_the_ends(ingrid: Client, batch: Batch) -> None:
    url = reverse("field_move", args=[batch.pk, "title"])
    ingrid.post(url, {"direction": "up"}, headers=htmx("fields"))
    assert keys(batch) == ["title", "author", "year"]
    ingrid.post(url, {"direction": "up"}, headers=htmx("fields"))
    assert keys(batch) == ["title", "author", "year"]
    ingrid.post(url, {"direction": "down"})
    assert keys(batch) == ["author", "title", "year"]


def test_what_was_typed_in_a_moved_row_is_saved(ingrid: Client, batch: Batch) -> None:
    ingrid.post(reverse("field_move", args=[batch.pk, "author"]), {**ROW, "label": "Writer", "direction": "down"})

    assert keys(batch) == ["title", "author", "year"]
    assert batch.specs()[1].label == "Writer"


def test_wrong_words_in_a_moved_row_are_kept_on_the_page(ingrid: Client, batch: Batch) -> None:
    data = {**ROW, "label": "Writer", "pattern": "(", "direction": "down"}
    response = ingrid.post(reverse("field_move", args=[batch.pk, "author"]), data, headers=htmx("fields"))

    assert response.status_code == 422
    assert 'value="Writer"' in response.text
    assert keys(batch) == ["title", "author", "year"]


def test_a_removed_field_comes_back_to_its_place(ingrid: Client, batch: Batch) -> None:
    response = ingrid.post(reverse("field_remove", args=[batch.pk, "title"]), headers=htmx("fields"))
    assert keys(batch) == ["author", "year"]
    assert "“Title” is removed." in response.text

    restore = reverse("field_restore", args=[batch.pk])
    ingrid.post(restore)
    assert keys(batch) == ["author", "title", "year"]
    ingrid.post(restore)
    assert keys(batch) == ["author", "title", "year"]


def test_a_restored_field_takes_another_key_if_its_own_was_given_away(ingrid: Client, batch: Batch) -> None:
    ingrid.post(reverse("field_remove", args=[batch.pk, "title"]))
    Batch.objects.filter(pk=batch.pk).update(fields=[*batch.fields])
    ingrid.post(reverse("field_restore", args=[batch.pk]))

    assert sorted(keys(batch)) == ["author", "title", "title_2", "year"]


def test_a_field_removed_in_one_batch_does_not_come_back_in_another(ingrid: Client, batch: Batch, user: User) -> None:
    other = Batch.objects.create(name="Other", owner=user)
    ingrid.post(reverse("field_remove", args=[batch.pk, "title"]))
    ingrid.post(reverse("field_restore", args=[other.pk]))

    assert keys(other) == []


def test_removing_a_field_twice_is_told(ingrid: Client, batch: Batch) -> None:
    url = reverse("field_remove", args=[batch.pk, "title"])
    ingrid.post(url)

    assert ingrid.post(url, headers=htmx("fields")).status_code == 409
    assert len(keys(batch)) == 2


def test_the_page_warns_where_no_field_is_on(ingrid: Client, batch: Batch) -> None:
    for key in ("author", "title", "year"):
        url = reverse("field_save", args=[batch.pk, key])
        ingrid.post(url, {"label": key, "type": "text"})

    assert "No field is switched on" in ingrid.get(reverse("batch_fields", args=[batch.pk])).text


def test_what_is_true_of_all_cards_is_saved(ingrid: Client, batch: Batch) -> None:
    url = reverse("batch_fields", args=[batch.pk])
    response = ingrid.post(url, {"instruction": "All in Norwegian."}, headers=htmx("said-instruction"))
    batch.refresh_from_db()

    assert 'id="said-instruction"' in response.text
    assert batch.instruction == "All in Norwegian."
    assert ingrid.post(url, {"instruction": ""}).status_code == 302
    assert ingrid.post(url, {"instruction": "x" * 5001}).status_code == 422


def test_a_template_takes_the_place_of_the_fields(ingrid: Client, batch: Batch, user: User) -> None:
    template = versions.create(user, "Music", batch.specs()[:1], instruction="Scores.")
    ingrid.post(reverse("fields_from_template", args=[batch.pk]), {"template": template.pk})

    assert keys(batch) == ["author"]
    assert (batch.template_version, batch.instruction) == (template.newest, "Scores.")
    ingrid.post(reverse("fields_from_template", args=[batch.pk]), {"template": ""})
    assert keys(batch) == []


def test_somebody_elses_private_template_is_not_there(ingrid: Client, batch: Batch, other_user: User) -> None:
    template = versions.create(other_user, "His", everybody="none")

    response = ingrid.post(reverse("fields_from_template", args=[batch.pk]), {"template": template.pk})
    assert response.status_code == 404


def test_the_fields_become_a_template(ingrid: Client, batch: Batch, user: User) -> None:
    url = reverse("fields_save_template", args=[batch.pk])
    Batch.objects.update(options={"trim": True, "retries": 3})
    ingrid.post(url, {"name": "Music"})
    template = FieldTemplate.objects.get()
    assert template.scans == {"trim": True}

    assert (template.name, template.owner) == ("Music", user)
    assert template.newest.specs() == batch.specs()
    assert "There is a template called" in ingrid.post(url, {"name": "Music"}, follow=True).text
    assert "Give the template a name." in ingrid.post(url, {"name": " "}, follow=True).text
    assert FieldTemplate.objects.count() == 1


@pytest.fixture
def model(db: None) -> Engine:
    return Engine.objects.create(
        name="Reader", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://models.example.org/v1", model="reader-1"
    )


def test_the_engine_and_its_options_are_saved(ingrid: Client, batch: Batch, model: Engine) -> None:
    data = {"engine": model.pk, f"model_{model.pk}": "reader-2", "transcribe": "on", "retries": "3", "concurrency": "4"}
    response = ingrid.post(reverse("batch_engine", args=[batch.pk]), data, headers=htmx("said-engine"))
    batch.refresh_from_db()

    assert "Saved" in response.text
    assert (batch.engine, batch.model) == (model, "reader-2")
    assert (batch.option("transcribe"), batch.option("retries"), batch.option("concurrency")) == (True, 3, 4)


WISHES = ("transcribe", "describe_pictures", "summarize", "multiple_entries")


def test_what_may_be_asked_for_besides_is_saved_and_repeated(ingrid: Client, batch: Batch, model: Engine) -> None:
    data = {"engine": model.pk, "retries": "2", **dict.fromkeys(WISHES, "on")}
    assert "Saved" in ingrid.post(reverse("batch_engine", args=[batch.pk]), data, headers=htmx("said-engine")).text
    batch.refresh_from_db()
    assert [batch.option(name) for name in WISHES] == [True] * 4
    confirm = ingrid.get(reverse("batch_confirm", args=[batch.pk])).text
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    started = ingrid.get(reverse("batch_fields", args=[batch.pk])).text
    for words in ("All text on the card", "Pictures on the card", "summed up in one sentence", "several entries, each"):
        assert words in confirm
        assert words in started


def test_the_local_engine_is_asked_for_the_text_alone(ingrid: Client, batch: Batch, model: Engine) -> None:
    """The boxes are hidden for it, though they may have been ticked for another engine."""
    local = batch.engine
    assert local is not None
    data = {"engine": local.pk, "retries": "2", **dict.fromkeys(WISHES, "on")}
    assert "Saved" in ingrid.post(reverse("batch_engine", args=[batch.pk]), data, headers=htmx("said-engine")).text
    batch.refresh_from_db()
    assert [batch.option(name) for name in WISHES] == [True, False, False, False]


def test_wrong_options_are_told(ingrid: Client, batch: Batch, model: Engine) -> None:
    url = reverse("batch_engine", args=[batch.pk])
    data = {"engine": model.pk, "retries": "99"}

    response = ingrid.post(url, data, headers=htmx("said-engine"))
    assert response.status_code == 422
    assert 'id="said-engine"' in response.text
    assert ingrid.post(url, data).status_code == 422
    assert ingrid.post(url, {**data, "retries": "1"}).status_code == 302


def test_an_engine_without_a_model_wants_one(ingrid: Client, batch: Batch, model: Engine) -> None:
    Engine.objects.filter(pk=model.pk).update(model="")
    data = {"engine": model.pk, "retries": "1"}

    assert ingrid.post(reverse("batch_engine", args=[batch.pk]), data).status_code == 422


def test_an_engine_out_of_use_cannot_be_chosen(ingrid: Client, batch: Batch, model: Engine) -> None:
    Engine.objects.filter(pk=model.pk).update(enabled=False)

    response = ingrid.post(reverse("batch_engine", args=[batch.pk]), {"engine": model.pk, "retries": "1"})
    assert response.status_code == 422


def test_the_key_of_an_engine_is_never_on_the_page(ingrid: Client, batch: Batch, model: Engine) -> None:
    model.set_key("sk-very-secret")
    model.save()
    text = ingrid.get(reverse("batch_fields", args=[batch.pk])).text

    assert "sk-very-secret" not in text
    assert model.sealed_key not in text


POSTS: list[tuple[str, list[str], dict[str, str]]] = [
    ("batch_fields", [], {"instruction": "x"}),
    ("field_add", [], {"label": "New"}),
    ("field_save", ["author"], {**ROW, "label": "Writer"}),
    ("field_move", ["author"], {"direction": "down"}),
    ("field_remove", ["author"], {}),
    ("fields_from_template", [], {"template": ""}),
]


@pytest.mark.parametrize(("name", "more", "data"), POSTS)
@pytest.mark.parametrize("target", ["", "fields"])
def test_a_started_batch_is_locked(
    ingrid: Client, batch: Batch, name: str, more: list[str], data: dict[str, str], target: str
) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    before = batch.fields
    headers = htmx(target) if target and name != "fields_from_template" else {}
    response = ingrid.post(reverse(name, args=[batch.pk, *more]), data, headers=headers, follow=True)
    batch.refresh_from_db()

    assert (batch.fields, batch.instruction) == (before, "")
    assert "This batch was started" in response.text


def test_the_engine_of_a_started_batch_is_locked(ingrid: Client, batch: Batch, model: Engine) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    data = {"engine": model.pk, "retries": "1"}
    response = ingrid.post(reverse("batch_engine", args=[batch.pk]), data, headers=htmx("said-engine"))
    batch.refresh_from_db()

    assert response.status_code == 409
    assert batch.engine != model


def test_a_started_batch_shows_its_fields_to_be_read(ingrid: Client, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED)
    text = ingrid.get(reverse("batch_fields", args=[batch.pk])).text

    assert "fields and engine are fixed" in text
    assert 'id="field-author"' not in text
    assert "Author" in text


@pytest.mark.parametrize(("name", "more", "data"), [*POSTS, ("batch_engine", [], {}), ("field_restore", [], {})])
def test_others_cannot_change_it(
    client: Client, other_user: User, batch: Batch, name: str, more: list[str], data: dict[str, str]
) -> None:
    client.force_login(other_user)

    assert client.post(reverse(name, args=[batch.pk, *more]), data).status_code == 404
    assert "You can look at these fields" in client.get(reverse("batch_fields", args=[batch.pk])).text
