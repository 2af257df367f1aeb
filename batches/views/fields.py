from django.http import HttpRequest, HttpResponse


def batch_fields(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_fields")


def field_add(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("field_add")


def fields_from_template(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("fields_from_template")


def fields_save_template(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("fields_save_template")


def field_save(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("field_save")


def field_move(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("field_move")


def field_remove(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("field_remove")


def batch_engine(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_engine")


def batch_confirm(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_confirm")


def field_restore(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("field_restore")
