"""How a person lays out a batch's table: which columns, in which order."""

from collections.abc import Collection, Sequence

from django.db import transaction

from batches.models import Batch, SavedView, TableColumns
from batches.queries import columns
from batches.queries.columns import Layout
from cardocr_site.accounts.models import User

UP, DOWN = "up", "down"
STEPS = {UP: -1, DOWN: 1}


def show(
    batch: Batch, user: User, view: SavedView | None, wanted: Collection[str], move: str = "", way: str = ""
) -> None:
    """These columns alone, and one of them a step up or down; unknown names are left out.

    With a saved view open that has columns, they are changed there, and those of the batch stay.
    """
    with transaction.atomic():
        if view is None:
            kept = TableColumns.objects.select_for_update().filter(batch=batch, user=user).first()
            take(batch, user, changed(batch, kept.order if kept else (), wanted, move, way))
        else:
            view = SavedView.objects.select_for_update().get(pk=view.pk)
            _put(view, changed(batch, columns.layout_of(batch, user, view).order, wanted, move, way))


def as_in_template(batch: Batch, user: User, view: SavedView | None) -> None:
    if view is None:
        take(batch, user, Layout())
    else:
        _put(view, Layout())


def take(batch: Batch, user: User, layout: Layout) -> None:
    """For this batch, wherever no view says otherwise."""
    if layout.hidden or layout.order:
        TableColumns.objects.update_or_create(
            batch=batch, user=user, defaults={"hidden": list(layout.hidden), "order": list(layout.order)}
        )
    else:
        TableColumns.objects.filter(batch=batch, user=user).delete()


def changed(batch: Batch, order: Sequence[str], wanted: Collection[str], move: str, way: str) -> Layout:
    hidden = [name for name in columns.names(batch) if name not in wanted]
    names = columns.ordered(batch, order)
    if move in names and way in STEPS:
        here = names.index(move)
        there = min(max(here + STEPS[way], 0), len(names) - 1)
        names.insert(there, names.pop(here))
    return Layout(hidden, [] if names == columns.names(batch) else names)


def _put(view: SavedView, layout: Layout) -> None:
    view.columns = kept(layout)
    view.save(update_fields=["columns"])


def kept(layout: Layout) -> dict[str, list[str]]:
    """As a view stores it."""
    return {"hidden": list(layout.hidden), "order": list(layout.order)}
