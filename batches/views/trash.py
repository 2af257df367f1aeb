from django.http import HttpRequest, HttpResponse


def batch_delete(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_delete")


def trash_list(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("trash_list")


def trash_restore(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("trash_restore")


def trash_empty(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("trash_empty")
