"""The administrator's error review, and the notices that owners get from it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from batches import progress
from batches.actions import failures as actions
from batches.models import Batch, Card
from batches.queries import failures
from batches.queries.asked import whole_number
from batches.queries.failures import Asked
from batches.views import keys
from cardocr_site.accounts.requests import SignedInRequest

LONGEST = 2000  # characters of a notice

View = Callable[..., HttpResponse]


def for_administrators(view: View) -> View:
    """Inside the admin site, and for those alone who may do everything."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not getattr(request.user, "is_administrator", False):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return admin.site.admin_view(checked)


@for_administrators
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def admin_errors(request: SignedInRequest) -> HttpResponse:
    """Failed cards of the last days by cause, and one by one. What is done concerns what the page is narrowed to."""
    asked = Asked.from_query(request.POST if request.method == "POST" else request.GET)
    if request.method == "POST":
        if (whose := _whose(request, asked)) is not None:
            return render(request, "admin/errors_key.html", _of_the_question(request, asked, whose))
        _act(request, asked)
        return redirect(f"{reverse('admin_errors')}?{asked.query()}")
    page = Paginator(failures.listed(asked), failures.PER_PAGE).get_page(request.GET.get("page"))
    context = admin.site.each_context(request) | failures.choices()
    context |= {
        "title": _("Errors"),
        "asked": asked,
        "days": failures.DAYS,
        "causes": failures.causes(asked),
        "readers": failures.readers(),
        "page": page,
        "rows": [(card, progress.error_sentence(card.error)) for card in page],
        "owner_text": _owner_text(asked.cause) if asked.cause else "",
    }
    return render(request, "admin/errors.html", context)


def _chosen(request: SignedInRequest, asked: Asked) -> QuerySet[Card]:
    chosen = failures.failed(asked)
    card = request.POST.get("card", "")
    return chosen.filter(pk=whole_number(card) or 0) if card else chosen


def _whose(request: SignedInRequest, asked: Asked) -> keys.Whose | None:
    """Where somebody else would pay for the retry and it has not been said who shall."""
    if request.POST.get("action") != "retry" or "key" in request.POST:
        return None
    batches = Batch.objects.filter(pk__in=_chosen(request, asked).order_by().values("batch"))
    return keys.whose(request, batches.select_related("engine", "key_of", "rereading__engine", "rereading__key_of"))


def _of_the_question(request: SignedInRequest, asked: Asked, whose: keys.Whose) -> dict[str, Any]:
    number = _chosen(request, asked).count()
    title = ngettext("Read %(n)s card again?", "Read %(n)s cards again?", number) % {"n": number}
    card = whole_number(request.POST.get("card"))
    return admin.site.each_context(request) | {"title": title, "asked": asked, "card": card, "whose": whose}


def _act(request: SignedInRequest, asked: Asked) -> None:
    pairs = list(_chosen(request, asked).order_by("batch", "pk").values_list("batch", "pk"))
    action = request.POST.get("action", "")
    if action == "retry":
        number = actions.retry(pairs, request.user, key=keys.meant(request))
        said = ngettext("%(n)s card is read again.", "%(n)s cards are read again.", number)
    elif action == "unreadable":
        number = actions.mark_unreadable(pairs, request.user)
        said = ngettext("%(n)s card is marked as unreadable.", "%(n)s cards are marked as unreadable.", number)
    elif action == "tell" and (text := request.POST.get("text", "").strip()[:LONGEST]):
        number = actions.tell_owners({batch for batch, _card in pairs}, request.user, text, asked.cause)
        said = ngettext("The owner of %(n)s batch is told.", "The owners of %(n)s batches are told.", number)
    else:
        messages.error(request, _("Nothing was done: say what is to be done."))
        return
    messages.success(request, said % {"n": number})


def _owner_text(cause: str) -> str:
    return f"{progress.error_sentence(cause)} {progress.error_advice(cause)}"


@for_administrators
@require_safe
@never_cache
def admin_error(request: SignedInRequest, card_pk: int) -> HttpResponse:
    """One card: what was asked, and what came back each time."""
    cards = Card.objects.filter(batch__deleted_at=None).select_related("batch__owner", "batch__engine", "rereading")
    card = get_object_or_404(cards, pk=card_pk)
    context = admin.site.each_context(request) | {
        "title": card.display_name,
        "card": card,
        "batch": card.batch,
        "asked": Asked.from_query(request.GET),
        "sentence": progress.error_sentence(card.error) if card.error else "",
        "advice": progress.error_advice(card.error) if card.error else "",
        "prompt": failures.prompt_of(card),
        "attempts": card.attempts.order_by("-id")[:50],
        "owner_text": _owner_text(card.error) if card.error else "",
    }
    return render(request, "admin/error.html", context)


@require_POST
@login_required
def notice_done(request: SignedInRequest, pk: int, notice_pk: int) -> HttpResponse:
    """Its owner has read it."""
    actions.put_away(get_object_or_404(Batch.objects.editable_by(request.user), pk=pk), notice_pk, request.user)
    return redirect("batch_detail", pk)
