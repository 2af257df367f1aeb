"""Views of the table of cards under a name: saved, renamed, given up."""

from urllib.parse import urlsplit, urlunsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from batches.actions import columns as column_acts
from batches.models import Batch, SavedView
from batches.queries import collections, saved_views
from batches.queries import columns as layouts
from batches.queries.asked import whole_number
from batches.queries.grid import Filters
from cardocr_site.accounts.requests import SignedInRequest

LONGEST = SavedView._meta.get_field("query").max_length or 0


@require_POST
@login_required
def view_save(request: SignedInRequest) -> HttpResponse:
    """One's own of the same name is replaced. With the columns that the table has now, where that is wanted."""
    name, columns = _name(request), _columns(request)
    query = saved_views.lasting(request.POST.get("query", "").replace("\x00", "")[: 2 * LONGEST])
    if not name:
        messages.error(request, _("Give this view a name, then save it."))
    elif not query and columns is None:
        messages.error(request, _("There is nothing to save: filter, search or sort first."))
    elif len(query) > LONGEST:
        messages.error(request, _("This view is longer than can be saved."))
    else:
        defaults = {"query": query, "columns": columns}
        view, new = SavedView.objects.update_or_create(user=request.user, name=name, defaults=defaults)
        said = _("Saved as “%(name)s”.") if new else _("“%(name)s” is this view from now on.")
        messages.success(request, said % {"name": name})
        return redirect(_opening(_origin(request), view))
    return _back(request)


@require_POST
@login_required
def view_rename(request: SignedInRequest, pk: int) -> HttpResponse:
    view = get_object_or_404(SavedView, pk=pk, user=request.user)
    name = _name(request)
    if not name:
        messages.error(request, _("A view needs a name."))
    elif SavedView.objects.filter(user=request.user, name=name).exclude(pk=pk).exists():
        messages.error(request, _("Another view is called “%(name)s” already.") % {"name": name})
    elif name != view.name:
        view.name = name
        view.save(update_fields=["name"])
        messages.success(request, _("It is called “%(name)s” now.") % {"name": name})
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def view_delete(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks first."""
    view = get_object_or_404(SavedView, pk=pk, user=request.user)
    if request.method == "POST":
        view.delete()
        messages.success(request, _("The view “%(name)s” is removed.") % {"name": view.name})
        return _back(request)
    return render(request, "batches/view_delete.html", {"view": view, "back": _origin(request)})


def _columns(request: SignedInRequest) -> dict[str, list[str]] | None:
    """As the table shows them, of a batch or a collection, that the form stands over."""
    of, table = _table(request) if "columns" in request.POST else (None, None)
    if of is None or table is None:
        return None
    asked = QueryDict(urlsplit(_origin(request)).query)
    view = saved_views.opened(request.user, Filters.from_query(asked, of))
    return column_acts.kept(layouts.layout_of(table, request.user, view))


def _table(request: SignedInRequest) -> tuple[Batch, layouts.Table] | tuple[None, None]:
    """With the batch that has its fields."""
    if name := request.POST.get("collection", ""):
        read = collections.started(collections.batches_of(request.user, name))
        whole = collections.whole(name, read)
        return (whole, layouts.Table(whole.specs(), collection=name)) if read else (None, None)
    pk = whole_number(request.POST.get("batch"))
    batch = Batch.objects.visible_to(request.user).filter(pk=pk).first() if pk else None
    return (batch, layouts.of_batch(batch)) if batch else (None, None)


def _opening(address: str, view: SavedView) -> str:
    """The same table with the columns of this view, or one's own where it has none."""
    parts = urlsplit(address)
    asked = QueryDict(parts.query, mutable=True)
    asked.pop("view", None)
    if view.columns is not None:
        asked["view"] = str(view.pk)
    return urlunsplit(parts._replace(query=asked.urlencode(safe="/:")))


def _name(request: SignedInRequest) -> str:
    return request.POST.get("name", "").replace("\x00", "").strip()[:80]


def _back(request: SignedInRequest) -> HttpResponse:
    return redirect(_origin(request))


def _origin(request: SignedInRequest) -> str:
    """The table that one came from; the address comes from the page, so it may lead nowhere else."""
    back = request.POST.get("back") or request.GET.get("back", "")
    ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if ours and back.startswith("/") else reverse("batch_list")
