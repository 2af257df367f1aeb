"""The cells of a row of the table of cards, in the order of its columns."""

from django import template

from batches.queries import grid
from batches.queries.results import Cell, Entry, Row

register = template.Library()

Part = tuple[str, Cell | None]  # a column's name; its cell, where it is a field's


@register.simple_tag(takes_context=True)
def parts(context: template.Context, row: Row | Entry) -> list[Part]:
    """As the page's `columns` say; a row that everybody gets has none, and stands as in the template."""
    cells = {grid.FIELD + cell.key: cell for cell in row.cells}
    columns = context.get("columns")
    names = [column.name for column in columns[1:]] if columns else ["status", *cells, "confidence", "reviewer", "name"]
    return [(name, cells.get(name)) for name in names]
