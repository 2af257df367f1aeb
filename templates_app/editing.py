"""Changes to a list of fields: the same for a draft batch and for a template. Nothing here touches the database."""

from collections.abc import Callable
from dataclasses import replace

from django.utils.translation import gettext as _

from ocr.fields import FieldSpec, FieldType, guess_type, make_key

MAX_FIELDS = 100

Edit = Callable[[list[FieldSpec]], list[FieldSpec]]


class Refused(Exception):
    """The list stays as it is; the message says why."""

    status = 409


class NoSuchField(Refused):
    def __init__(self) -> None:
        super().__init__(_("That field is gone: somebody removed it."))


class TooManyFields(Refused):
    status = 422

    def __init__(self) -> None:
        super().__init__(_("A card can have at most %(n)s fields.") % {"n": MAX_FIELDS})


def added(specs: list[FieldSpec], label: str, kind: FieldType | None = None) -> list[FieldSpec]:
    """Put a field at the end. Without a type it is guessed from the label."""
    if len(specs) >= MAX_FIELDS:
        raise TooManyFields
    key = make_key(label, {spec.key for spec in specs})
    return [*specs, FieldSpec(key=key, label=label, type=kind or guess_type(label))]


def index_of(specs: list[FieldSpec], key: str) -> int:
    for index, spec in enumerate(specs):
        if spec.key == key:
            return index
    raise NoSuchField


def replaced(specs: list[FieldSpec], spec: FieldSpec) -> list[FieldSpec]:
    """Put a changed field in the place of the one with its key."""
    index = index_of(specs, spec.key)
    return [*specs[:index], spec, *specs[index + 1 :]]


def moved(specs: list[FieldSpec], key: str, step: int) -> list[FieldSpec]:
    """Move a field up (-1) or down (1); at the end of the list it stays."""
    index = index_of(specs, key)
    target = max(0, min(len(specs) - 1, index + step))
    rest = [spec for spec in specs if spec.key != key]
    return [*rest[:target], specs[index], *rest[target:]]


def removed(specs: list[FieldSpec], key: str) -> list[FieldSpec]:
    index = index_of(specs, key)
    return [*specs[:index], *specs[index + 1 :]]


def restored(specs: list[FieldSpec], spec: FieldSpec, index: int) -> list[FieldSpec]:
    """Put a removed field back to its place, under its key or, where that was given away, another one."""
    if len(specs) >= MAX_FIELDS:
        raise TooManyFields
    taken = {other.key for other in specs}
    if spec.key in taken:
        spec = replace(spec, key=make_key(spec.label, taken))
    return [*specs[:index], spec, *specs[index:]]
