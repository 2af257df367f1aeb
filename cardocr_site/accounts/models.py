import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    must_change_password = models.BooleanField(_("must change the password at the next sign-in"), default=False)

    @property
    def is_administrator(self) -> bool:
        return self.is_active and self.is_superuser

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
