"""What is told in the bell and by mail, in the reader's language. A kind that has no sentence is said by its label."""

from collections.abc import Callable

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches.models import News
from batches.news import FULL, MUST_STAY_INSIDE
from batches.states import BatchStatus, PauseReason


def about(news: News) -> str:
    """What it happened to."""
    return news.batch.name if news.batch else _("This server")


def sentence(news: News) -> str:
    """What happened, without where and when."""
    return _SENTENCES[news.kind](news) if news.kind in _SENTENCES else str(news.get_kind_display())


def detail(news: News) -> str:
    """What else is known of it."""
    if news.kind == News.Kind.FINISHED:
        return _what_is_left(_number(news, "to_check"), _number(news, "failed"))
    if news.batch is None:
        return _of_the_server(news)
    if news.kind == News.Kind.PAUSED and news.batch.status != BatchStatus.PAUSED:
        return _("It is not paused any more.")
    if news.kind == News.Kind.INBOX and not news.batch.is_draft:
        return _("It was started since.")
    return ""


def _of_the_server(news: News) -> str:
    """What is to be done; once it is over, how long it went on."""
    if news.cause == News.OVER:
        times = {"since": _moment(news, "since"), "until": _moment(news, "until")}
        return _("From %(since)s to %(until)s.") % times
    if news.kind == News.Kind.CONSUMER:
        n = _number(news, "batches")
        waiting = ngettext("%(n)s batch waits for it.", "%(n)s batches wait for it.", n) % {"n": n}
        advice = _(
            "It is started by “manage.py serve” (or “manage.py serve --only worker”), whose log says why it ended; "
            "“manage.py doctor” looks at the rest."
        )
        return f"{waiting} {advice}"
    said = [_("%(left)s were free when this was told.") % {"left": filesizeformat(_number(news, "free"))}]
    if news.cause == FULL:
        said.append(_("No file is taken any more."))
    return " ".join(
        [*said, _("Make room: empty the trash, delete batches that nobody needs, or move the data folder.")]
    )


def _moment(news: News, name: str) -> str:
    at = parse_datetime(str(news.what.get(name, "")))
    return date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT") if at else "?"


def _number(news: News, name: str) -> int:
    number = news.what.get(name, 0)
    return number if isinstance(number, int) else 0


def _who(news: News) -> str:
    return (news.by.get_full_name() or news.by.username) if news.by else _("Somebody who is gone")


def _what_is_left(to_check: int, failed: int) -> str:
    said = []
    if to_check:
        said.append(
            ngettext("%(n)s card is to be checked.", "%(n)s cards are to be checked.", to_check) % {"n": to_check}
        )
    if failed:
        said.append(ngettext("%(n)s card could not be read.", "%(n)s cards could not be read.", failed) % {"n": failed})
    return " ".join(said)


def _finished(news: News) -> str:
    read = _number(news, "completed")
    return ngettext("%(n)s card is read", "%(n)s cards are read", read) % {"n": read}


def _paused(news: News) -> str:
    if news.cause == MUST_STAY_INSIDE:
        return _("The engine is outside the house, and these cards must stay inside")
    known = news.cause in PauseReason.values
    return str(capfirst(PauseReason(news.cause).label)) if known else str(news.get_kind_display())


def _flagged(news: News) -> str:
    times = _number(news, "times") or 1
    words = {"who": _who(news), "n": times, "name": news.what.get("name", "")}
    if times == 1:
        return _("%(who)s flagged %(name)s") % words
    return ngettext("%(who)s flagged %(n)s card", "%(who)s flagged %(n)s cards", times) % words


def _disk(news: News) -> str:
    if news.cause == News.OVER:
        return _("There is room on the disk again")
    return _("The disk is full") if news.cause == FULL else _("The disk is nearly full")


def _consumer(news: News) -> str:
    if news.cause == News.OVER:
        return _("Cards are read again: the consumer runs")
    return _("No cards are read: the consumer does not run")


_SENTENCES: dict[str, Callable[[News], str]] = {
    News.Kind.FINISHED: _finished,
    News.Kind.PAUSED: _paused,
    News.Kind.FLAGGED: _flagged,
    News.Kind.TOLD: lambda news: _who(news),
    News.Kind.INBOX: lambda news: _("Its scans wait for somebody to set them up"),
    News.Kind.DISK: _disk,
    News.Kind.CONSUMER: _consumer,
}
