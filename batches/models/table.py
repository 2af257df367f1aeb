"""How somebody wants to see a batch's table of cards."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch


class HiddenColumns(models.Model):
    """Columns that a person has taken out of a batch's table. What is not named is shown: new fields are."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    names = models.JSONField(default=list)  # as queries.columns gives them

    class Meta:
        verbose_name = _("hidden columns")
        verbose_name_plural = _("hidden columns")
        constraints = (models.UniqueConstraint(fields=("batch", "user"), name="hidden_columns_once"),)

    def __str__(self) -> str:
        return ", ".join(self.names)
