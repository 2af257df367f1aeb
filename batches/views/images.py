from django.http import HttpRequest, HttpResponse


def card_image(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("card_image")
