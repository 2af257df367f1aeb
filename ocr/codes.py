"""Barcodes of a card as values of its identifier fields: offered beside the reading, taken where it has none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ocr import coercion
from ocr.fields import FieldSpec, FieldType
from ocr.reading import FieldReading, Issue, Reading, ValueState

Code = Mapping[str, str]  # "kind", "text"


def fitting(spec: FieldSpec, codes: Iterable[Code]) -> list[str]:
    """What the codes say, as this field would record it; nothing for a field of another kind."""
    if spec.type is not FieldType.IDENTIFIER:
        return []
    found: dict[str, None] = {}
    for code in codes:
        value, issues = coercion.normalise(spec, code["text"])
        if value is not None and not issues:
            found[value] = None
    return list(found)


def filled(reading: Reading, codes: Sequence[Code], specs: Iterable[FieldSpec]) -> Reading:
    """The reading, with an identifier that the engine left empty taken from the only code that can be meant.

    Several fields or several codes that fit leave it to a person; so does the address of a page.
    """
    if not codes or reading.entries is not None:
        return reading
    there = {field.value for field in reading.fields.values()}
    open_codes = [code for code in codes if "://" not in code["text"] and code["text"] not in there]
    offers = {spec.key: fitting(spec, open_codes) for spec in specs if _is_empty(reading.fields.get(spec.key))}
    offers = {key: values for key, values in offers.items() if values}
    if len(offers) != 1:
        return reading
    ((key, values),) = offers.items()
    if len(values) != 1:
        return reading
    taken = FieldReading(values[0], values[0], ValueState.VALUE, confidence=1.0, issues=(Issue.BARCODE,))
    return replace(reading, fields={**reading.fields, key: taken})


def _is_empty(field: FieldReading | None) -> bool:
    return field is not None and field.value is None and field.state is not ValueState.NOT_ASKED
