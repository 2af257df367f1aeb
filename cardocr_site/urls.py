from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from batches.views import failures
from cardocr_site.accounts.views import admin_login, set_language
from cardocr_site.api import health
from cardocr_site.api import urls as api
from cardocr_site.api.metrics import metrics
from cardocr_site.audit_log import views as audit_log
from cardocr_site.views import favicon

admin.site.site_url = f"{settings.SITE.path}/"

handler500 = "cardocr_site.unreached.went_wrong"

urlpatterns = [
    path("favicon.ico", favicon, name="favicon"),
    path("health", health.health, name="health"),
    path("health/ready", health.ready, name="health_ready"),
    path("metrics", metrics, name="metrics"),
    path("accounts/profile/", include("ocr.urls")),
    path("accounts/", include("cardocr_site.accounts.urls")),
    path("i18n/setlang/", set_language, name="set_language"),
    path("admin/login/", admin_login),
    path("admin/errors/", failures.admin_errors, name="admin_errors"),
    path("admin/errors/<int:card_pk>/", failures.admin_error, name="admin_error"),
    path("admin/", admin.site.urls),
    path("audit/", audit_log.audit_log, name="audit_log"),
    path("audit/export/", audit_log.audit_download, name="audit_download"),
    path("api/v1/", api),
    path("templates/", include("templates_app.urls")),
    path("", include("batches.urls")),
]
