"""How somebody wants to see tables of cards."""

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


class SavedView(models.Model):
    """Filter, search and order under a name: one person's, for the cards of any batch or collection."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(_("name"), max_length=80)
    query = models.CharField(max_length=2000)  # as the address says it; what a table does not have is left out there

    class Meta:
        ordering = ("name", "id")
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = (models.UniqueConstraint(fields=("user", "name"), name="saved_view_name"),)

    def __str__(self) -> str:
        return self.name
