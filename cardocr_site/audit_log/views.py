"""The page of the audit log, and the same taken along as lines of JSON. For administrators."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from batches.exports.sending import headers
from batches.models import Batch
from batches.streaming import stream
from cardocr_site.accounts import audit, audit_queries
from cardocr_site.accounts.audit_api import AuditOut
from cardocr_site.accounts.models import AuditEntry, User
from cardocr_site.accounts.requests import SignedInRequest, administrator_required
from cardocr_site.audit_log import words
from cardocr_site.contract import Refused

PER_PAGE = 50
BLOCK = 1000  # entries of an export at a time
NAMED = 500  # people that the filter offers
JSONL = "application/jsonl"


class Filter(forms.Form):
    """As the address has it. What is empty is not asked for."""

    actor = forms.CharField(label=gettext_lazy("Person"), max_length=150, required=False)
    act = forms.ChoiceField(label=gettext_lazy("What was done"), required=False)
    name = forms.CharField(label=gettext_lazy("Object"), max_length=200, required=False)
    object = forms.CharField(label=gettext_lazy("Object"), max_length=90, required=False)
    outcome = forms.ChoiceField(label=gettext_lazy("Outcome"), required=False)
    address = forms.CharField(label=gettext_lazy("Address"), max_length=64, required=False)

    def __init__(self, query: QueryDict) -> None:
        super().__init__(query)
        acts = [(topic, list(acts.items())) for topic, acts in words.ACTS.items()]
        self.fields["act"].choices = [("", gettext_lazy("Everything")), *acts]  # type: ignore[attr-defined]
        outcomes = [("", gettext_lazy("Any outcome")), *AuditEntry.Outcome.choices]
        self.fields["outcome"].choices = outcomes  # type: ignore[attr-defined]
        ages = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2999, 1, 1))]
        for name, label in (("from", pgettext_lazy("day", "From")), ("to", pgettext_lazy("day", "To"))):
            self.fields[name] = forms.DateField(
                label=label, required=False, input_formats=["%Y-%m-%d"], validators=ages
            )

    def clean_object(self) -> tuple[str, str] | None:
        try:
            return audit_queries.object_of(self.cleaned_data["object"])
        except ValueError as error:
            raise ValidationError(_("Send kind and id, as in batch:12.")) from error

    def asked(self) -> audit_queries.Asked:
        """Only of what is valid. Days are those of the site; the last one counts."""
        told = dict(self.cleaned_data)
        first, last = told.pop("from"), told.pop("to")
        return audit_queries.Asked(
            of=told.pop("object"),
            since=_begins(first) if first else None,
            until=_begins(last + timedelta(days=1)) if last else None,
            **told,
        )

    def used(self) -> dict[str, str]:
        """What is asked for, as it was written."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}


def _begins(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


@dataclass(frozen=True, slots=True)
class Row:
    entry: AuditEntry
    who: str
    act: str
    details: list[str]
    kind: str
    look: tuple[str, str]
    url: str  # empty: the object is gone, or has no page


@require_safe
@login_required
@administrator_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def audit_log(request: SignedInRequest) -> HttpResponse:
    """Newest first. When htmx asks for the table (filter), only that."""
    form = Filter(request.GET)
    entries, older = _part(form, request.GET.get("before")) if form.is_valid() else ([], None)
    context: dict[str, Any] = {
        "form": form,
        "used": form.used(),
        "rows": _rows(entries),
        "older": older,
        "newest": "before" not in request.GET,
    }
    if form.is_valid() and (of := form.cleaned_data["object"]):
        name = next((one.object_name for one in entries if one.object_name), "")
        context["only"] = words.called(of[0], of[1], name)
    status = 200 if form.is_valid() else 422
    if request.htmx.target == "audit":
        return render(request, "accounts/_audit_table.html", context, status=status)
    context["people"] = User.objects.order_by("username").values_list("username", flat=True)[:NAMED]
    return render(request, "accounts/audit_log.html", context, status=status)


def _part(form: Filter, before: str | None) -> tuple[list[AuditEntry], str | None]:
    rows = audit_queries.narrowed(form.asked())
    try:
        return audit_queries.part(rows, before, PER_PAGE)
    except Refused:  # what is no place in the list: its beginning
        return audit_queries.part(rows, None, PER_PAGE)


def _rows(entries: Iterable[AuditEntry]) -> list[Row]:
    there = _addresses(entries)
    return [
        Row(
            entry,
            words.actor(entry),
            words.act(entry),
            words.details(entry),
            words.kind(entry),
            words.LOOKS[AuditEntry.Outcome(entry.outcome)],
            there.get((entry.object_kind, entry.object_id), ""),
        )
        for entry in entries
    ]


def _addresses(entries: Iterable[AuditEntry]) -> dict[tuple[str, str], str]:
    """Of the objects that are still there: one question for each kind of them."""
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        if entry.object_id:
            wanted.setdefault(entry.object_kind, set()).add(entry.object_id)
    found: dict[tuple[str, str], str] = {}
    for kind in wanted.keys() & words.PAGES.keys():
        model, page = words.PAGES[kind]
        rows: QuerySet[Any] = model._default_manager.filter(pk__in=wanted[kind])
        if model is Batch:
            rows = rows.filter(deleted_at=None)
        found |= {(kind, str(pk)): reverse(page, args=[pk]) for pk in rows.values_list("pk", flat=True)}
    return found


@require_safe
@login_required
@never_cache
def audit_download(request: SignedInRequest) -> HttpResponseBase:
    """What the filter shows, whole, one entry a line as programs get it. That it was taken is written down, too."""
    if not request.user.is_administrator:
        raise PermissionDenied(_("That is for administrators."))
    form = Filter(request.GET)
    if not form.is_valid():
        return redirect(f"{reverse('audit_log')}?{request.GET.urlencode()}")
    named = headers(f"audit-log_{timezone.localdate().isoformat()}.jsonl")
    if request.method == "HEAD":
        return HttpResponse(content_type=JSONL, headers=named)
    newest = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    rows = audit_queries.narrowed(form.asked()).filter(pk__lte=newest)
    audit.record("export", by=request.user, kind="auditentry", details={"format": "jsonl", "asked": form.used()})
    return StreamingHttpResponse(stream(_lines(rows)), content_type=JSONL, headers=named)


def _lines(rows: QuerySet[AuditEntry]) -> Iterator[bytes]:
    """In blocks: a cursor that stays open while somebody downloads would hold up the database's tidying."""
    cursor: str | None = None
    while True:
        entries, cursor = audit_queries.part(rows, cursor, BLOCK)
        for entry in entries:
            yield f"{AuditOut.from_orm(entry).model_dump_json()}\n".encode()
        if cursor is None:
            return
