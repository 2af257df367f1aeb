from django.http import HttpRequest, HttpResponse


def batch_detail(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_detail")


def batch_start(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_start")


def batch_pause(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_pause")


def batch_resume(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_resume")


def batch_cancel(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_cancel")


def batch_retry(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_retry")


def card_retry(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_retry")


def batch_live(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_live")


def batch_list_live(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_list_live")
