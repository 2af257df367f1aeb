"""How somebody takes results away, kept under a name."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ExportSettingsQuerySet(models.QuerySet["ExportSettings"]):
    def visible_to(self, user: Any) -> ExportSettingsQuerySet:
        return self.filter(Q(by=user) | Q(shared=True)) if user.is_authenticated else self.none()

    def editable_by(self, user: Any) -> ExportSettingsQuerySet:
        if user.is_authenticated and user.is_administrator:
            return self.visible_to(user)
        return self.filter(by=user) if user.is_authenticated else self.none()


class ExportSettings(models.Model):
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=80)
    shared = models.BooleanField(_("for everybody"), default=False)
    query = models.CharField(max_length=4000)  # as the form sends it; fields that a batch does not have are left out

    objects = ExportSettingsQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        verbose_name = _("export settings")
        verbose_name_plural = _("export settings")
        constraints = (models.UniqueConstraint(fields=("by", "name"), name="export_settings_name"),)

    def __str__(self) -> str:
        return self.name
