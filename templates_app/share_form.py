"""Who may see what has an owner: everybody, and group by group."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from templates_app.sharing import Everybody

PREFIX = "group-"
GROUP_MAY = [(str(Everybody.NONE), _("as everybody")), *Everybody.choices[1:]]
GROUPS = 200  # as many are shown; a house has some


class ShareForm(forms.Form):
    """Of a batch or a template. A group that is not sent keeps what it has."""

    everybody = forms.ChoiceField(
        label=_("Everybody who has a role"), choices=Everybody, widget=forms.Select(attrs={"class": "in"})
    )

    def __init__(self, shared: Any, data: Any = None) -> None:
        self.held = {share.group_id: _way(share.edit) for share in shared.shares.all()}
        self.groups = {group.pk: group for group in Group.objects.order_by("name")[:GROUPS]}
        initial: dict[str, Any] = {f"{PREFIX}{pk}": self.held.get(pk, Everybody.NONE) for pk in self.groups}
        super().__init__(data, initial=initial | {"everybody": shared.everybody})
        for pk, group in self.groups.items():
            self.fields[f"{PREFIX}{pk}"] = forms.ChoiceField(
                label=group.name, choices=GROUP_MAY, required=False, widget=forms.Select(attrs={"class": "in"})
            )

    def group_fields(self) -> list[forms.BoundField]:
        return [self[f"{PREFIX}{pk}"] for pk in self.groups]

    def chosen(self) -> dict[Group, str]:
        """Each group that may read or edit, and which of the two."""
        ways = {group: self.cleaned_data[f"{PREFIX}{pk}"] or self.held.get(pk, "") for pk, group in self.groups.items()}
        return {group: way for group, way in ways.items() if way in {Everybody.READ, Everybody.EDIT}}


def _way(edit: bool) -> str:
    return str(Everybody.EDIT if edit else Everybody.READ)


@transaction.atomic
def set_groups(shared: Any, groups: Mapping[Group, str]) -> bool:
    """Share with these, and with none else; say whether that changed anything."""
    before = {share.group_id: _way(share.edit) for share in shared.shares.all()}
    wanted = {group.pk: way for group, way in groups.items()}
    if before == wanted:
        return False
    changed = [pk for pk in {*before, *wanted} if before.get(pk) != wanted.get(pk)]
    shared.shares.filter(group__in=changed).delete()
    for pk in changed:
        if pk in wanted:
            shared.shares.create(group_id=pk, edit=wanted[pk] == Everybody.EDIT)
    return True
