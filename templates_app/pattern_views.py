"""A pattern tried on values, before it marks any."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from cardocr_site.accounts.requests import SignedInRequest
from ocr import patterns
from templates_app.forms import lines

MOST = 20  # values
LONGEST = 300


@dataclass(frozen=True, slots=True)
class Value:
    text: str
    fits: bool


@require_POST
@login_required
def pattern_test(request: SignedInRequest, key: str) -> HttpResponse:
    """Which of the values, a line each, the pattern of a row takes as a whole; without any, its example."""
    pattern = request.POST.get("pattern", "").strip()
    typed = request.POST.get("samples", "") or request.POST.get("example", "")
    values, problem = [text[:LONGEST] for text in lines(typed)[:MOST]], ""
    found: list[Value] = []
    try:
        if pattern:
            patterns.compiled(pattern)
            found = [Value(text, patterns.matches(pattern, text)) for text in values]
    except ValueError as error:
        problem = str(error)
    context = {"key": key, "values": found, "problem": problem, "empty": not pattern}
    return render(request, "templates_app/_pattern.html", context)
