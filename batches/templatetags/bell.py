"""The bell of a page, and what it tells."""

from django import template
from django.template import RequestContext

from batches import news_words
from batches.models import News

register = template.Library()
register.filter(news_words.sentence)
register.filter(news_words.detail)
register.filter(news_words.about)

_KEPT = "_unseen_news"

# A pill's colour, and a picture.
LOOKS: dict[str, tuple[str, str]] = {
    News.Kind.FINISHED: ("ok", "check-check"),
    News.Kind.PAUSED: ("warn", "pause"),
    News.Kind.FLAGGED: ("warn", "flag"),
    News.Kind.TOLD: ("warn", "alert"),
    News.Kind.INBOX: ("run", "plus"),
    News.Kind.DISK: ("warn", "alert"),
    News.Kind.CONSUMER: ("warn", "alert"),
}


@register.simple_tag(takes_context=True)
def unseen_news(context: RequestContext) -> int:
    """Asked once for a page."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return 0
    if not hasattr(request, _KEPT):
        unseen = News.objects.visible_to(request.user).filter(seen_at=None).order_by()
        setattr(request, _KEPT, unseen.count())
    return int(getattr(request, _KEPT))


@register.filter
def look(news: News) -> tuple[str, str]:
    return ("ok", "check") if news.cause == News.OVER else LOOKS.get(news.kind, ("plain", "bell"))
