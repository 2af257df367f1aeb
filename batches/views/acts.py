"""Acts on many cards, asked before and shown while they go on; and the list of what people did."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import bulk, undoing
from batches.changes import TransitionRefused
from batches.models import Batch
from batches.queries import activity, grid, queue, rights
from batches.queries.asked import whole_number
from batches.templatetags.activity_words import GROUPS, sentence, undone
from batches.views import keys
from batches.views.results import correctable, may, visible
from cardocr_site.accounts.requests import SignedInRequest

# What else may be done with chosen cards has a page of its own, which gets the same address.
ELSEWHERE = {"reread": "batch_reread", "export": "batch_export", "show": "batch_results"}


def chosen(query: QueryDict, batch: Batch) -> grid.Filters:
    """The cards that were ticked, or with `all` those of the whole filter."""
    filters = grid.Filters.from_query(query, batch)
    ticked = grid.ticked(query)
    return filters if "all" in query or not ticked else replace(filters, cards=ticked)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def cards_act(request: SignedInRequest, pk: int) -> HttpResponse:
    """GET asks, with the number; POST does it."""
    batch = correctable(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    data = request.POST if request.method == "POST" else request.GET
    name, filters = data.get("do", ""), chosen(data, batch)
    if not (filters.cards or "all" in data):
        messages.warning(request, _("Tick the cards first."))
        return _back(pk, filters)
    if name == "open" and (first := next(iter(grid.ids(batch, filters, 0, 1)), None)) is not None:
        asked = queue.Queue(batch, filters, timezone.now())
        return redirect(f"{reverse('batch_review', args=[pk])}?{asked.query(first)}")
    if name in ELSEWHERE:
        return redirect(f"{reverse(ELSEWHERE[name], args=[pk])}?{filters.query()}")
    if name not in bulk.ACTS or not _may(request, batch, name):
        raise Http404
    whose = keys.whose(request, [batch]) if name == "retry" and "key" not in data else None
    if request.method == "POST" and not whose:
        return _do(request, batch, filters, name)
    number = bulk.meant(batch, filters, name).count()
    total = len(filters.cards) if filters.cards else grid.number(batch, filters)
    context = {
        "batch": batch,
        **may(request, batch),
        "whose": whose,
        "do": name,
        "asked": question(name, number),
        "means": means(name),
        "number": number,
        "others": max(0, total - number),
        "hidden": [*QueryDict(filters.query()).items(), *([] if filters.cards else [("all", "1")])],
        "action": reverse("cards_act", args=[pk]),
        "back": _table(pk, filters),
    }
    inside = request.htmx.target == "act-ask"
    return render(request, "batches/_cards_ask.html" if inside else "batches/cards_act.html", context)


def needed(do: str | None) -> rights.Role:
    """What one must be allowed to do this, and to take it back; without a name they are corrections."""
    return rights.Role.CORRECTOR if do in {None, "review", "unreview"} else rights.Role.EDITOR


def _may(request: SignedInRequest, batch: Batch, do: str | None) -> bool:
    return rights.of(request.user, batch) >= needed(do)


def _table(pk: int, filters: grid.Filters) -> str:
    """Back to the list as it was before cards were ticked."""
    query = replace(filters, cards=()).query()
    return f"{reverse('batch_results', args=[pk])}{'?' * bool(query)}{query}"


def _do(request: SignedInRequest, batch: Batch, filters: grid.Filters, name: str) -> HttpResponse:
    try:
        entry = bulk.begin(batch, request.user, filters, name, keys.meant(request))
    except bulk.NothingToDo:
        messages.warning(request, _("There is no card among them that this could change."))
        return _back(batch.pk, filters)
    except TransitionRefused:
        messages.error(request, _("That cannot be done now. The page shows how it stands."))
        return _back(batch.pk, filters)
    if bulk.is_open(entry):
        return redirect("act_detail", batch.pk, entry.pk)
    messages.success(request, f"{sentence(entry)}. " + _("It can be undone under Activity."))
    return _back(batch.pk, filters)


def _back(pk: int, filters: grid.Filters) -> HttpResponse:
    return redirect(_table(pk, filters))


def question(name: str, n: int) -> str:
    asked = {
        "review": ngettext("Mark %(n)s card as checked?", "Mark %(n)s cards as checked?", n),
        "unreview": ngettext("Mark %(n)s card as not checked?", "Mark %(n)s cards as not checked?", n),
        "retry": ngettext("Read %(n)s card again?", "Read %(n)s cards again?", n),
        "skip": ngettext("Leave %(n)s card out?", "Leave %(n)s cards out?", n),
        "turn-left": ngettext("Turn %(n)s scan to the left?", "Turn %(n)s scans to the left?", n),
        "turn-right": ngettext("Turn %(n)s scan to the right?", "Turn %(n)s scans to the right?", n),
    }
    return asked[name] % {"n": n}


def means(name: str) -> str:
    """What it does, and why others among them stay as they are."""
    said = {
        "review": _("Your name stands beside them. Cards that were not read or are checked already stay as they are."),
        "unreview": _("Cards that nobody has checked stay as they are."),
        "retry": _("Only cards that could not be read are read again; what was read stays."),
        "skip": _("Only cards that were not read are left out; what was read stays."),
        "turn-left": _("Values stay as they are, and their places turn along. Scans that are being read stay."),
        "turn-right": _("Values stay as they are, and their places turn along. Scans that are being read stay."),
    }
    return said[name]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def act_detail(request: SignedInRequest, pk: int, act_pk: int) -> HttpResponse:
    """An act that takes its time: how far it is. Each POST does a second more of it."""
    batch = correctable(request, pk)
    entry = get_object_or_404(batch.activities.select_related("by", "undone_by"), pk=act_pk)
    allowed = _may(request, batch, entry.what.get("do"))
    if request.method == "POST" and not allowed:
        raise Http404
    if request.method == "POST" and entry.what.get("do") in bulk.ACTS:
        bulk.go_on(entry)
        entry = batch.activities.select_related("by", "undone_by").get(pk=act_pk)
    undo = entry.what.get("undo")
    context = {
        "batch": batch,
        **may(request, batch),
        "entry": entry,
        "open": bulk.is_open(entry),
        "done": undo["back"] + undo["kept"] if undo else entry.count,
        "total": entry.count if undo else entry.what.get("total", entry.count),
        "can_undo": allowed and undoing.can_be_undone(entry),
        "address": reverse("act_detail", args=[pk, act_pk]),
        "back": reverse("batch_results", args=[pk]),
    }
    inside = request.htmx.target == "act-progress"
    return render(request, "batches/_act_progress.html" if inside else "batches/act_detail.html", context)


@require_POST
@login_required
def act_undo(request: SignedInRequest, pk: int, act_pk: int) -> HttpResponse:
    """Take it back, as far as nobody has touched the cards since."""
    batch = correctable(request, pk)
    entry = get_object_or_404(batch.activities.select_related("by"), pk=act_pk)
    if not _may(request, batch, entry.what.get("do")):
        raise Http404
    entry = undoing.undo(entry, request.user)
    if entry.undone_at is None:
        messages.error(request, _("This cannot be undone here."))
    elif bulk.is_open(entry):
        return redirect("act_detail", pk, act_pk)
    else:
        messages.success(request, _("Undone.") + " " + undone(entry))
    return redirect("site_activity" if request.POST.get("from") == "site" else "batch_activity", *_where(request, pk))


def _where(request: SignedInRequest, pk: int) -> list[int]:
    return [] if request.POST.get("from") == "site" else [pk]


@require_safe
@login_required
@never_cache
def batch_activity(request: SignedInRequest, pk: int) -> HttpResponse:
    """Who did what to this batch."""
    batch = visible(request, pk)
    context = _list(request, batch) | {"batch": batch, **may(request, batch)}
    return render(request, "batches/batch_activity.html", context)


@require_safe
@login_required
@never_cache
def site_activity(request: SignedInRequest) -> HttpResponse:
    """Who did what, in all batches that one may look at."""
    named = whole_number(request.GET.get("batch"))
    if named is not None:
        batch = get_object_or_404(Batch.objects.visible_to(request.user), pk=named)
        return render(request, "batches/activity.html", _list(request, batch) | {"only": batch})
    return render(request, "batches/activity.html", _list(request, None))


def _list(request: SignedInRequest, batch: Batch | None) -> dict[str, Any]:
    group, person = request.GET.get("kind", ""), _uuid(request.GET.get("by", ""))
    kinds = GROUPS[group][1] if group in GROUPS else ()
    page = activity.page(activity.visible(request.user, batch), kinds, person, request.GET.get("before", ""))
    roles = rights.of_each(request.user, {entry.batch for entry in page.entries})
    rows = [
        {
            "entry": entry,
            "can_undo": undoing.can_be_undone(entry) and roles[entry.batch_id] >= needed(entry.what.get("do")),
            "open": bool(entry.what.get("do")) and bulk.is_open(entry),
        }
        for entry in page.entries
    ]
    query = request.GET.copy()
    query["before"] = page.older
    return {
        "rows": rows,
        "older": query.urlencode() if page.older else "",
        "newest": "before" not in request.GET,
        "kind": group if group in GROUPS else "",
        "person": "" if person is None else str(person),
        "groups": [(name, label) for name, (label, _kinds) in GROUPS.items()],
        "people": activity.people(request.user, batch),
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
