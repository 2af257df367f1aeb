"""Failed sign-ins slow down further ones: per account and address, in the database, so that nothing resets them."""

import datetime
import hashlib

from django.db import transaction
from django.utils import timezone

from cardocr_site.accounts.models import SignInTries

FREE = 5
CLOSED_FOR = datetime.timedelta(minutes=10)
FORGOTTEN_AFTER = datetime.timedelta(days=1)


def _key(account: str, address: str) -> str:
    """The name is as typed, perhaps a password by mistake: it is not kept."""
    return hashlib.sha256(f"{account.strip().casefold()}\n{address}".encode()).hexdigest()


def take(account: str, address: str) -> bool:
    """Count a try before it is checked, so that many at once get no more; False while the door is closed."""
    now = timezone.now()
    with transaction.atomic():
        SignInTries.objects.filter(at__lt=now - FORGOTTEN_AFTER).delete()
        row, _ = SignInTries.objects.select_for_update().get_or_create(key=_key(account, address))
        if row.closed_until is not None and row.closed_until > now:
            return False
        row.number += 1
        row.closed_until = now + CLOSED_FOR if row.number >= FREE else None
        row.save()
    return True


def forget(account: str, address: str) -> None:
    SignInTries.objects.filter(key=_key(account, address)).delete()


def give_back(account: str, address: str) -> None:
    """A try that could not be checked."""
    with transaction.atomic():
        row = SignInTries.objects.select_for_update().filter(key=_key(account, address)).first()
        if row is not None and row.number:
            row.number -= 1
            row.closed_until = None if row.number < FREE else row.closed_until
            row.save()


def left(account: str, address: str) -> int:
    row = SignInTries.objects.filter(key=_key(account, address)).first()
    return max(0, FREE - row.number) if row else FREE


def closed_until(account: str, address: str) -> datetime.datetime | None:
    row = SignInTries.objects.filter(key=_key(account, address), closed_until__gt=timezone.now()).first()
    return row.closed_until if row else None
