from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, post_save, pre_migrate
from django.utils.translation import gettext_lazy as _


class BatchesConfig(AppConfig):
    name = "batches"
    verbose_name = _("Batches")

    def ready(self) -> None:
        from batches.actions import leaving
        from batches.models import indexing

        post_save.connect(leaving.pause_batches, sender="accounts.User", dispatch_uid="pause_batches")
        connection_created.connect(indexing.add_functions)
        pre_migrate.connect(indexing.lay_aside, sender=self)
        post_migrate.connect(indexing.set_up, sender=self)
