"""What is changed about an engine, however that is done: told in the audit log by the names of what changed.

Values are left out but for a few: an address may hold a password, as a proxy's does.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models.signals import post_delete, post_save, pre_save

from cardocr_site.accounts import audit
from ocr.addresses import host_of
from ocr.models import Engine, OwnKey

_WATCHED = (
    *("name", "kind", "address", "model", "place", "enabled", "is_default", "ca_bundle", "max_in_flight", "timeout"),
    *("price_in", "price_cached", "price_out", "currency", "month_budget", "sealed_key", "sealed_proxy"),
)
_SEALED = {"sealed_key": "key", "sealed_proxy": "proxy"}


def connect() -> None:
    pre_save.connect(_remember, sender=Engine, dispatch_uid="audit")
    post_save.connect(_saved, sender=Engine, dispatch_uid="audit")
    post_delete.connect(_deleted, sender=Engine, dispatch_uid="audit")
    post_save.connect(_own_key_saved, sender=OwnKey, dispatch_uid="audit")
    post_delete.connect(_own_key_deleted, sender=OwnKey, dispatch_uid="audit")


def _own_key_saved(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if not raw:
        _own_key(instance, "set" if created else "changed")


def _own_key_deleted(instance: Any, **_: Any) -> None:
    _own_key(instance, "removed")


def _own_key(own: Any, how: str) -> None:
    audit.record("key", of=own.engine, details={"what": "own key", "how": how, "user": own.user.get_username()})


def _remember(instance: Any, update_fields: Iterable[str] | None, raw: bool, **_: Any) -> None:
    instance._was = None
    if not (raw or instance._state.adding or (update_fields is not None and not {*_WATCHED} & set(update_fields))):
        instance._was = Engine.objects.filter(pk=instance.pk).values(*_WATCHED).first()


def _saved(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if raw:
        return
    told = {"host": host_of(instance.address), "place": str(instance.place)}
    if created:
        audit.record("engine_made", of=instance, details=told | {"key": bool(instance.sealed_key)})
    elif (was := getattr(instance, "_was", None)) is not None:
        changed = [name for name in _WATCHED if was[name] != getattr(instance, name)]
        if plain := [name for name in changed if name not in _SEALED]:
            audit.record("engine_changed", of=instance, details=told | {"changed": plain})
        for name in _SEALED.keys() & {*changed}:
            how = "removed" if not getattr(instance, name) else "changed" if was[name] else "set"
            audit.record("key", of=instance, details={"what": _SEALED[name], "how": how})


def _deleted(instance: Any, **_: Any) -> None:
    audit.record("engine_deleted", of=instance)
