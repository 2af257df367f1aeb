import json
from typing import Any

import pytest

from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec, FieldType
from templates_app import exchange

DATE: dict[str, Any] = {
    "key": "date",
    "label": "Date",
    "type": "date",
    "hints": {"avoid": ["rens"], "position": "last"},
}


def test_what_is_dumped_is_loaded_again(user: User) -> None:
    specs = exchange.load({"fields": [DATE, {"label": "Sea", "choices": ["Nordsjøen"], "threshold": 0.5}]})
    template = exchange.create("Plankton", specs, user, instruction="As it stands.", description="Cards of 1980.")
    dumped = json.loads(json.dumps(exchange.dump(template.newest)))
    assert exchange.load(dumped) == specs
    assert (dumped["name"], dumped["instruction"], dumped["description"]) == (
        "Plankton",
        "As it stands.",
        "Cards of 1980.",
    )


SCANS = {
    "rotation": 90,
    "pass_blank": False,
    "trim": True,
    "straighten": True,
    "sheets": True,
    "pairing": {"how": "names", "front": "_r", "back": "_v"},
}


def test_how_scans_are_prepared_goes_along(user: User) -> None:
    template = exchange.create("Drawers", exchange.load({"fields": [DATE]}), user, scans=SCANS)
    dumped = json.loads(json.dumps(exchange.dump(template.newest)))
    assert exchange.scans_of(dumped) == SCANS
    assert exchange.scans_of({}) == exchange.scans_of({"scans": None}) == {}
    assert exchange.scans_of({"scans": {"rotation": "auto", "pairing": {"how": "order", "front": "x"}}}) == {
        "rotation": "auto",
        "pairing": {"how": "order"},
    }


@pytest.mark.parametrize(
    ("scans", "sentence"),
    [
        ([], "must be an object"),
        ({"tilt": 1}, "nothing called “tilt”"),
        ({"rotation": 45}, "“rotation” must be"),
        ({"rotation": False}, "“rotation” must be"),
        ({"rotation": []}, "“rotation” must be"),
        ({"trim": "yes"}, "“trim” must be true or false"),
        ({"pairing": "order"}, "must say how"),
        ({"pairing": {"how": "dice"}}, "must say how"),
        ({"pairing": {"how": "names", "front": "_r", "back": "_R"}}, "end differently"),
        ({"pairing": {"how": "names", "front": "_r"}}, "end differently"),
        ({"pairing": {"how": "names", "front": 1, "back": "_v"}}, "must be texts"),
        ({"pairing": {"how": "names", "front": "", "back": "v" * 41}}, "must be texts"),
    ],
)
def test_what_is_wrong_about_scans_is_named(scans: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^Scans: .*{sentence}"):
        exchange.scans_of({"scans": scans})


def test_a_key_and_a_type_are_found_where_they_are_missing() -> None:
    specs = exchange.load({"fields": [{"label": "Year"}, {"label": " Year "}]})
    assert [(spec.key, spec.label, spec.type) for spec in specs] == [
        ("year", "Year", FieldType.YEAR),
        ("year_2", "Year", FieldType.YEAR),
    ]


@pytest.mark.parametrize("data", [None, [], {}, {"fields": {}}, {"fields": []}])
def test_what_is_no_template_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="no field template"):
        exchange.load(data)


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 100 fields"):
        exchange.load({"fields": [{"label": f"Field {n}"} for n in range(101)]})


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("Date", "must be an object"),
        ({}, "label is missing"),
        ({"label": 5}, "“label” must be text"),
        ({"label": "x" * 121}, "at most 120 letters"),
        ({"label": "A", "key": "date"}, "stands there twice"),
        ({"label": "A", "key": "Ä b"}, "may only have a to z"),
        ({"label": "A", "key": "_"}, None),
        ({"label": "A", "type": "number"}, "no type “number”"),
        ({"label": "A", "type": []}, "no type"),
        ({"label": "A", "pattern": "("}, "pattern cannot be used"),
        ({"label": "A", "choices": "Nordsjøen"}, "“choices” must be a list"),
        ({"label": "A", "choices": [1]}, "“choices” must be a list"),
        ({"label": "A", "choices": ["B"], "spellings": ["b"]}, "“spellings” must be an object"),
        ({"label": "A", "choices": ["B"], "spellings": {"B": "b"}}, "“B” must be a list"),
        ({"label": "A", "choices": ["B"], "spellings": {"C": ["b"]}}, "“C” has spellings but is no choice"),
        ({"label": "A", "choices": ["B"], "spellings": {"B": ["b; c"]}}, "may hold no semicolon"),
        ({"label": "A", "choices": ["B", "C"], "spellings": {"B": ["c"]}}, "“c” would be both"),
        ({"label": "A", "open_list": "no"}, "“open_list” must be true or false"),
        ({"label": "A", "required": "yes"}, "must be true or false"),
        ({"label": "A", "threshold": 2}, "from 0 to 1"),
        ({"label": "A", "threshold": True}, "from 0 to 1"),
        ({"label": "A", "hints": []}, "“hints” must be an object"),
        ({"label": "A", "hints": {"aliases": [None]}}, "“aliases” must be a list"),
        ({"label": "A", "hints": {"position": "middle"}}, "no position “middle”"),
        ({"label": "A", "hints": {"until": 7}}, "“until” must be text"),
    ],
)
def test_a_wrong_field_is_named_with_its_reason(field: object, sentence: str | None) -> None:
    data = {"fields": [DATE, field]}
    if sentence is None:
        assert len(exchange.load(data)) == 2
        return
    with pytest.raises(ValueError, match=f"^Field 2: .*{sentence}"):
        exchange.load(data)


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_template_needs_a_name(user: User, name: str) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        exchange.create(name, [FieldSpec("a", "A")], user)


def test_a_name_is_given_once(user: User) -> None:
    exchange.create("Plankton", [FieldSpec("a", "A")], user)
    with pytest.raises(ValueError, match="called “Plankton” already"):
        exchange.create(" Plankton ", [FieldSpec("a", "A")], user)


def test_the_mark_that_cards_must_stay_travels_with_the_template(user):
    template = exchange.create("Files", [FieldSpec("a", "A")], user, stay_inside=True)
    dumped = json.loads(json.dumps(exchange.dump(template.newest)))
    assert exchange.stays_inside(dumped) is True
    assert exchange.stays_inside({"fields": []}) is False


@pytest.mark.parametrize("slip", ["yes", 1, None])
def test_a_mark_that_cannot_be_understood_is_refused(slip):
    with pytest.raises(ValueError, match="stay_inside"):
        exchange.stays_inside({"stay_inside": slip})
