"""How somebody wants to see tables of cards."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch


class TableColumns(models.Model):
    """How a person has laid out the table of a batch, or of the collection of this name.

    What is not named stands as in the template: new fields do.
    """

    batch = models.ForeignKey(Batch, null=True, on_delete=models.CASCADE, related_name="+")
    collection = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    hidden = models.JSONField(default=list)  # names, as queries.columns gives them
    order = models.JSONField(default=list)  # the same; empty: as in the template

    class Meta:
        verbose_name = _("columns of a table")
        verbose_name_plural = _("columns of tables")
        constraints = (
            models.UniqueConstraint(fields=("batch", "user"), name="table_columns_once"),
            models.UniqueConstraint(
                fields=("collection", "user"), condition=Q(batch=None), name="collection_columns_once"
            ),
        )

    def __str__(self) -> str:
        return ", ".join(self.order)


class SavedView(models.Model):
    """Filter, search, order, and where wanted columns under a name: one person's, for any batch or collection."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(_("name"), max_length=80)
    query = models.CharField(max_length=2000)  # as the address says it; what a table does not have is left out there
    columns = models.JSONField(null=True)  # hidden and order, as in TableColumns; None: as the table has them

    class Meta:
        ordering = ("name", "id")
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = (models.UniqueConstraint(fields=("user", "name"), name="saved_view_name"),)

    def __str__(self) -> str:
        return self.name
