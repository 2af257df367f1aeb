"""What a person has of an engine: a key of one's own, and which one new batches are read with."""

from copy import copy
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from cardocr_site.accounts.models import User
from ocr import sealing
from ocr.models import Engine, OwnKey, Preference

LONGEST_KEY = 500
LONGEST_MODEL = 200


def checked_key(text: str) -> str:
    """Raises ValueError for what cannot stand in a header."""
    key = text.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError(_("A key has letters, digits and signs only, no spaces."))
    if len(key) > LONGEST_KEY:
        raise ValueError(_("A key has at most %(n)s characters.") % {"n": LONGEST_KEY})
    return key


def set_key(user: User, engine: Engine, text: str) -> OwnKey:
    """Keep a key, instead of the one there was. Raises ValueError."""
    if engine.kind == Engine.Kind.LOCAL:
        raise ValueError(_("This engine needs no key."))
    if not (key := checked_key(text)):
        raise ValueError(_("Give the key."))
    return OwnKey.objects.update_or_create(
        user=user, engine=engine, defaults={"sealed_key": sealing.seal(key), "address": engine.address}
    )[0]


def remove_key(user: User, engine_id: int) -> bool:
    return bool(OwnKey.objects.filter(user=user, engine_id=engine_id).delete()[0])


def default_engine() -> Engine | None:
    return Engine.objects.filter(enabled=True).order_by("-is_default", "pk").first()


def preferred(user: User) -> tuple[Engine | None, str]:
    """What a new batch of this person is read with; an engine that is not in use any more is nobody's wish."""
    liked = Preference.objects.filter(user=user, engine__enabled=True).select_related("engine").first()
    return (liked.engine, liked.model) if liked is not None else (default_engine(), "")


def prefer(user: User, engine: Engine | None, model: str = "") -> None:
    """Raises ValueError for what is no name of a model."""
    model = model.strip()
    if not model.isprintable() or len(model) > LONGEST_MODEL:
        raise ValueError(_("This is not the name of a model."))
    with transaction.atomic():
        defaults = {"engine": engine, "model": model if engine is not None else ""}
        Preference.objects.update_or_create(user=user, defaults=defaults)


def changed_at(user: User) -> datetime:
    """When this person's account was changed last, as others are told."""
    liked = Preference.objects.filter(user=user).first()
    return max(user.updated_at, liked.updated_at) if liked else user.updated_at


def own_key(user: User | None, engine: Engine) -> OwnKey | None:
    """As long as the engine's address is the one that the key was given for."""
    if user is None or not user.is_active:
        return None
    return OwnKey.objects.filter(user=user, engine=engine, address=engine.address).first()


def payer(user: User | None, engine: Engine) -> User | None:
    """Whose key a call that this person asks for is made with; None: the engine's own."""
    return user if own_key(user, engine) is not None else None


def keyed(engine: Engine, user: User | None) -> Engine:
    """The engine, to be called with this person's key and no other; None: with its own."""
    if user is None:
        return engine
    found = copy(engine)
    found.own_key = own_key(user, engine)
    found.lacks = "" if found.own_key else _lack(engine, user)
    return found


def _lack(engine: Engine, user: User) -> str:
    told = {"person": user.get_full_name() or user.username, "engine": engine.name}
    if not user.is_active:
        return _("It is read with the key of %(person)s, whose account is closed. Resume it with another key.") % told
    return (
        _("It is read with the key of %(person)s for “%(engine)s”, and there is none now. Resume it with another key.")
        % told
    )
