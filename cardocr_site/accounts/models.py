import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    class Role(models.TextChoices):
        """Each may do what the one before it may; see templates_app/sharing.py for whose batches."""

        NONE = "", _("none: signs in and sees nothing")
        VIEWER = "viewer", _("viewer: looks and exports")
        REVIEWER = "reviewer", _("reviewer: also corrects and checks")
        OPERATOR = "operator", _("operator: also makes, starts and shares batches")
        ADMINISTRATOR = "administrator", _("administrator: everything, of everybody")

    class Source(models.TextChoices):
        """Who vouches for a person. One way in never opens an account of another."""

        HERE = "", _("here, by a password")
        PROXY = "proxy", _("the proxy in front, by a header")
        OIDC = "oidc", _("by OpenID Connect")
        LDAP = "ldap", _("by a directory (LDAP)")

    class Theme(models.TextChoices):
        AUTO = "auto", _("As the system has it")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Density(models.TextChoices):
        NORMAL = "normal", _("Normal")
        COMPACT = "compact", _("Compact: more rows on a screen")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    role = models.CharField(_("role"), max_length=16, blank=True, default=Role.OPERATOR, choices=Role)
    source = models.CharField(_("signs in"), max_length=8, blank=True, default=Source.HERE, choices=Source)
    # What groups outside have brought, so that it goes when they no longer name this person; see outside.py.
    outside_groups = models.JSONField(default=list, blank=True, editable=False)
    role_by_group = models.BooleanField(default=False, editable=False)
    must_change_password = models.BooleanField(_("must change the password at the next sign-in"), default=False)
    # Empty while never chosen: then what this browser remembers stands.
    language = models.CharField(_("language"), max_length=8, blank=True)
    theme = models.CharField(_("colours"), max_length=8, blank=True, choices=Theme)
    density = models.CharField(_("tables"), max_length=8, default=Density.NORMAL, choices=Density)
    sound = models.BooleanField(_("a sound when a batch is done"), default=False)
    mail = models.BooleanField(_("mail when a batch is done or paused"), default=False)
    single_keys = models.BooleanField(_("keys that are a single character"), default=True)
    own_keys = models.JSONField(default=dict, blank=True, editable=False)  # {action: combination}; see keys.py
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Django's own flags follow the role; only what is made as a superuser becomes an administrator by them."""
        if self._state.adding and self.is_superuser:
            self.role = self.Role.ADMINISTRATOR
        self.is_superuser = self.is_staff = self.role == self.Role.ADMINISTRATOR
        if update_fields is not None and {"role", "is_superuser", "is_staff"} & set(update_fields):
            update_fields = {*update_fields, "role", "is_superuser", "is_staff"}
        super().save(*args, update_fields=update_fields, **kwargs)

    @property
    def sees(self) -> bool:
        """What is shared with this person."""
        return self.is_active and (self.corrects or self.role == self.Role.VIEWER)

    @property
    def corrects(self) -> bool:
        """What this person sees."""
        return self.is_active and self.role in {self.Role.REVIEWER, self.Role.OPERATOR, self.Role.ADMINISTRATOR}

    @property
    def runs(self) -> bool:
        """Makes batches, and changes those that are shared with this person to edit."""
        return self.is_active and self.role in {self.Role.OPERATOR, self.Role.ADMINISTRATOR}

    @property
    def is_administrator(self) -> bool:
        return self.is_active and self.role == self.Role.ADMINISTRATOR

    @property
    def role_name(self) -> str:
        """In one word."""
        return str(self.get_role_display()).partition(":")[0]

    @property
    def initials(self) -> str:
        words = (self.get_full_name() or self.username).split()
        return "".join(word[0] for word in words[:2]).upper()


class SignInTries(models.Model):
    """Failed sign-ins of one account from one address; see tries.py."""

    key = models.CharField(max_length=64, unique=True)
    number = models.PositiveIntegerField(default=0)
    closed_until = models.DateTimeField(null=True)
    at = models.DateTimeField(auto_now=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.number} · {self.at:%Y-%m-%d %H:%M}"


class AccessToken(models.Model):
    """Lets a program in as its user: by a sign-in, or made for a script. The token is not kept; see tokens.py."""

    class Kind(models.TextChoices):
        SIGN_IN = "sign_in", _("sign-in")
        SCRIPT = "script", _("for a script")

    class Scope(models.TextChoices):
        READ = "read", _("look and export")
        WRITE = "write", _("look and change")
        ADMIN = "admin", _("all that I may do")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(_("name"), max_length=100, blank=True)
    key = models.CharField(max_length=64, unique=True)  # the sign-in's jti, or the hash of a script's token
    scope = models.CharField(_("scope"), max_length=5, choices=Scope, default=Scope.READ)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("kind", "expires_at"), name="access_token_expiry"),)

    def __str__(self) -> str:
        return self.name or str(self.kind)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        """Those with which somebody may still come: only as long as whoever made one is an administrator."""
        made = {"made_by__is_active": True, "made_by__role": User.Role.ADMINISTRATOR}
        return self.filter(used_at=None, revoked_at=None, expires_at__gt=timezone.now(), **made)


class Invitation(models.Model):
    """Lets one person make an account, once. Of its link only a hash is kept; see invitations.py."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        USED = "used", _("used")
        EXPIRED = "expired", _("expired")
        REVOKED = "revoked", _("revoked")

    key = models.CharField(max_length=64, unique=True)
    role = models.CharField(_("role"), max_length=16, blank=True, choices=User.Role)
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    email = models.EmailField(_("email address"), blank=True)
    groups = models.ManyToManyField("auth.Group", blank=True, related_name="+")
    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="invitations")
    made_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")  # who came with it

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-made_at", "-id")

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email or self.role_name

    @property
    def role_name(self) -> str:
        return str(self.get_role_display()).partition(":")[0]

    @property
    def state(self) -> State:
        if self.used_at is not None:
            return self.State.USED
        if self.revoked_at is not None or self.made_by is None or not self.made_by.is_administrator:
            return self.State.REVOKED
        return self.State.OPEN if self.expires_at > timezone.now() else self.State.EXPIRED


class ResetAsked(models.Model):
    """Somebody has forgotten a password and typed this address. Whose it is, the consumer finds out; see resets.py."""

    email = models.CharField(max_length=254)
    language = models.CharField(max_length=8)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    due_at = models.DateTimeField(null=True, default=timezone.now, db_index=True)  # null: it was answered
    tries = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class IdempotentReply(models.Model):
    """The answer to a POST that was sent with an Idempotency-Key: sent again, it is answered the same."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request = models.CharField(max_length=64)  # a hash of address and body
    status = models.PositiveSmallIntegerField(null=True)  # null while it is being worked on
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "key"), name="idempotency_key_once"),)

    def __str__(self) -> str:
        return self.key


class Unchangeable(Exception):
    """Entries of the audit log stand as they were written."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """It refuses what would change the past; so does the database, see audit.py."""

    def update(self, **kwargs: Any) -> int:
        raise Unchangeable

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise Unchangeable

    def delete(self) -> tuple[int, dict[str, int]]:
        raise Unchangeable


class AuditEntry(models.Model):
    """One act. Written by audit.record alone.

    People and objects are kept by key and name, not as references: an entry outlives them, unchanged.
    """

    class Outcome(models.TextChoices):
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")
        FAILED = "failed", _("failed")

    at = models.DateTimeField(default=timezone.now)
    actor = models.UUIDField(null=True)  # a user's key; null: the program by itself, or nobody who had signed in
    actor_name = models.CharField(max_length=150, blank=True)
    address = models.CharField(max_length=64, blank=True)
    act = models.CharField(max_length=24)
    object_kind = models.CharField(max_length=24, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.DONE)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-at", "-id")
        verbose_name = _("entry of the audit log")
        verbose_name_plural = _("audit log")
        indexes = (
            models.Index(fields=("-at", "-id"), name="audit_at"),
            models.Index(fields=("actor", "-at", "-id"), name="audit_actor"),
            models.Index(fields=("act", "-at", "-id"), name="audit_act"),
            models.Index(fields=("object_kind", "object_id", "-at", "-id"), name="audit_object"),
            models.Index(fields=("outcome", "-at", "-id"), name="audit_outcome"),
            models.Index(fields=("address", "-at", "-id"), name="audit_address"),
        )

    def __str__(self) -> str:
        return f"{self.act} {self.at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise Unchangeable
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise Unchangeable
