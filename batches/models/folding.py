"""Text as it is searched: without case and accents."""

import unicodedata
from typing import Any

from django.db import models


def fold(text: str | None) -> str:
    """Without case and accents, as the full-text tables compare words."""
    folded = (text or "").casefold()
    if folded.isascii():
        return folded
    return "".join(letter for letter in unicodedata.normalize("NFD", folded) if not unicodedata.combining(letter))


class FoldedField(models.TextField):  # type: ignore[type-arg]  # cannot be given when it runs
    """What another column of the row says, folded, whenever the row is made or saved as a whole."""

    def __init__(self, *args: Any, of: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.of = of

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        folded = fold(getattr(model_instance, self.of))
        setattr(model_instance, self.attname, folded)
        return folded

    def deconstruct(self) -> Any:
        """For migrations it is a text like others."""
        name, _path, args, options = super().deconstruct()
        return name, "django.db.models.TextField", args, options
