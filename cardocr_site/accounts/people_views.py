"""For administrators: the people of the site, invitations, closing accounts. The rest is in Django's administration."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cardocr_site.accounts import invitations, people, resets
from cardocr_site.accounts.models import AccessToken, Invitation, User
from cardocr_site.accounts.requests import SignedInRequest, administrator_required

PER_PAGE = 50
INVITATIONS = 30  # shown: those that are open, and the latest of the others
# A pill's colour, and a picture.
LOOKS = {
    Invitation.State.OPEN: ("run", "clock"),
    Invitation.State.USED: ("ok", "check"),
    Invitation.State.EXPIRED: ("quiet", "history"),
    Invitation.State.REVOKED: ("quiet", "ban"),
}


class InvitationForm(forms.Form):
    first_name = forms.CharField(label=gettext_lazy("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=gettext_lazy("Last name"), max_length=150, required=False)
    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=254, required=False)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"), choices=User.Role.choices, initial=User.Role.VIEWER, required=False
    )
    groups = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Groups"),
        queryset=Group.objects.order_by("name"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Days that it holds"),
        choices=[(days, days) for days in invitations.DAYS],
        coerce=int,
        initial=invitations.USUAL_DAYS,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs["class"] = "box" if name == "groups" else "in"
            if self.is_bound and name in self.errors:
                field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}


@require_safe
@login_required
@administrator_required
@never_cache
def people_list(request: SignedInRequest) -> HttpResponse:
    words = request.GET.get("q", "").replace("\x00", "")[:200]
    page = Paginator(people.listed(words), PER_PAGE).get_page(request.GET.get("page"))
    invited = list(Invitation.objects.select_related("made_by", "user").prefetch_related("groups")[: 10 * INVITATIONS])
    open_ones = [one for one in invited if one.state == Invitation.State.OPEN]
    others = [one for one in invited if one.state != Invitation.State.OPEN]
    shown = [(one, LOOKS[one.state]) for one in open_ones + others[:INVITATIONS]]
    context = {"page": page, "words": words, "invited": shown, "open_number": len(open_ones)}
    return render(request, "accounts/people_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@administrator_required
@never_cache
def invite(request: SignedInRequest) -> HttpResponse:
    """The answer shows the link; nothing shows it again."""
    form = InvitationForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        context = {"form": form, "by_mail": bool(settings.EMAIL_URL)}
        return render(request, "accounts/invite.html", context, status=422 if form.is_bound else 200)
    made, link = invitations.make(request.user, **form.cleaned_data)
    wanted = bool(settings.EMAIL_URL and made.email)
    context = {"made": made, "link": link, "wanted": wanted, "mailed": wanted and invitations.mail(made, link)}
    return render(request, "accounts/invitation_made.html", context)


@require_POST
@login_required
@administrator_required
def invitation_revoke(request: SignedInRequest, invitation_id: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, pk=invitation_id)
    try:
        invitations.revoke(invitation, request.user)
    except invitations.Gone:
        messages.error(request, _("There was nothing left to revoke: somebody came with it, or it was revoked before."))
    else:
        messages.success(request, _("The invitation has been revoked: its link opens nothing any more."))
    return redirect("people_list")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@administrator_required
@never_cache
def person_deactivate(request: SignedInRequest, person_id: str) -> HttpResponse:
    """Asked first, with what comes of it."""
    person = get_object_or_404(User, pk=person_id)
    problem = ""
    if request.method == "POST":
        try:
            people.deactivate(person, request.user)
        except people.Kept as kept:
            problem = str(kept)
        else:
            messages.success(request, _("“%(name)s” is not let in any more.") % {"name": person.username})
            return redirect("people_list")
    context = {
        "person": person,
        "problem": problem,
        "tokens": person.access_tokens.filter(kind=AccessToken.Kind.SCRIPT).count(),
        "invitations": Invitation.objects.open().filter(made_by=person).count(),
    }
    return render(request, "accounts/person_deactivate.html", context, status=422 if problem else 200)


@require_POST
@login_required
@administrator_required
def person_let_in(request: SignedInRequest, person_id: str) -> HttpResponse:
    person = get_object_or_404(User, pk=person_id)
    people.let_in_again(person)
    messages.success(request, _("“%(name)s” is let in again.") % {"name": person.username})
    return redirect("people_list")


@require_POST
@login_required
@administrator_required
@never_cache
def person_reset(request: SignedInRequest, person_id: str) -> HttpResponse:
    """The answer shows the link; nothing shows it again."""
    person = get_object_or_404(User, pk=person_id)
    try:
        link = resets.make_link(person, request.user)
    except people.Kept as kept:
        messages.error(request, str(kept))
        return redirect("people_list")
    return render(request, "accounts/reset_made.html", {"person": person, "link": link})
