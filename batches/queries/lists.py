"""The list of batches: filters, order, and what a row shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Lower

from batches.models import Batch, BatchQuerySet, BatchShare, Card, Tag
from batches.queries import rights
from batches.queries.asked import whole_number
from batches.states import BatchStatus, PauseReason

S = BatchStatus
WAIT_FOR_SOMEBODY = [PauseReason.CREDENTIALS, PauseReason.BUDGET, PauseReason.PILOT, PauseReason.DISK]
STATES: dict[str, Q] = {
    "draft": Q(status=S.DRAFT),
    "reading": Q(status=S.RUNNING),
    "queued": Q(status=S.QUEUED),
    "someone": Q(status=S.PAUSED, pause_reason__in=WAIT_FOR_SOMEBODY),
    "endpoint": Q(status=S.PAUSED, pause_reason=PauseReason.ENDPOINT),
    "paused": Q(status=S.PAUSED, pause_reason__in=["", PauseReason.PERSON]),
    "check": Q(status=S.COMPLETED, to_check__gt=0),
    "finished": Q(status=S.COMPLETED),
    "problems": Q(failed__gt=0),
    "stopped": Q(status__in=[S.CANCELLED, S.FAILED]),
}
SORTS: dict[str, Any] = {
    "name": Lower("name"),
    "state": F("status"),
    "check": F("to_check"),
    "problems": F("failed"),
    "owner": Lower("owner__username"),
    "changed": F("changed_at"),
}
DEFAULT_SORT = "-changed"
_LOOK = ("rotation", "crop", "edition")  # what the address of an image depends on


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of the list says. Unknown values are left out, never an error."""

    whose: str = ""
    state: str = ""
    text: str = ""
    collection: str = ""
    tag: str = ""
    owner: str = ""
    template: int = 0
    version: int = 0  # of the template
    sort: str = DEFAULT_SORT

    @classmethod
    def from_query(cls, query: Any) -> "Filters":
        words = {name: query.get(name, "").replace("\x00", "") for name in ("q", "collection", "tag", "owner")}
        whose, state, sort = query.get("whose", ""), query.get("state", ""), query.get("sort", "")
        return cls(
            whose=whose if whose in {"mine", "shared"} else "",
            state=state if state in STATES else "",
            text=words["q"].strip()[:200],
            collection=words["collection"][:200],
            tag=words["tag"][:60],
            owner=words["owner"][:150],
            template=whole_number(query.get("template")) or 0,
            version=whole_number(query.get("version")) or 0,
            sort=sort if sort.removeprefix("-") in SORTS else DEFAULT_SORT,
        )

    @property
    def any(self) -> bool:
        return bool(self.whose or self.state or self.text or self.collection or self.tag or self.owner or self.template)


@dataclass(frozen=True, slots=True)
class Meter:
    """Widths of a progress bar in percent, written as SVG wants them whatever the language."""

    done: str
    check_at: str
    check: str
    failed_at: str
    failed: str
    paused: bool


@dataclass(frozen=True, slots=True)
class Row:
    batch: Batch
    percent: int
    meter: Meter
    look: str  # of the first scan


def narrowed(batches: BatchQuerySet, filters: Filters, user: Any) -> BatchQuerySet:
    """Everything but the state, which has counts of its own."""
    if filters.whose:
        mine = Q(owner=user)
        batches = batches.filter(mine if filters.whose == "mine" else ~mine)
    if filters.text:
        batches = batches.filter(Q(name__icontains=filters.text) | Q(label__icontains=filters.text))
    if filters.collection:
        batches = batches.filter(collection=filters.collection)
    if filters.tag:
        batches = batches.filter(tags__name=filters.tag)
    if filters.owner:
        batches = batches.filter(owner__username=filters.owner)
    if filters.template:
        batches = batches.filter(template_version__template=filters.template)
        batches = batches.filter(template_version__number=filters.version) if filters.version else batches
    return batches


def found(batches: BatchQuerySet, filters: Filters) -> QuerySet[Batch]:
    """In the asked-for state and order, with what a row needs."""
    if filters.state:
        batches = batches.filter(STATES[filters.state])
    order = SORTS[filters.sort.removeprefix("-")]
    order = order.desc() if filters.sort.startswith("-") else order.asc()
    return with_first_card(batches).order_by(order, "-pk")


def with_first_card(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """Owner, first prepared scan, whether groups see it come along: a list costs as many queries however long."""
    readable = Card.objects.filter(batch=OuterRef("pk"), prepared_at__isnull=False).exclude(error="unreadable_image")
    first = readable.order_by("position", "id")
    columns = {"first_card": "pk"} | {f"first_{name}": name for name in _LOOK}
    return (
        batches.select_related("owner")
        .prefetch_related("tags")
        .annotate(for_groups=Exists(BatchShare.objects.filter(batch=OuterRef("pk"))))
        .annotate(**{name: Subquery(first.values(column)[:1]) for name, column in columns.items()})
    )


def counts(batches: BatchQuerySet, user: Any) -> dict[str, int]:
    """How many batches are in each state, all, and one's own."""
    totals = {name: Count("pk", filter=condition) for name, condition in STATES.items()}
    return batches.aggregate(
        all=Count("pk"), mine=Count("pk", filter=Q(owner=user)), cards=Sum("total", default=0), **totals
    )


def allowed(batches: Iterable[Batch], user: Any) -> dict[str, set[int]]:
    """For the menu of each: `mine` may be changed, `own` also shared and deleted."""
    return by_role(rights.of_each(user, batches))


def by_role(roles: Mapping[int, rights.Role]) -> dict[str, set[int]]:
    return {
        "mine": {pk for pk, role in roles.items() if role >= rights.Role.EDITOR},
        "own": {pk for pk, role in roles.items() if role >= rights.Role.OWNER},
    }


def rows(batches: Iterable[Batch]) -> list[Row]:
    return [row(batch) for batch in batches]


def row(batch: Batch) -> Row:
    """`batch` comes from `with_first_card`."""
    total = batch.chosen or 1
    failed = 100 * batch.failed / total
    check = 100 * min(batch.to_check, batch.completed) / total
    done = 100 * batch.finished_cards / total - failed - check
    meter = Meter(
        done=f"{done:.1f}",
        check_at=f"{done:.1f}",
        check=f"{check:.1f}",
        failed_at=f"{done + check:.1f}",
        failed=f"{failed:.1f}",
        paused=batch.status in {S.PAUSED, S.CANCELLED},
    )
    first = getattr(batch, "first_card", None)
    look = Card(**{name: getattr(batch, f"first_{name}") for name in _LOOK}).look if first else ""
    return Row(batch, 100 * batch.finished_cards // total if batch.chosen else 0, meter, look)


def collections(batches: BatchQuerySet) -> list[str]:
    return list(batches.exclude(collection="").order_by("collection").values_list("collection", flat=True).distinct())


def tags(batches: BatchQuerySet) -> list[str]:
    return list(Tag.objects.filter(batch__in=batches).order_by("name").values_list("name", flat=True).distinct())


def owners(batches: BatchQuerySet) -> list[tuple[str, str]]:
    """(user name, name for people)"""
    found = batches.order_by("owner__username").values_list("owner__username", "owner__first_name", "owner__last_name")
    return [(username, f"{first} {last}".strip() or username) for username, first, last in found.distinct()]


def trash_of(user: Any) -> int:
    """How many batches this person could take out of the trash."""
    return Batch.objects.deleted_of(user).count()
