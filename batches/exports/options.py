"""What somebody wants to take away: which cards, which columns, in which form."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from batches.models import Batch, Card
from batches.queries import grid
from batches.states import CardStatus

Form = Literal["value", "verbatim", "both"]
FORMS: tuple[Form, ...] = ("value", "verbatim", "both")
WHICH = ("all", "read", "checked", "changed", "found", "chosen")
# Columns besides the fields, in the order in which they stand.
BESIDES = ("file", "status", "checked", "confidence", "engine", "text", "machine")
USUAL = frozenset({"file", "status", "confidence", "text"})
SEPARATORS = {"semicolon": ";", "comma": ",", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class Options:
    """`columns`: key and form of each column of a field; None: every field, in `form`.

    `changed`: cards touched after the version `since`; `found`: those of `filters`;
    `chosen`: those that `filters` names.
    """

    which: str = "all"
    since: int = 0
    filters: grid.Filters = field(default_factory=grid.Filters)
    form: Form = "value"
    columns: frozenset[tuple[str, str]] | None = None
    besides: frozenset[str] = USUAL
    keys: bool = False  # columns are named by the fields' keys, otherwise by their labels
    joined: bool = False  # several entries of a card in one row, otherwise each in its own
    unreadable: bool = False  # what stands there but cannot be read is marked, otherwise left empty
    guard: bool = True  # text that a spreadsheet would take for a formula gets an apostrophe in front
    delimiter: str = ","
    bom: bool = False

    def wants(self, key: str, form: str) -> bool:
        if self.columns is not None:
            return (key, form) in self.columns
        return self.form in {form, "both"}


def from_query(query: Any, batch: Batch, since: int = 0) -> Options:
    """Options as a form sends them. Unknown values are taken for the usual ones; `since` is the caller's to know.

    Saved columns of which the batch has none stand for all of its own.
    """
    form, which = query.get("values", ""), query.get("which", "")
    keys = {spec.key for spec in batch.specs()}
    asked = {(key, "value") for key in query.getlist("value")} | {
        (key, "verbatim") for key in query.getlist("verbatim")
    }
    columns = frozenset(pair for pair in asked if pair[0] in keys)
    return Options(
        which=which if which in WHICH else "all",
        since=since,
        filters=grid.Filters.from_query(query, batch),
        form=cast(Form, form) if form in FORMS else "value",
        columns=columns if "columns" in query and (columns or not asked) else None,
        besides=_besides(query),
        keys=query.get("names") == "keys",
        joined=query.get("entries") == "joined",
        unreadable="unreadable" in query,
        guard="unguarded" not in query and ("guard" in query or "columns" not in query),
        delimiter=SEPARATORS.get(query.get("separator", ""), ","),
        bom="bom" in query,
    )


def _besides(query: Any) -> frozenset[str]:
    """The page's form says what it wants, and by `columns` that it is the page's; a bare address has the usual ones."""
    asked = frozenset(query.getlist("besides")) & frozenset(BESIDES)
    if "columns" in query:
        return asked
    return USUAL | asked | ({"checked"} if "checked" in query else set())


def of_cards(batch: Batch, options: Options) -> QuerySet[Card]:
    """The cards that are taken along, in no order."""
    cards = batch.cards.all()
    wanted: Mapping[str, Q] = {
        "read": Q(status=CardStatus.COMPLETED),
        "checked": Q(status=CardStatus.COMPLETED, reviewed=True),
        "changed": Q(status=CardStatus.COMPLETED, version__gt=options.since),
        "chosen": Q(pk__in=options.filters.cards),
    }
    if options.which == "found":
        return grid.narrowed(batch, replace(options.filters, cards=()))
    return cards.filter(wanted[options.which]) if options.which in wanted else cards


def settings_of(options: Options, key: str) -> str:
    """The same options as an address, for another day and another batch: without a selection of single cards."""
    which = options.which if options.which in {"all", "read", "checked", "changed"} else "read"
    parts = [("columns", "1"), ("format", key), ("which", which), ("values", options.form)]
    parts += [("names", "keys")] if options.keys else []
    parts += [("entries", "joined")] if options.joined else []
    parts += [("separator", name) for name, sign in SEPARATORS.items() if sign == options.delimiter]
    parts += [(name, "1") for name in ("bom", "unreadable", "guard") if getattr(options, name)]
    parts += [("besides", name) for name in BESIDES if name in options.besides]
    parts += [(form, key) for key, form in sorted(options.columns or ())]
    return urlencode(parts)
