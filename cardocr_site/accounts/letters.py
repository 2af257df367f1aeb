"""Mail about accounts: plain text, and links by the address under which people reach the site."""

import logging
import smtplib
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse

log = logging.getLogger(__name__)


def link(view: str, *args: Any, **kwargs: Any) -> str:
    return f"{settings.SITE.origins[0]}{reverse(view, args=args, kwargs=kwargs)}"


def send(to: str, subject: str, *paragraphs: str) -> bool:
    """Whether the server has taken it."""
    try:
        EmailMessage(subject, "\n\n".join(filter(None, paragraphs)) + "\n", to=[to]).send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        log.warning("A letter could not be mailed: %s", type(error).__name__)  # not to whom, nor what a server says
        return False
    return True
