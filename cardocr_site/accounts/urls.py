from django.contrib.auth.views import LogoutView
from django.urls import path

from cardocr_site.accounts import views

urlpatterns = [
    path("login/", views.SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.ChangePasswordView.as_view(), name="password_change"),
    path("profile/", views.profile, name="profile"),
    path("profile/theme/", views.profile_theme, name="profile_theme"),
    path("forgotten/", views.password_forgotten, name="password_forgotten"),
]
