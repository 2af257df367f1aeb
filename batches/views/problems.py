from django.http import HttpRequest, HttpResponse


def batch_problems(request: HttpRequest, **ids: object) -> HttpResponse:
    return HttpResponse("batch_problems")
