from django.http import HttpRequest, HttpResponse


def batch_upload(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_upload")


def card_add(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_add")


def card_remove(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_remove")


def cards_remove(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("cards_remove")
