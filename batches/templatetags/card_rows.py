"""A row of the table of cards, its cells, and the button at its end.

Drawn here and not in templates, whose tags took five sixths of the time of a page of fifty cards (docs/performance.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from django import template
from django.template.defaultfilters import truncatechars
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from batches.models import Batch
from batches.queries import grid
from batches.queries.columns import BATCH, REVIEWER
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


@register.simple_tag(takes_context=True)
def card_cells(context: template.Context, row: Row, batch: Batch | None = None) -> str:
    """All columns behind a card's number, of its batch's table or its collection's."""
    drawing = _Drawing.of(context, row, batch)
    shown = parts(context, row)
    return format_html_join("", "{}", ((drawing.cell(cell) if cell else drawing.column(name),) for name, cell in shown))


@register.simple_tag(takes_context=True)
def card_cell(context: template.Context, cell: Cell) -> str:
    """One value of one card. Nothing in it is personal but whether one may correct it."""
    return _Drawing.of(context, context["row"]).cell(cell)


@register.simple_tag(takes_context=True)
def card_act(context: template.Context, row: Row, batch: Batch | None = None) -> str:
    """What is next to be done with a card."""
    return _Drawing.of(context, row, batch).act(can_edit=bool(context.get("can_edit")))


@dataclass(frozen=True, slots=True)
class _Drawing:
    """`query`: what the table shows, for the way back. `collection`: in whose table it stands; empty: its batch's."""

    batch: Batch
    row: Row
    icons: str  # address of the drawings
    can_correct: bool
    query: str
    collection: str

    @classmethod
    def of(cls, context: template.Context, row: Row, batch: Batch | None = None) -> "_Drawing":
        return cls(
            batch=batch or context["batch"],
            row=row,
            icons=static("icons.svg"),
            can_correct=bool(context.get("can_correct")),
            query=str(context.get("query") or ""),
            collection=str(context.get("collection") or ""),
        )

    def _icon(self, name: str) -> str:
        return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>', self.icons, name)

    def _address(self, view: str, *args: str, query: str = "") -> str:
        """Of the row's card; in a collection's table it says so."""
        said = [query, f"collection={quote(self.collection, safe='')}" if self.collection else ""]
        asked = "&".join(part for part in said if part)
        path = reverse(view, args=[self.batch.pk, self.row.card.pk, *args])
        return f"{path}?{asked}" if asked else path

    # ---- columns

    def column(self, name: str) -> str:
        """What stands in a column that is no field of the card's batch."""
        draw: Callable[[], str] = {
            BATCH: self._batch,
            "status": self._status,
            "confidence": self._confidence,
            REVIEWER: self._reviewer,
            "name": self._name,
        }.get(name, self._nothing)
        return draw()

    def _batch(self) -> str:
        address = reverse("batch_detail", args=[self.batch.pk])
        return format_html('<td><a href="{}">{}</a></td>', address, truncatechars(self.batch.name, 40))

    def _nothing(self) -> str:
        """A collection's table has the fields of all its batches."""
        dash = '<td><span class="muted" aria-hidden="true">–</span><span class="vh">{}</span></td>'
        return format_html(dash, _("no such field in this batch"))

    def _status(self) -> str:
        pill = self.row.pill
        return format_html(
            '<td><span class="state state--{}"><svg class="icon{}" aria-hidden="true"><use href="{}#{}"/></svg>'
            "{}</span>{}</td>",
            pill.kind,
            " spin" if pill.icon == "loader" else "",
            self.icons,
            pill.icon,
            pill.word,
            format_html('<span class="cell__was">{}</span>', pill.note) if pill.note else "",
        )

    def _confidence(self) -> str:
        return format_html('<td class="num soft">{}</td>', self.row.confidence)

    def _reviewer(self) -> str:
        by = self.row.card.reviewed_by
        name = format_html('<span class="soft">{}</span>', by.get_full_name() or by.get_username()) if by else ""
        return format_html("<td>{}</td>", name)

    def _name(self) -> str:
        name = self.row.card.display_name
        return format_html(
            '<td class="soft cardgrid__file"><bdi title="{}">{}</bdi></td>', name, truncatechars(self.row.name, 40)
        )

    # ---- a value

    def cell(self, cell: Cell) -> str:
        place = f"{self.row.card.pk}-{cell.key}"
        corrects = self.can_correct and self.row.is_read
        inside = format_html(
            "{}{}{}",
            self._value(cell),
            self._mark(cell),
            self._icon("pen") if cell.corrected else "",
        )
        return format_html(
            '<td class="cardgrid__cell{}" id="cell-{}" data-cell>{}{}</td>',
            " is-marked" if cell.mark else "",
            place,
            self._correctable(cell, place, inside) if corrects else format_html('<span class="cell">{}</span>', inside),
            self._origin(cell),
        )

    def _correctable(self, cell: Cell, place: str, inside: str) -> str:
        address = self._address("card_edit", cell.key)
        return format_html(
            '<a class="cell cell--go" id="edit-{}" href="{}" hx-get="{}" hx-target="#cell-{}" hx-swap="outerHTML">'
            '{}<span class="vh">, {}</span></a>',
            place,
            address,
            address,
            place,
            inside,
            _("correct %(label)s") % {"label": cell.spec.label},
        )

    def _value(self, cell: Cell) -> str:
        match cell.kind:
            case "nothing":
                dash = '<span class="muted" aria-hidden="true">–</span><span class="vh">{}</span>'
                return format_html(dash, _("not read"))
            case "not_asked":
                return format_html('<span class="muted">{}</span>', _("not asked"))
            case "absent":
                return format_html('<span class="muted">{}</span>', _("empty") if cell.corrected else _("not on card"))
            case "unreadable":
                return format_html('<span class="cell cell--bad">{}{}</span>', self._icon("ban"), _("cannot read"))
        flag = " is-flag" if cell.mark else " is-mine" if cell.corrected else ""
        return format_html('<bdi class="value{}">{}</bdi>', flag, truncatechars(cell.value, 80))

    def _mark(self, cell: Cell) -> str:
        if not cell.mark or cell.kind == "unreadable":
            return ""
        return format_html('<span class="cell__mark">{}{}</span>', self._icon("flag"), cell.mark)

    def _origin(self, cell: Cell) -> str:
        """Where a value came from that does not stand on the card like this."""
        if cell.corrected and cell.by_hand:
            return format_html('<span class="cell__was">{}</span>', _("entered by %(by)s") % {"by": cell.by})
        if cell.corrected and cell.machine:
            was, said = _("was:"), _("read by the machine")
            text = '<span class="cell__was">{} <bdi class="value">{}</bdi>, {} · {}</span>'
            return format_html(text, was, truncatechars(cell.machine, 60), said, cell.by)
        if cell.corrected:
            text = '<span class="cell__was">{} · {}</span>'
            return format_html(text, _("was empty, read by the machine"), cell.by)
        if cell.verbatim:
            text = '<span class="cell__was">{} <bdi class="value">{}</bdi></span>'
            return format_html(text, _("on the card:"), truncatechars(cell.verbatim, 60))
        return ""

    # ---- the button

    def act(self, *, can_edit: bool) -> str:
        card = self.row.card
        if self.can_correct and self.row.is_read:
            if card.candidates:
                return self._compare()
            version = f"version={card.version}"
            if self.row.settled:
                return self._posts("right", "card_reviewed", f"undo=1&{version}", "undo", _("Not checked"))
            return self._posts("right", "card_reviewed", version, "check", _("Card is right"))
        if can_edit and self.row.can_retry:
            return self._button(format_html(' formaction="{}"', self._retry()), "refresh", _("Retry"))
        if can_edit and self.row.left_out:
            word = _("Not blank: read it") if card.skip_reason == "blank" else _("Read it after all")
            return self._posts("read", "card_read", "", "refresh", word)
        return ""

    def _retry(self) -> str:
        return reverse("card_retry", args=[self.batch.pk, self.row.card.pk])

    def _compare(self) -> str:
        return format_html(
            '<a class="btn btn--s" id="right-{}" href="{}#readings">{}{}</a>',
            self.row.card.pk,
            self._address("card_detail", query=self.query),
            _("Compare"),
            self._which(),
        )

    def _posts(self, slot: str, view: str, query: str, icon: str, word: str) -> str:
        """Its answer takes the row's place."""
        address = self._address(view, query=query)
        target = ' id="{}-{}" formaction="{}" hx-post="{}" hx-target="#card-{}" hx-swap="outerHTML"'
        pk = self.row.card.pk
        return self._button(format_html(target, slot, pk, address, address, pk), icon, word)

    def _button(self, target: str, icon: str, word: str) -> str:
        text = '<button class="btn btn--s" form="card-action"{}>{}{}{}</button>'
        return format_html(text, target, self._icon(icon), word, self._which())

    def _which(self) -> str:
        """For those who hear the button and do not see the row."""
        return format_html('<span class="vh"> {}</span>', _("card %(n)s") % {"n": self.row.card.position})
