"""Whoever signs people in beside ourselves."""

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from cardocr_site.doctor.told import Told, failed, fine


def directory() -> Iterator[Told]:
    """Only where one is set: the packages that ask it are an extra."""
    if not settings.LDAP:
        return
    from cardocr_site.accounts.directory import Away, look

    about = _("directory (LDAP)")
    try:
        look()
    except Away as away:
        yield failed(
            about,
            _("It cannot be asked: %(error)s. People of the directory do not get in.") % {"error": away},
            _("Compare CARDOCR_LDAP_… with docs/sign-on.md."),
        )
    else:
        yield fine(about, _("It answers, and shows where people and groups are."))
