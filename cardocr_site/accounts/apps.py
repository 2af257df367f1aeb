from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, post_save
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "cardocr_site.accounts"
    label = "accounts"
    verbose_name = _("People")

    def ready(self) -> None:
        post_save.connect(_end_access, sender=self.get_model("User"), dispatch_uid="end_access")
        from cardocr_site.accounts import audit, watching

        watching.connect()
        post_migrate.connect(audit.set_up, sender=self)


def _end_access(instance: Any, update_fields: Any = None, **more: Any) -> None:
    """Of whoever is deactivated, or is no administrator any more: however that was done."""
    if update_fields is not None and not {"is_active", "role"} & set(update_fields):
        return
    if not instance.is_active:
        instance.access_tokens.all().delete()
    if not instance.is_administrator:
        instance.invitations.filter(used_at=None, revoked_at=None).update(revoked_at=timezone.now())
