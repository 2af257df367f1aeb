"""Retry and manual review of failures. Statuses are read-only here as everywhere: actions change them."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from batches import changes, progress
from batches.actions import runs
from batches.models import Attempt, Batch, Card, CardResult, FieldRevision, Spending, Worker
from batches.states import CardStatus
from cardocr_site.accounts.models import User


class LookOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """To look at: rows are made by the run and by the pages."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Batch)
class BatchAdmin(LookOnly):
    list_display = ("name", "status", "pause_reason", "owner", "total", "completed", "failed", "to_check", "changed_at")
    list_filter = ("status", "pause_reason", "is_sample")
    list_select_related = ("owner",)
    search_fields = ("name", "label", "uid", "collection")
    fields = (
        ("name", "collection", "owner", "uid", "label"),
        ("status", "pause_reason", "pause_message", "retry_at"),
        ("engine", "model", "template_version", "options"),
        ("fields", "instruction", "prompt"),
        ("total", "pending", "processing", "completed", "failed", "cancelled", "to_check", "reviewed"),
        ("skipped", "blank", "not_chosen", "continues"),
        ("tokens_in", "tokens_cached", "tokens_out", "tokens_thinking"),
        ("calls", "unpriced", "cost", "currency", "budget", "pilot"),
        ("created_at", "started_at", "finished_at", "deleted_at", "deleted_by"),
        "open_batch",
    )
    actions = ("retry_failed",)

    @admin.display(description=_("its pages"))
    def open_batch(self, batch: Batch) -> str:
        return format_html('<a href="{}">{}</a>', reverse("batch_detail", args=[batch.pk]), batch.name)

    @admin.action(description=_("Read all failed cards of these batches again"))
    def retry_failed(self, request: HttpRequest, batches: QuerySet[Batch]) -> None:
        again = 0
        for batch in batches.filter(deleted_at=None):
            try:
                again += runs.retry_all(batch, by=cast(User, request.user))
            except changes.TransitionRefused:
                self.message_user(request, _("“%s” has nothing to read again now.") % batch.name, messages.WARNING)
        told = ngettext("%d failed card is read again.", "%d failed cards are read again.", again) % again
        self.message_user(request, told, messages.SUCCESS if again else messages.WARNING)


class ReasonFilter(admin.SimpleListFilter):
    """The errors that there are, in words."""

    title = _("error")
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        codes = Card.objects.exclude(error="").order_by("error").values_list("error", flat=True).distinct()
        return [(code, progress.error_sentence(code)) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Card]) -> QuerySet[Card]:
        return queryset.filter(error=self.value()) if self.value() else queryset


class AttemptInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Attempt
    fields = (
        "started_at",
        "engine_name",
        "model",
        "duration",
        "error",
        "error_message",
        "counted",
        "unknown_keys",
        "raw_reply",
    )
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Card)
class CardAdmin(LookOnly):
    list_display = (
        "thumbnail",
        "original_name",
        "page",
        "batch",
        "status",
        "reason",
        "advice",
        "tries",
        "crashes",
        "finished_at",
    )
    list_display_links = ("original_name",)
    list_filter = ("status", ReasonFilter, "skip_reason", "to_check")
    list_select_related = ("batch",)
    search_fields = ("original_name", "filename", "batch__name", "batch__label")
    fields = (
        "thumbnail",
        ("batch", "position", "original_name", "page", "filename", "source"),
        ("status", "skip_reason", "error", "error_message", "advice"),
        ("tries", "crashes", "worker", "claim", "called_at", "finished_at", "duration"),
        ("to_check", "reviewed", "reviewed_by"),
        "by_hand",
    )
    readonly_fields = ("thumbnail", "advice", "by_hand")
    inlines = (AttemptInline,)
    actions = ("retry", "skip")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Card]:
        return super().get_queryset(request).filter(batch__deleted_at=None)

    @admin.display(description=_("scan"))
    def thumbnail(self, card: Card) -> str:
        if card.prepared_at is None:
            return "–"
        source = reverse("card_image", args=[card.batch_id, card.pk, "thumb"])
        return format_html('<img src="{}?{}" alt="" width="96">', source, card.look)

    @admin.display(description=_("why"))
    def reason(self, card: Card) -> str:
        return progress.error_sentence(card.error) if card.error else card.get_skip_reason_display()

    @admin.display(description=_("what to do"))
    def advice(self, card: Card) -> str:
        return progress.error_advice(card.error) if card.error else "–"

    @admin.display(description=_("enter the values by hand"))
    def by_hand(self, card: Card) -> str:
        page = reverse("card_detail", args=[card.batch_id, card.pk])
        return format_html('<a href="{}">{}</a>', page, _("Open the card beside its scan"))

    @admin.action(description=_("Read these failed cards again"))
    def retry(self, request: HttpRequest, cards: QuerySet[Card]) -> None:
        failed = cards.filter(status=CardStatus.FAILED)
        moved = self._each(request, failed, partial(runs.retry_card, by=cast(User, request.user)))
        told = ngettext("%d failed card is read again.", "%d failed cards are read again.", moved) % moved
        self.message_user(request, told, messages.SUCCESS if moved else messages.WARNING)

    @admin.action(description=_("Skip these cards"))
    def skip(self, request: HttpRequest, cards: QuerySet[Card]) -> None:
        moved = self._each(request, cards, partial(runs.skip, by=cast(User, request.user)))
        told = ngettext("%d card is skipped.", "%d cards are skipped.", moved) % moved
        self.message_user(request, told, messages.SUCCESS if moved else messages.WARNING)

    def _each(self, request: HttpRequest, cards: QuerySet[Card], act: Callable[[Card], object]) -> int:
        """Card by card, so that one that cannot go there spoils nothing."""
        moved = 0
        for card in cards.order_by("batch_id", "position"):
            try:
                act(card)
            except changes.TransitionRefused:
                text = _("“%(card)s” is “%(status)s” and stays so.")
                told = text % {"card": card.display_name, "status": card.get_status_display()}
                self.message_user(request, told, messages.WARNING)
            else:
                moved += 1
        return moved


@admin.register(Attempt)
class AttemptAdmin(LookOnly):
    list_display = ("started_at", "card", "engine_name", "model", "duration", "error", "counted", "unknown_keys")
    list_filter = ("error", "engine_name", "counted")
    list_select_related = ("card",)
    search_fields = ("card__original_name", "card__batch__label", "model")


@admin.register(CardResult)
class CardResultAdmin(LookOnly):
    list_display = ("card", "engine_name", "model", "confidence", "by_hand", "created_at")
    list_filter = ("by_hand", "engine_name")
    list_select_related = ("card",)
    search_fields = ("card__original_name", "card__batch__label")


@admin.register(FieldRevision)
class FieldRevisionAdmin(LookOnly):
    list_display = ("at", "card", "key", "old", "new", "by")
    list_select_related = ("card", "by")
    search_fields = ("card__original_name", "key", "by__username")


@admin.register(Worker)
class WorkerAdmin(LookOnly):
    list_display = ("host", "pid", "started_at", "seen_at")


@admin.register(Spending)
class SpendingAdmin(LookOnly):
    """What each engine has cost in each month, beside its budget."""

    list_display = ("month_name", "engine", "cost_told", "budget", "calls", "tokens_in", "tokens_out")
    list_filter = ("engine", "month")
    list_select_related = ("engine",)
    date_hierarchy = "month"
    fields = (
        ("engine", "month_name"),
        ("cost_told", "budget"),
        ("calls", "unpriced"),
        ("tokens_in", "tokens_cached", "tokens_out", "tokens_thinking"),
    )

    @admin.display(description=_("month"), ordering="month")
    def month_name(self, spending: Spending) -> str:
        return date_format(spending.month, "YEAR_MONTH_FORMAT")

    @admin.display(description=_("cost"), ordering="cost")
    def cost_told(self, spending: Spending) -> str:
        """ "At least", where the cost of some calls is unknown."""
        if spending.calls == spending.unpriced:
            return gettext("not known")
        return progress.money(spending.cost, spending.engine.currency, at_least=bool(spending.unpriced))

    @admin.display(description=_("budget per month"))
    def budget(self, spending: Spending) -> str:
        limit = spending.engine.month_budget
        return "–" if limit is None else progress.money(limit, spending.engine.currency)
