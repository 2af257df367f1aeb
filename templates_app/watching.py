"""Who may use a template, and that one is deleted, however that is done: told in the audit log."""

from collections.abc import Iterable
from typing import Any

from django.db.models.signals import post_delete, post_save, pre_save

from cardocr_site.accounts import audit
from templates_app.models import FieldTemplate


def connect() -> None:
    pre_save.connect(_remember, sender=FieldTemplate, dispatch_uid="audit")
    post_save.connect(_saved, sender=FieldTemplate, dispatch_uid="audit")
    post_delete.connect(_deleted, sender=FieldTemplate, dispatch_uid="audit")


def _remember(instance: Any, update_fields: Iterable[str] | None, raw: bool, **_: Any) -> None:
    instance._was = None
    if not (raw or instance._state.adding or (update_fields is not None and "everybody" not in update_fields)):
        instance._was = FieldTemplate.objects.filter(pk=instance.pk).values_list("everybody", flat=True).first()


def _saved(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if not (created or raw) and instance._was not in {None, instance.everybody}:
        audit.record("sharing", of=instance, details={"everybody": str(instance.everybody)})


def _deleted(instance: Any, **_: Any) -> None:
    audit.record("template_deleted", of=instance)
