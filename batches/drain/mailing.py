"""What the bell tells is mailed to those who want it, in a thread of the consumer's. The bell's rows are the queue.

Where no consumer runs, the web process mails what concerns the server: see watch.py.
"""

import logging
import smtplib
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from batches import clock
from batches.drain.telling import BACK_OFF
from batches.drain.threads import Rounds
from batches.models import News
from batches.news_words import about, detail, sentence
from cardocr_site.accounts import resets

log = logging.getLogger(__name__)

EVERY = 10.0  # seconds
UNDER_WAY = timedelta(minutes=2)  # then another consumer may take it up


class Mailing(Rounds):
    def __init__(self) -> None:
        super().__init__("mail", self.round, EVERY)

    def round(self) -> None:
        resets.answer_due()  # first: somebody who has forgotten a password waits for it
        self.mail_all()

    def mail_all(self, of: QuerySet[News] | None = None) -> None:
        found = News.objects.all() if of is None else of
        due = found.filter(mail_at__lte=clock.now()).select_related("user", "batch", "by")
        for news in due.order_by("mail_at")[:100]:
            if self.is_stopping:
                return
            row = News.objects.filter(pk=news.pk, mail_at=news.mail_at)
            if not _is_wanted(news):
                row.update(mail_at=None)
            elif row.update(mail_at=clock.now() + UNDER_WAY, mail_tries=F("mail_tries") + 1):
                _send(news, news.mail_tries + 1)


def _is_wanted(news: News) -> bool:
    """Still: not seen meanwhile, by somebody who may still see the batch."""
    user = news.user
    reached = user.is_active and user.mail and bool(user.email) and news.seen_at is None
    return reached and News.objects.visible_to(user).filter(pk=news.pk).exists()


def _send(news: News, tries: int) -> None:
    again = None
    try:
        message(news).send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        again = clock.now() + BACK_OFF[tries - 1] if tries <= len(BACK_OFF) else None
        # Neither the address nor what a server says of it.
        log.warning("Notice %s could not be mailed (try %s): %s", news.pk, tries, type(error).__name__)
    News.objects.filter(pk=news.pk, mail_tries=tries).update(mail_at=again)


def message(news: News) -> EmailMessage:
    """Plain text, in the person's language."""
    with override(news.user.language or settings.LANGUAGE_CODE):
        page = reverse("batch_detail", args=[news.batch_id]) if news.batch else reverse("news_list")
        profile = settings.SITE.origins[0] + reverse("profile")
        why = _("You get this because mail is switched on in your profile: %(address)s") % {"address": profile}
        name = " ".join(about(news).split())
        said = [f"{name}: {sentence(news)}.", detail(news), settings.SITE.origins[0] + page, f"-- \n{why}"]
        return EmailMessage(
            f"{name}: {sentence(news)}"[:200], "\n\n".join(filter(None, said)) + "\n", to=[news.user.email]
        )
