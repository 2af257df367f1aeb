"""The audit log in plain words. An act or a detail that has none here fails a test."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from batches import progress
from batches.models import Batch, Clearing, Webhook
from cardocr_site.accounts.models import AccessToken, AuditEntry, User
from ocr.models import Engine
from templates_app.models import FieldTemplate
from templates_app.sharing import Everybody

# By topic, as the page offers them.
ACTS: dict[Any, dict[str, Any]] = {
    gettext_lazy("Signing in"): {
        "sign_in": gettext_lazy("Signed in"),
        "sign_out": gettext_lazy("Signed out"),
        "token_made": gettext_lazy("Token for a script made"),
        "token_revoked": gettext_lazy("Token for a script revoked"),
    },
    gettext_lazy("People"): {
        "user_made": gettext_lazy("Account made"),
        "registered": gettext_lazy("Made an account of their own"),
        "invited": gettext_lazy("Invited somebody"),
        "invitation_used": gettext_lazy("Took up an invitation"),
        "invitation_revoked": gettext_lazy("Invitation revoked"),
        "rights": gettext_lazy("Account changed"),
        "password": gettext_lazy("Password set"),
        "reset_link": gettext_lazy("Link for a password made"),
        "reset_asked": gettext_lazy("Said to have forgotten a password"),
        "reset_mailed": gettext_lazy("Letter to whoever forgot a password"),
        "reset_used": gettext_lazy("Password chosen by a link"),
        "groups": gettext_lazy("Groups of a person changed"),
        "members": gettext_lazy("People of a group changed"),
        "group_made": gettext_lazy("Group made"),
        "group_renamed": gettext_lazy("Group renamed"),
        "group_deleted": gettext_lazy("Group deleted"),
        "user_deleted": gettext_lazy("Account deleted"),
    },
    gettext_lazy("Engines and keys"): {
        "engine_made": gettext_lazy("Engine added"),
        "engine_changed": gettext_lazy("Engine changed"),
        "engine_deleted": gettext_lazy("Engine deleted"),
        "key": gettext_lazy("Key of an engine"),
        "keys_rotated": gettext_lazy("Keys sealed anew"),
        "sent_out": gettext_lazy("Cards sent out of the house"),
    },
    gettext_lazy("Reading"): {
        "try": gettext_lazy("Cards tried"),
        "start": gettext_lazy("Batch started"),
        "pause": gettext_lazy("Reading paused"),
        "resume": gettext_lazy("Reading resumed"),
        "stop": gettext_lazy("Reading stopped"),
        "retry": gettext_lazy("Failed cards read again"),
        "reread": gettext_lazy("Cards read once more"),
        "read_skipped": gettext_lazy("Left-out cards read"),
        "read_rest": gettext_lazy("Cards read that were not chosen"),
        "unreadable": gettext_lazy("Cards marked as unreadable"),
    },
    gettext_lazy("Batches and templates"): {
        "sharing": gettext_lazy("Sharing changed"),
        "bulk": gettext_lazy("Many cards changed"),
        "bulk_undone": gettext_lazy("Change of many cards taken back"),
        "remove_scans": gettext_lazy("Scans removed"),
        "replace_scan": gettext_lazy("Scan replaced"),
        "erase_card": gettext_lazy("Card erased for good"),
        "delete": gettext_lazy("Batch put into the trash"),
        "restore": gettext_lazy("Batch taken out of the trash"),
        "erase_batch": gettext_lazy("Batch erased for good"),
        "clearing": gettext_lazy("Deletion of what is old confirmed"),
        "cleared": gettext_lazy("What is old deleted"),
        "audit_pruned": gettext_lazy("Old entries of the audit log deleted"),
        "template_deleted": gettext_lazy("Template deleted"),
    },
    gettext_lazy("Taken along"): {
        "export": gettext_lazy("Export"),
        "export_collection": gettext_lazy("Export of a collection"),
        "backup": gettext_lazy("Backup begun"),
    },
    gettext_lazy("Webhooks"): {
        "webhook_made": gettext_lazy("Webhook added"),
        "webhook_on": gettext_lazy("Webhook switched on"),
        "webhook_off": gettext_lazy("Webhook switched off"),
        "webhook_replayed": gettext_lazy("Webhook told once more"),
        "webhook_removed": gettext_lazy("Webhook removed"),
    },
}
LABELS = {act: label for acts in ACTS.values() for act, label in acts.items()}

KINDS = {
    "batch": gettext_lazy("Batch"),
    "user": gettext_lazy("Person"),
    "group": gettext_lazy("Group"),
    "engine": gettext_lazy("Engine"),
    "fieldtemplate": gettext_lazy("Template"),
    "token": gettext_lazy("Token"),
    "webhook": gettext_lazy("Webhook"),
    "invitation": gettext_lazy("Invitation"),
    "auditentry": gettext_lazy("Audit log"),
    "clearing": gettext_lazy("Deletion of what is old"),
}

# A pill's colour, and a picture.
LOOKS = {
    AuditEntry.Outcome.DONE: ("plain", "check"),
    AuditEntry.Outcome.REFUSED: ("warn", "ban"),
    AuditEntry.Outcome.FAILED: ("bad", "alert"),
}

_BY = {
    "page": gettext_lazy("in a browser"),
    "program": gettext_lazy("by a program"),
    "header": gettext_lazy("named by the proxy in front"),
    "provider": gettext_lazy("by OpenID Connect"),
    "ldap": gettext_lazy("by a directory (LDAP)"),
    "command": gettext_lazy("on the command line"),
}
_WHY = {
    "inactive": gettext_lazy("the account has been deactivated"),
    "source": gettext_lazy("the account of that name signs in another way"),
    "name": gettext_lazy("no account can have that name"),
    "untrusted": gettext_lazy("a header named somebody, and no trusted proxy had sent it"),
}
_BULK = {
    "review": gettext_lazy("marked as checked"),
    "unreview": gettext_lazy("marked as not checked"),
    "retry": gettext_lazy("read again"),
    "skip": gettext_lazy("left out"),
    "turn-left": gettext_lazy("turned to the left"),
    "turn-right": gettext_lazy("turned to the right"),
}
_WHICH = {
    "read": gettext_lazy("all cards that were read"),
    "checked": gettext_lazy("cards checked by a person"),
    "all": gettext_lazy("every card"),
    "changed": gettext_lazy("what has changed since the last export"),
    "found": gettext_lazy("cards that were filtered"),
    "chosen": gettext_lazy("cards that were chosen"),
    **dict(Clearing.Kind.choices),
}
_KEYS = {
    "key": gettext_lazy("key of the house"),
    "own key": gettext_lazy("key of a person’s own"),
    "proxy": gettext_lazy("way out by a proxy"),
    "set": gettext_lazy("set"),
    "changed": gettext_lazy("changed"),
    "removed": gettext_lazy("removed"),
}


def act(entry: AuditEntry) -> str:
    if entry.act == "sign_in" and entry.outcome != AuditEntry.Outcome.DONE:
        return _("Tried to sign in")
    return str(LABELS.get(entry.act, entry.act))


def kind(entry: AuditEntry) -> str:
    return str(KINDS.get(entry.object_kind, entry.object_kind))


def called(kind: str, key: str, name: str) -> str:
    """An object, where the list is about it alone."""
    named = {"kind": KINDS.get(kind, kind), "name": name, "number": key}
    return _("%(kind)s “%(name)s”") % named if name else _("%(kind)s %(number)s") % named


def actor(entry: AuditEntry) -> str:
    if entry.actor_name:
        return entry.actor_name
    nobody = entry.address or entry.outcome == AuditEntry.Outcome.REFUSED
    return _("nobody signed in") if nobody else _("the program itself")


def details(entry: AuditEntry) -> list[str]:
    """What else the entry says, in the order of SAYS: PostgreSQL keeps none. What has no words comes last."""
    places = {name: place for place, name in enumerate(SAYS)}
    ordered = sorted(entry.details.items(), key=lambda detail: (places.get(detail[0], len(places)), detail[0]))
    return [said for name, value in ordered if (said := _said(name, value))]


def _said(name: str, value: Any) -> str:
    """An entry stands for ever: whatever another version may have written, it is shown."""
    try:
        return SAYS[name](value)
    except (LookupError, TypeError, ValueError):
        return f"{name}: {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return str(value)


def _label(label: Any, shown: Callable[[Any], str] = _plain) -> Callable[[Any], str]:
    """As in "Host: llm.example.org"; nothing, where nothing is said."""
    return lambda value: _("%(label)s: %(value)s") % {"label": label, "value": shown(value)} if value != "" else ""


def _changed(label: Any, shown: Callable[[Any], str] = str) -> Callable[[Any], str]:
    """Of what was and what is; or of what is alone."""

    def said(value: Any) -> str:
        if not isinstance(value, list):
            return _label(label, shown)(value) if value else ""
        was, now = value
        return _("%(label)s: %(was)s → %(now)s") % {"label": label, "was": shown(was) or "–", "now": shown(now) or "–"}

    return said


def _one_of(words: dict[Any, Any]) -> Callable[[Any], str]:
    return lambda value: str(words.get(value, value))


def _choice(choices: Iterable[tuple[Any, Any]]) -> Callable[[Any], str]:
    return _one_of(dict(choices))


def _role(value: Any) -> str:
    """Without what the role may do."""
    return str(dict(User.Role.choices).get(value, value)).partition(":")[0]


def _fields(names: Any) -> str:
    """The columns of an engine by what its page calls them."""
    called = {field.name: field.verbose_name for field in Engine._meta.fields}
    return ", ".join(str(called.get(name, name)) for name in names)


def _groups(value: Any) -> str:
    """Of a person: names; of what is shared: what each may do with it."""
    if not isinstance(value, dict):
        return _label(_("Groups"))(value) if value else ""
    words = dict(Everybody.choices)
    return " · ".join(f"{name}: {words.get(way, way)}" for name, way in value.items())


def _counted(one: Callable[[int], str]) -> Callable[[Any], str]:
    return lambda value: one(int(value)) % {"n": value}


def _cards(n: int) -> str:
    return ngettext("%(n)s card", "%(n)s cards", n)


def _asked(value: Any) -> str:
    return _("Narrowed by %(what)s") % {"what": _plain(value)} if value else _("all of it")


SAYS: dict[str, Callable[[Any], str]] = {
    "by": _one_of(_BY),
    "source": _changed(gettext_lazy("Signs in"), _choice(User.Source.choices)),
    "why": _one_of(_WHY),
    "known": lambda value: "" if value else _("no account has the name that was typed"),
    "username": _changed(gettext_lazy("Name")),
    "role": _changed(gettext_lazy("Role"), _role),
    "is_active": _changed(
        gettext_lazy("Account"), _one_of({True: gettext_lazy("open"), False: gettext_lazy("closed")})
    ),
    "email": lambda value: _("E-mail address changed"),
    "name": _changed(gettext_lazy("Name")),
    "added": _label(gettext_lazy("Added")),
    "taken": _label(gettext_lazy("Taken out")),
    "all_taken": lambda value: _("all taken out"),
    "what": _one_of(_KEYS),
    "how": _one_of(_KEYS),
    "user": _label(gettext_lazy("Of")),
    "invited_by": _label(gettext_lazy("Invited by")),
    "link": lambda value: _("with a link") if value else _("without a link: the account has no password here"),
    "days": _counted(lambda n: ngettext("holds for %(n)s day", "holds for %(n)s days", n)),
    "scope": _label(gettext_lazy("May"), _choice(AccessToken.Scope.choices)),
    "host": _label(gettext_lazy("Host")),
    "place": _choice(Engine.Place.choices),
    "key": lambda value: _("with a key") if value else _("without a key"),
    "changed": _label(gettext_lazy("Changed"), _fields),
    "do": _one_of(_BULK),
    "cause": progress.error_sentence,
    "format": lambda value: str(value).upper(),
    "which": _one_of(_WHICH),
    "asked": _asked,
    "engine": _label(gettext_lazy("Engine")),
    "cards": _counted(_cards),
    "count": _counted(_cards),
    "number": _label(gettext_lazy("Deleted")),
    "left": lambda value: ngettext("%(n)s batch left", "%(n)s batches left", value) % {"n": value} if value else "",
    "reviewed": lambda value: _("%(n)s checked by a person") % {"n": value},
    "uid": _label(gettext_lazy("Key")),
    "from": _label(gettext_lazy("From")),
    "to": _label(gettext_lazy("Until")),
    "collection": _label(gettext_lazy("Collection")),
    "everybody": _label(gettext_lazy("Everybody"), _choice(Everybody.choices)),
    "groups": _groups,
    "position": _label(gettext_lazy("Card")),
    "erased": lambda value: "",  # the key of what is not there any more
    "events": _label(gettext_lazy("When"), lambda value: ", ".join(map(_choice(Webhook.Event.choices), value))),
    "event": _choice(Webhook.Event.choices),
    "batches": _choice(Webhook.Batches.choices),
    "delivery": lambda value: "",
    "with_keys": lambda value: _("with the keys") if value else _("without the keys"),
    "sealed": lambda value: _("%(n)s sealed anew") % {"n": value},
    "lost": lambda value: _("%(n)s cannot be opened") % {"n": value} if value else "",
}

# Where an object is to be seen, as long as it is there.
PAGES: dict[str, tuple[type[Model], str]] = {
    "batch": (Batch, "batch_detail"),
    "user": (User, "admin:accounts_user_change"),
    "group": (Group, "admin:auth_group_change"),
    "engine": (Engine, "admin:ocr_engine_change"),
    "fieldtemplate": (FieldTemplate, "template_detail"),
    "webhook": (Webhook, "webhook_detail"),
}
