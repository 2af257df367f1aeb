"""How a person lays out the table of a batch or of a collection: which columns, in which order."""

from collections.abc import Collection, Sequence

from django.db import transaction

from batches.models import SavedView, TableColumns
from batches.queries import columns
from batches.queries.columns import Layout, Table
from cardocr_site.accounts.models import User

UP, DOWN = "up", "down"
STEPS = {UP: -1, DOWN: 1}


def show(
    table: Table, user: User, view: SavedView | None, wanted: Collection[str], move: str = "", way: str = ""
) -> None:
    """These columns alone, and one of them a step up or down; unknown names are left out.

    With a saved view open that has columns, they are changed there, and those of the table stay.
    """
    with transaction.atomic():
        if view is None:
            kept = TableColumns.objects.select_for_update().filter(user=user, **table.known_as).first()
            take(table, user, changed(table, kept.order if kept else (), wanted, move, way))
        else:
            view = SavedView.objects.select_for_update().get(pk=view.pk)
            _put(view, changed(table, columns.layout_of(table, user, view).order, wanted, move, way))


def as_in_template(table: Table, user: User, view: SavedView | None) -> None:
    if view is None:
        take(table, user, Layout())
    else:
        _put(view, Layout())


def take(table: Table, user: User, layout: Layout) -> None:
    """For this table, wherever no view says otherwise."""
    if layout.hidden or layout.order:
        TableColumns.objects.update_or_create(
            user=user, **table.known_as, defaults={"hidden": list(layout.hidden), "order": list(layout.order)}
        )
    else:
        TableColumns.objects.filter(user=user, **table.known_as).delete()


def changed(table: Table, order: Sequence[str], wanted: Collection[str], move: str, way: str) -> Layout:
    hidden = [name for name in columns.names(table) if name not in wanted]
    names = columns.ordered(table, order)
    if move in names and way in STEPS:
        here = names.index(move)
        there = min(max(here + STEPS[way], 0), len(names) - 1)
        names.insert(there, names.pop(here))
    return Layout(hidden, [] if names == columns.names(table) else names)


def _put(view: SavedView, layout: Layout) -> None:
    view.columns = kept(layout)
    view.save(update_fields=["columns"])


def kept(layout: Layout) -> dict[str, list[str]]:
    """As a view stores it."""
    return {"hidden": list(layout.hidden), "order": list(layout.order)}
