from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("accounts/", include("cardocr_site.accounts.urls")),
    path("admin/", admin.site.urls),
    path("templates/", include("templates_app.urls")),
    path("", include("batches.urls")),
]
