from django.http import HttpRequest, HttpResponse


def batch_results(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_results")


def card_detail(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_detail")


def card_edit(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_edit")


def card_reviewed(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_reviewed")


def card_skip(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_skip")
