"""The contract for programs, put together: each folder's calls below /api/v1/, one envelope, one way to sign in."""

from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.operation import Operation

from batches.api import router as batches
from cardocr_site.accounts.api import router as accounts
from cardocr_site.accounts.audit_api import router as audit_log
from cardocr_site.accounts.authentication import Authentication
from cardocr_site.api import errors, health, openapi
from cardocr_site.api.idempotency import once
from ocr.api import router as oneself
from templates_app.api import router as templates


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, **kwargs: Any) -> Any:
        return openapi.completed(super().get_openapi_schema(**kwargs))


api = Api(
    title="cardocr",
    version="1.0.0",
    description=openapi.DESCRIPTION,
    auth=Authentication(),
    openapi_url=None,  # its addresses are below: the description is for everybody, the page for staff
    urls_namespace="api",
)
errors.add_to(api)
api.add_decorator(once)
api.add_router("", health.router)
api.add_router("", accounts)
api.add_router("", audit_log)
api.add_router("", oneself)
api.add_router("", batches)
api.add_router("", templates)


@require_safe
def openapi_json(request: HttpRequest) -> HttpResponse:
    """The description of all calls. It holds nothing of this installation."""
    return JsonResponse(api.get_openapi_schema())


@require_safe
@staff_member_required
def docs(request: HttpRequest) -> HttpResponse:
    """The same to try out in a browser."""
    return api.docs.render_page(request, api)


routes, app_name, namespace = api.urls
urls = (
    [path("openapi.json", openapi_json, name="openapi-json"), path("docs", docs, name="openapi-view"), *routes],
    app_name,
    namespace,
)
