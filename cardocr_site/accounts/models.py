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
