from collections.abc import Callable
from typing import Any

import pytest

from batches.actions import drafts, scans
from batches.models import Batch, Card
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app import editing, versions
from templates_app import scans as template_scans


def start(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.QUEUED)


def test_a_new_batch_is_read_by_the_default_engine(user: User, engine: Engine) -> None:
    Engine.objects.create(name="a", kind=Engine.Kind.OPENAI_COMPATIBLE)

    assert drafts.create(user, "New").engine == engine
    Engine.objects.update(is_default=False)
    assert drafts.create(user, "New").engine == engine
    Engine.objects.filter(pk=engine.pk).update(enabled=False)
    assert drafts.create(user, "New").engine.name == "a"  # type: ignore[union-attr]
    Engine.objects.update(enabled=False)
    assert drafts.create(user, "New").engine is None


def test_new_batches_are_private_where_the_site_says_so(user: User, settings: Any) -> None:
    assert not drafts.create(user, "Open").private
    settings.PRIVATE_BY_DEFAULT = True
    assert drafts.create(user, "Closed").private


def test_setting_fields_keeps_the_instruction_unless_there_is_one(batch: Batch) -> None:
    drafts.set_instruction(batch, "Scores.")
    drafts.set_fields(batch, [FieldSpec("a", "A")])
    batch.refresh_from_db()
    assert (batch.instruction, [spec.key for spec in batch.specs()]) == ("Scores.", ["a"])

    drafts.set_fields(batch, [], "")
    batch.refresh_from_db()
    assert (batch.instruction, batch.fields) == ("", [])


def test_each_change_is_a_version_that_viewers_see(batch: Batch) -> None:
    drafts.edit_fields(batch, lambda specs: specs[:1])
    fresh = Batch.objects.get(pk=batch.pk)

    assert fresh.version == batch.version + 1


def test_two_edits_of_different_fields_both_stay(batch: Batch) -> None:
    stale = Batch.objects.get(pk=batch.pk)
    drafts.edit_fields(batch, lambda specs: [FieldSpec("author", "Writer"), *specs[1:]])
    drafts.edit_fields(stale, lambda specs: [*specs[:2], FieldSpec("year", "When")])
    batch.refresh_from_db()

    assert [spec.label for spec in batch.specs()] == ["Writer", "Title", "When"]


def test_options_that_an_engine_cannot_do_are_refused_with_it(batch: Batch, engine: Engine) -> None:
    with pytest.raises(editing.Refused, match="“Sum the card up in one sentence”; “A card may hold several entries”"):
        drafts.set_engine(batch, engine, options={"summarize": True, "multiple_entries": True})
    batch.refresh_from_db()
    assert batch.options == {"rotation": 0}


def test_options_are_added_to_those_there_are(batch: Batch, engine: Engine) -> None:
    drafts.set_engine(batch, engine, options={"retries": 5})
    drafts.set_engine(batch, engine, "m", {"transcribe": True})
    drafts.set_engine(batch, engine, "m")
    batch.refresh_from_db()

    assert batch.options == {"rotation": 0, "retries": 5, "transcribe": True}
    assert batch.model == "m"


def test_a_started_batch_is_locked(
    batch: Batch, engine: Engine, user: User, make_cards: Callable[..., list[Card]]
) -> None:
    cards = make_cards(1)
    template = versions.create(user, "Music")
    start(batch)
    for change in (
        lambda: drafts.set_fields(batch, []),
        lambda: drafts.edit_fields(batch, lambda specs: []),
        lambda: drafts.set_instruction(batch, "x"),
        lambda: drafts.use_template(batch, template.newest),
        lambda: drafts.set_engine(batch, engine),
        lambda: drafts.remove_cards(batch, cards),
    ):
        with pytest.raises(drafts.BatchLocked) as raised:
            change()
        assert raised.value.code == "BATCH_LOCKED"
    assert batch.cards.count() == 1


def test_a_sample_without_the_shipped_template_has_no_fields(user: User) -> None:
    sample = drafts.sample(user)

    assert (sample.fields, sample.cards.count()) == ([], 12)


def test_a_started_sample_makes_room_for_a_new_one(user: User) -> None:
    first = drafts.sample(user)
    start(first)

    assert drafts.sample(user) != first


SCANS = {"rotation": 90, "trim": True, "sheets": True, "pairing": {"how": "order"}}


def test_a_new_batch_prepares_its_scans_as_its_template_says(user: User, settings: Any) -> None:
    settings.TURN_SCANS = "180"
    version = versions.create(user, "Drawers", scans=SCANS).newest
    batch = drafts.create(user, "New", template_version=version)
    assert batch.options == SCANS
    plain = versions.create(user, "Plain").newest
    assert drafts.create(user, "Other", template_version=plain).options == {"rotation": 180}
    empty = drafts.create(user, "Empty")
    drafts.use_template(empty, version)
    assert Batch.objects.get(pk=empty.pk).options == SCANS


def test_scans_that_are_there_are_not_prepared_anew_for_a_template(
    user: User, batch: Batch, make_cards: Callable[..., list[Card]]
) -> None:
    make_cards(1)
    drafts.use_template(batch, versions.create(user, "Drawers", scans=SCANS).newest)
    assert not set(Batch.objects.get(pk=batch.pk).options) & {"trim", "sheets", "pairing"}


def test_a_template_made_of_a_batch_keeps_how_its_scans_were_prepared(batch: Batch) -> None:
    batch.options = SCANS | {"straighten": False, "retries": 5, "rotation": "auto"}
    assert scans.kept(batch) == {name: SCANS[name] for name in ("trim", "sheets", "pairing")}
    batch.options = {"rotation": 90, "pass_blank": False}
    assert scans.kept(batch) == batch.options
    assert template_scans.checked(scans.kept(batch)) == batch.options
