from django.http import HttpRequest, HttpResponse


def batch_export(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_export")


def batch_download(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_download")
