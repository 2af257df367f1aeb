from django.http import HttpRequest, HttpResponse


def template_list(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("template_list")


def template_new(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("template_new")


def template_detail(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("template_detail")


def template_delete(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("template_delete")
