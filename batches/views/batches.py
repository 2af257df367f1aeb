from django.http import HttpRequest, HttpResponse


def home(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("home")


def batch_list(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_list")


def batch_new(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_new")


def batch_rename(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_rename")


def batch_sample(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_sample")
