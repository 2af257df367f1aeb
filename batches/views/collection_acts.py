"""Acts on cards of a collection, asked before and shown while they go on: each batch has an entry of its own."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from batches.actions import bulk
from batches.changes import TransitionRefused
from batches.models import Activity
from batches.queries import collections, grid
from batches.queries.asked import whole_number
from batches.queries.rights import Role
from batches.views import keys
from batches.views.acts import chosen, means, needed, question
from batches.views.collections import batches_of, shared_of
from cardocr_site.accounts.requests import SignedInRequest

# What else may be done with chosen cards has a page of its own, which gets the same address.
ELSEWHERE = {"reread": "collection_reread", "export": "collection_export"}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def collection_act(request: SignedInRequest, name: str) -> HttpResponse:
    """As cards_act: GET asks, with the number; POST does it, of the batches in which this person may."""
    batches = batches_of(request, name)
    shared = shared_of(request, name, batches, "cards")
    data = request.POST if request.method == "POST" else request.GET
    do, filters = data.get("do", ""), chosen(data, shared["whole"])
    read = collections.started(batches)
    mine = [batch for batch in read if batch.pk in _allowed(request, shared, do)]
    meant = collections.chosen(mine, filters) if filters.cards or "all" in data else []
    if not meant:
        messages.warning(request, _("Tick the cards first."))
        return redirect(_table(name, filters))
    if do == "open":
        return redirect(f"{reverse('collection_review', args=[name])}?queue={filters.name}&{filters.query()}")
    if do in ELSEWHERE:
        return redirect(f"{reverse(ELSEWHERE[do], args=[name])}?{filters.query()}")
    if do not in bulk.ACTS:
        raise Http404
    whose = keys.whose(request, [batch for batch, _own in meant]) if do == "retry" and "key" not in data else None
    if request.method == "POST" and not whose:
        return _do(request, name, meant, filters, do)
    number = collections.narrowed(mine, filters).filter(bulk.ACTS[do].meant).count()
    total = len(filters.cards) or sum(collections.numbers(read, filters).values())
    context = shared | {
        "whose": whose,
        "do": do,
        "asked": question(do, number),
        "means": means(do),
        "number": number,
        "others": max(0, total - number),
        "hidden": [*QueryDict(filters.query()).items(), *([] if filters.cards else [("all", "1")])],
        "action": reverse("collection_act", args=[name]),
        "back": _table(name, filters),
    }
    inside = request.htmx.target == "act-ask"
    return render(request, "batches/_cards_ask.html" if inside else "batches/collection_act.html", context)


def _allowed(request: SignedInRequest, shared: Mapping[str, Any], do: str) -> Collection[int]:
    """The batches in which this person may do that."""
    if do in bulk.ACTS and needed(do) > Role.CORRECTOR:
        return shared["mine"]  # type: ignore[no-any-return]
    return {batch.pk for batch in shared["batches"]} if request.user.corrects else set()


def _table(name: str, filters: grid.Filters) -> str:
    """Back to the list as it was before cards were ticked."""
    query = filters.query(cards="")
    return f"{reverse('collection_cards', args=[name])}{'?' * bool(query)}{query}"


def _do(
    request: SignedInRequest, name: str, meant: Sequence[collections.Chosen], filters: grid.Filters, do: str
) -> HttpResponse:
    entries = []
    for batch, own in meant:
        try:
            entries.append(bulk.enter(batch, request.user, own, do, keys.meant(request)))
        except (bulk.NothingToDo, TransitionRefused):
            continue  # the others are done all the same, and the number says so
    if not entries:
        messages.warning(request, _("There is no card among them that this could change."))
        return redirect(_table(name, filters))
    entries = bulk.go_on_with(entries)
    if any(bulk.is_open(entry) for entry in entries):
        return redirect(_on(name, entries))
    done = sum(entry.count for entry in entries)
    said = ngettext("%(n)s card changed.", "%(n)s cards changed.", done) % {"n": done}
    messages.success(request, f"{said} " + _("It can be undone under Activity."))
    return redirect(_table(name, filters))


def _on(name: str, entries: Sequence[Activity]) -> str:
    query = QueryDict(mutable=True)
    query.setlist("act", [str(entry.pk) for entry in entries])
    return f"{reverse('collection_act_detail', args=[name])}?{query.urlencode()}"


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def collection_act_detail(request: SignedInRequest, name: str) -> HttpResponse:
    """As act_detail, of an act on several batches: how far it is. Each POST does a second more of it."""
    batches = batches_of(request, name)
    shared = shared_of(request, name, batches, "cards")
    entries = _entries([batch.pk for batch in batches], request.GET)
    entries = [entry for entry in entries if entry.batch_id in _allowed(request, shared, entry.what["do"])]
    if not entries:
        raise Http404
    if request.method == "POST":
        entries = bulk.go_on_with(entries)
    first = entries[0]
    done = sum(entry.count for entry in entries)
    whole = Activity(kind=first.kind, by=first.by, at=first.at, what=first.what, count=done)  # never stored
    context = shared | {
        "entry": whole,
        "open": any(bulk.is_open(entry) for entry in entries),
        "done": done,
        "total": sum(entry.what["total"] for entry in entries),
        "address": _on(name, entries),
        "back": reverse("collection_cards", args=[name]),
        "activity": True,
    }
    inside = request.htmx.target == "act-progress"
    return render(request, "batches/_act_progress.html" if inside else "batches/collection_act_detail.html", context)


def _entries(batches: Collection[int], query: QueryDict) -> list[Activity]:
    """Acts on many cards of these batches that were not taken back."""
    named = [number for text in query.getlist("act")[: grid.MOST] if (number := whole_number(text)) is not None]
    found = Activity.objects.filter(pk__in=named, batch__in=batches, undone_at=None)
    return [entry for entry in found.select_related("by").order_by("pk") if entry.what.get("do") in bulk.ACTS]
