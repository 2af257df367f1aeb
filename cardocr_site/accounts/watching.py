"""Signing in and out, and what changes what a person may do, however it is done: each has an entry in the audit log."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.utils import timezone

from cardocr_site.accounts import audit
from cardocr_site.accounts.addresses import client_address
from cardocr_site.accounts.models import AccessToken, AuditEntry, User

RIGHTS = ("username", "role", "is_active", "source")
NOT_TOLD = ("email",)  # that it changed is: a reset is mailed there
# Who signs in so, does so in no other way.
VOUCHED = {User.Source.PROXY: "header", User.Source.OIDC: "provider", User.Source.LDAP: "ldap"}
ONCE_IN = timedelta(minutes=10)
_M2M = {"post_add": "added", "post_remove": "taken", "post_clear": "all_taken"}


def connect() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="audit")
    user_logged_out.connect(_signed_out, dispatch_uid="audit")
    user_login_failed.connect(_refused, dispatch_uid="audit")
    pre_save.connect(_remember, sender=User, dispatch_uid="audit")
    post_save.connect(_user_saved, sender=User, dispatch_uid="audit")
    post_delete.connect(_user_deleted, sender=User, dispatch_uid="audit")
    post_save.connect(_token_made, sender=AccessToken, dispatch_uid="audit")
    post_delete.connect(_token_gone, sender=AccessToken, dispatch_uid="audit")
    m2m_changed.connect(_groups_changed, sender=User.groups.through, dispatch_uid="audit")
    pre_save.connect(_remember_group, sender=Group, dispatch_uid="audit")
    post_save.connect(_group_saved, sender=Group, dispatch_uid="audit")
    post_delete.connect(_group_deleted, sender=Group, dispatch_uid="audit")


def _signed_in(request: Any, user: Any, **_: Any) -> None:
    details = _in_by("page", user)
    audit.record("sign_in", by=user, of=user, kind="user", name=user.get_username(), request=request, details=details)


def _in_by(face: str, user: User) -> dict[str, str]:
    return {"by": VOUCHED.get(User.Source(user.source), face)}


def _signed_out(request: Any, user: Any, **_: Any) -> None:
    if user is not None:
        audit.record("sign_out", by=user, of=user, kind="user", name=user.get_username(), request=request)


def _refused(credentials: Any, request: Any = None, **_: Any) -> None:
    refused(str(credentials.get("username") or ""), request)


def refused(name: str, request: Any = None) -> None:
    """What was typed may be a password by mistake: it is kept only where an account has that name."""
    user = User.objects.filter(username=name).first()
    audit.record(
        "sign_in",
        of=user,
        kind="user",
        name=user.get_username() if user else "",
        outcome=audit.Outcome.REFUSED,
        request=request,
        details={"known": user is not None},
    )


def turned_away(name: str, why: str, request: Any) -> None:
    """Somebody whom a header names: each request says so again, and it is told once in ten minutes.

    A proxy that is trusted names people, and its word is kept; from elsewhere it may be anything.
    """
    user = User.objects.filter(username=name).first()
    kept = user.get_username() if user else name[:150] if why != "untrusted" else ""
    address, details = client_address(request), {"by": "header", "why": why}
    since = timezone.now() - ONCE_IN
    told = AuditEntry.objects.filter(act="sign_in", at__gte=since, outcome=audit.Outcome.REFUSED, address=address)
    told = told.filter(details=details) if why == "untrusted" else told.filter(details=details, object_name=kept)
    if told.exists():
        return
    with transaction.atomic():
        if not told.exists():  # the pictures of a page ask at the same time
            outcome = audit.Outcome.REFUSED
            audit.record("sign_in", of=user, kind="user", name=kept, outcome=outcome, request=request, details=details)


def _remember(instance: Any, update_fields: Iterable[str] | None, raw: bool, **_: Any) -> None:
    """How the person was, for what is told once the change is written."""
    watched = {*RIGHTS, *NOT_TOLD, "password"}
    instance._was = None
    if raw or instance._state.adding or (update_fields is not None and not watched & set(update_fields)):
        return
    instance._was = User.objects.filter(pk=instance.pk).values(*watched).first()


def _user_saved(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if raw:
        return
    if created:
        audit.record(
            "user_made", of=instance, kind="user", name=instance.username, details={"role": str(instance.role)}
        )
        return
    was = getattr(instance, "_was", None)
    if was is None:
        return
    # A hash that Django only makes stronger, at a sign-in, is saved without a password that was set.
    if was["password"] != instance.password and instance._password is not None:
        audit.record("password", of=instance, kind="user", name=instance.username)
    changed: dict[str, Any] = {
        name: [was[name], getattr(instance, name)] for name in RIGHTS if was[name] != getattr(instance, name)
    }
    changed |= {name: True for name in NOT_TOLD if was[name] != getattr(instance, name)}
    if changed:
        audit.record("rights", of=instance, kind="user", name=instance.username, details=changed)


def _user_deleted(instance: Any, **_: Any) -> None:
    audit.record("user_deleted", of=instance, kind="user", name=instance.username)


def _token_made(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if not created or raw:
        return
    user = instance.user
    if instance.kind == AccessToken.Kind.SIGN_IN:
        details = _in_by("program", user)
        audit.record("sign_in", by=user, of=user, kind="user", name=user.get_username(), details=details)
    else:
        audit.record(
            "token_made",
            of=instance,
            kind="token",
            name=instance.name,
            details={"user": user.get_username(), "scope": str(instance.scope)},
        )


def _token_gone(instance: Any, **_: Any) -> None:
    """A sign-in that has run out is no act of anybody."""
    if instance.kind == AccessToken.Kind.SCRIPT:
        audit.record(
            "token_revoked",
            of=instance,
            kind="token",
            name=instance.name,
            details={"user": instance.user.get_username()},
        )


def _groups_changed(instance: Any, action: str, reverse: bool, pk_set: Any, **_: Any) -> None:
    """From either side: the groups of a person, the people of a group."""
    if action not in _M2M:
        return
    if reverse:
        people = User.objects.filter(pk__in=pk_set or ())
        names = sorted(people.values_list("username", flat=True))
        audit.record("members", of=instance, kind="group", name=instance.name, details={_M2M[action]: names})
    elif pk_set or action == "post_clear":
        names = sorted(Group.objects.filter(pk__in=pk_set or ()).values_list("name", flat=True))
        audit.record("groups", of=instance, kind="user", name=instance.username, details={_M2M[action]: names})


def _remember_group(instance: Any, raw: bool, **_: Any) -> None:
    instance._was = None if raw or instance._state.adding else Group.objects.filter(pk=instance.pk).first()


def _group_saved(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if raw:
        return
    if created:
        audit.record("group_made", of=instance, kind="group", name=instance.name)
    elif instance._was is not None and instance._was.name != instance.name:
        details = {"name": [instance._was.name, instance.name]}
        audit.record("group_renamed", of=instance, kind="group", name=instance.name, details=details)


def _group_deleted(instance: Any, **_: Any) -> None:
    """What was shared with it is not any more."""
    audit.record("group_deleted", of=instance, kind="group", name=instance.name)
