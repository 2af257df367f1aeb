from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ocr.fields import FieldSpec, FieldType, Hints, spellings_of
from templates_app import sharing
from templates_app.sharing import Everybody


class FieldTemplateQuerySet(models.QuerySet["FieldTemplate"]):
    def visible_to(self, user: Any) -> FieldTemplateQuerySet:
        return self.filter(sharing.seen_by(user, TemplateShare.objects.values("template")))

    def editable_by(self, user: Any) -> FieldTemplateQuerySet:
        return self.filter(sharing.changed_by(user, TemplateShare.objects.values("template")))

    def owned_by(self, user: Any) -> FieldTemplateQuerySet:
        return self.filter(sharing.owned_by(user))


class FieldTemplate(models.Model):
    """Which fields a kind of card has. What a batch uses is one of its versions."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    description = models.TextField(_("description"), blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="field_templates"
    )
    everybody = models.CharField(_("everybody may"), max_length=4, choices=Everybody, default=sharing.at_first)
    stay_inside = models.BooleanField(_("these cards must not leave the house"), default=False)
    scans = models.JSONField(default=dict, blank=True)  # how new batches prepare them, see scans.py
    shipped = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = FieldTemplateQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name = _("field template")
        verbose_name_plural = _("field templates")

    def __str__(self) -> str:
        return self.name

    @property
    def private(self) -> bool:
        """Seen by its owner, administrators, and the groups that it is shared with."""
        return self.everybody == Everybody.NONE

    @property
    def newest(self) -> FieldTemplateVersion:
        return self.versions.order_by("-number")[0]


class TemplateShare(sharing.Share):
    template = models.ForeignKey(FieldTemplate, on_delete=models.CASCADE, related_name="shares")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("template", "group"), name="template_share_once"),)

    def __str__(self) -> str:
        return f"{self.template_id}: {self.group_id}"


class FieldTemplateVersion(models.Model):
    """Never changed once made: batches point at it."""

    template = models.ForeignKey(FieldTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"), default=1)
    instruction = models.TextField(_("instruction"), blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("template", "-number")
        verbose_name = _("template version")
        verbose_name_plural = _("template versions")
        constraints = (models.UniqueConstraint(fields=("template", "number"), name="template_version_number"),)

    def __str__(self) -> str:
        return f"{self.template.name}, v{self.number}"

    def specs(self) -> list[FieldSpec]:
        return [field.spec() for field in self.fields.all()]


class Field(models.Model):
    version = models.ForeignKey(FieldTemplateVersion, on_delete=models.CASCADE, related_name="fields")
    position = models.PositiveSmallIntegerField(default=0)
    key = models.CharField(max_length=50)
    label = models.CharField(_("label"), max_length=120)
    instruction = models.TextField(_("instruction"), blank=True)
    type = models.CharField(_("type"), max_length=20, default=str(FieldType.TEXT))
    choices = models.JSONField(_("choices"), default=list, blank=True)
    pattern = models.CharField(_("pattern"), max_length=200, null=True, blank=True)
    required = models.BooleanField(_("required"), default=False)
    active = models.BooleanField(_("active"), default=True)
    example = models.CharField(_("example"), max_length=300, null=True, blank=True)
    threshold = models.FloatField(null=True, blank=True)
    hints = models.JSONField(default=dict, blank=True)
    open_list = models.BooleanField(_("accept what is not on the list"), default=False)
    spellings = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("position", "pk")
        constraints = (models.UniqueConstraint(fields=("version", "key"), name="field_key_once"),)

    def __str__(self) -> str:
        return self.label

    def spec(self) -> FieldSpec:
        return FieldSpec(
            key=self.key,
            label=self.label,
            instruction=self.instruction,
            type=FieldType(self.type),
            choices=tuple(self.choices),
            pattern=self.pattern,
            required=self.required,
            active=self.active,
            example=self.example,
            threshold=self.threshold,
            hints=Hints.from_dict(self.hints),
            open_list=self.open_list,
            spellings=spellings_of(self.choices, self.spellings),
        )
