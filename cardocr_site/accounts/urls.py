from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from cardocr_site.accounts import joining_views, people_views, reset_views, token_views, views

urlpatterns: list[URLPattern] = [
    path("login/", views.SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.ChangePasswordView.as_view(), name="password_change"),
    path("profile/", views.profile, name="profile"),
    path("profile/theme/", views.profile_theme, name="profile_theme"),
    path("tokens/", token_views.token_make, name="token_make"),
    path("tokens/<int:token_id>/revoke/", token_views.token_revoke, name="token_revoke"),
    path("people/", people_views.people_list, name="people_list"),
    path("people/invite/", people_views.invite, name="invite"),
    path("people/invitations/<int:invitation_id>/revoke/", people_views.invitation_revoke, name="invitation_revoke"),
    path("people/<uuid:person_id>/deactivate/", people_views.person_deactivate, name="person_deactivate"),
    path("people/<uuid:person_id>/let-in/", people_views.person_let_in, name="person_let_in"),
    path("people/<uuid:person_id>/password-link/", people_views.person_reset, name="person_reset"),
    path("reset/<uidb64>/<token>/", reset_views.ResetView.as_view(), name="reset"),
    path("invitation/<str:token>/", joining_views.invitation, name="invitation"),
    path("register/", joining_views.register, name="register"),
    path("forgotten/", reset_views.password_forgotten, name="password_forgotten"),
]

if settings.OIDC_URL:
    from cardocr_site.accounts import oidc

    urlpatterns += [
        path("oidc/", oidc.sign_in, name="oidc"),
        path("oidc/callback/", oidc.callback, name="oidc_callback"),
    ]
