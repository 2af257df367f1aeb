"""What is told in the bell and by mail, in the reader's language. A kind that has no sentence is said by its label."""

from collections.abc import Callable

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches.models import News
from batches.news import MUST_STAY_INSIDE
from batches.states import BatchStatus, PauseReason


def sentence(news: News) -> str:
    """What happened, without where and when."""
    return _SENTENCES[news.kind](news) if news.kind in _SENTENCES else str(news.get_kind_display())


def detail(news: News) -> str:
    """What else is known of it."""
    if news.kind == News.Kind.FINISHED:
        return _what_is_left(_number(news, "to_check"), _number(news, "failed"))
    if news.kind == News.Kind.PAUSED and news.batch.status != BatchStatus.PAUSED:
        return _("It is not paused any more.")
    if news.kind == News.Kind.INBOX and not news.batch.is_draft:
        return _("It was started since.")
    return ""


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


_SENTENCES: dict[str, Callable[[News], str]] = {
    News.Kind.FINISHED: _finished,
    News.Kind.PAUSED: _paused,
    News.Kind.FLAGGED: _flagged,
    News.Kind.TOLD: lambda news: _who(news),
    News.Kind.INBOX: lambda news: _("Its scans wait for somebody to set them up"),
}
