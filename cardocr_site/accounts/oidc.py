"""Single sign-on by OpenID Connect: django-allauth talks to the provider; outside.py takes its people in.

These two views alone are mounted. The answer ends in `Takes.pre_social_login`: allauth makes no accounts here.
"""

import secrets
from typing import Any, NoReturn

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from requests import RequestException

from cardocr_site import signon
from cardocr_site.accounts import outside
from cardocr_site.accounts.models import User

BACKEND = "cardocr_site.accounts.backends.OutsideBackend"


class Provider(OpenIDConnectOAuth2Adapter):
    """What allauth leaves out: the token's signature and nonce count, and all that is told is about one person."""

    def get_provider(self) -> Any:
        provider = super().get_provider()
        provider.oauth2_adapter_class = Provider
        return provider

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return request.build_absolute_uri(reverse("oidc_callback"))

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        sent = kwargs["response"].get("id_token")
        if not sent:
            raise OAuth2Error("no id_token")
        claims = self._decode_id_token(app, sent)
        userinfo = self._fetch_user_info(token.token) if "userinfo_endpoint" in self.openid_config else claims
        if not claims.get("sub") or userinfo.get("sub") != claims["sub"]:
            raise OAuth2Error("userinfo of another person")
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims, "userinfo": userinfo})

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwtkit.verify_and_decode(
            credential=id_token,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
        )
        return claims


class Takes(DefaultSocialAccountAdapter):
    """Every answer of the provider ends here: signed in, or back at the door with a sentence."""

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> NoReturn:
        claims = sociallogin.account.extra_data["id_token"]
        told = claims | sociallogin.account.extra_data["userinfo"]
        name = str(told.get(settings.OIDC_NAME_CLAIM) or "")
        wanted = str(sociallogin.state.get("nonce") or "")
        if not wanted or not secrets.compare_digest(wanted.encode(), str(claims.get("nonce") or "").encode()):
            raise ImmediateHttpResponse(_back(request, _not_done()))
        try:
            with transaction.atomic():
                user = _person(sociallogin.account, name, _groups(told), told)
        except outside.Turned as turned:
            raise ImmediateHttpResponse(_back(request, str(turned), name)) from turned
        login(request, user, backend=BACKEND)
        raise ImmediateHttpResponse(redirect(sociallogin.state.get("next") or settings.LOGIN_REDIRECT_URL))

    def on_authentication_error(self, request: HttpRequest, provider: Any, **more: Any) -> NoReturn:
        raise ImmediateHttpResponse(_back(request, _not_done()))


def _not_done() -> str:
    return _("The sign-in at %(name)s was not completed. Try again.") % {"name": settings.OIDC_NAME}


def _person(account: Any, name: str, groups: list[str] | None, told: dict[str, Any]) -> User:
    """Whose account this is. The provider's own mark tells: a name there may go to somebody else. Raises Turned."""
    known = SocialAccount.objects.filter(provider=account.provider, uid=account.uid).select_related("user").first()
    if known is not None:
        return outside.again(known.user, User.Source.OIDC, groups)
    user = outside.take(name, User.Source.OIDC, groups, told)
    if SocialAccount.objects.filter(provider=account.provider, user=user).exists():
        message = _("The account “%(name)s” here belongs to another person of that name. Ask an administrator.")
        raise outside.Turned(message % {"name": name})
    SocialAccount.objects.create(provider=account.provider, uid=account.uid, user=user)
    return user


def _groups(told: dict[str, Any]) -> list[str] | None:
    """None where the provider says nothing of groups."""
    groups = told.get(settings.OIDC_GROUPS_CLAIM)
    if groups is None:
        return None
    return [str(group) for group in groups] if isinstance(groups, list) else [str(groups)]


def _back(request: HttpRequest, sentence: str, name: str = "") -> HttpResponse:
    user_login_failed.send(sender=__name__, credentials={"username": name}, request=request)
    messages.error(request, sentence)
    return redirect("login")


@require_GET
@never_cache
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """To the provider, with a state and a nonce that only this session knows."""
    target = request.GET.get(REDIRECT_FIELD_NAME, "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    nonce = secrets.token_urlsafe(24)
    provider = Provider(request, signon.OIDC_PROVIDER).get_provider()
    try:
        there: HttpResponseBase = provider.redirect(
            request,
            "login",
            next_url=target if safe else resolve_url(settings.LOGIN_REDIRECT_URL),
            auth_params={"nonce": nonce},
            nonce=nonce,
        )
    except (RequestException, KeyError, ValueError):
        return _back(request, _("%(name)s does not answer. Try again later.") % {"name": settings.OIDC_NAME})
    return there


@require_GET
@never_cache
def callback(request: HttpRequest) -> HttpResponseBase:
    try:
        answer: HttpResponseBase = OAuth2CallbackView.adapter_view(Provider(request, signon.OIDC_PROVIDER))(request)
    except (KeyError, ValueError):  # an answer that is none
        return _back(request, _not_done())
    return answer
