"""What Django's administration shows of an engine beside its form; the administration knows nothing of the consumer."""

from django import template
from django.template import RequestContext

from batches.queries import engines
from ocr import people, probe_words
from ocr.models import Engine
from ocr.probe.findings import Finding

register = template.Library()


@register.simple_tag
def engine_test(engine: Engine) -> engines.Tested:
    return engines.tested(engine)


@register.simple_tag
def engine_shares(engine: Engine) -> engines.Shared:
    return engines.shared(engine)


@register.simple_tag(takes_context=True)
def has_own_key(context: RequestContext, engine: Engine) -> bool:
    """Whoever looks at the page."""
    return people.own_key(context["request"].user, engine) is not None


register.filter("check_label", probe_words.label)
register.filter("check_state", probe_words.state)
register.filter("check_sentence", probe_words.sentence)
register.filter("check_advice", probe_words.advice)


@register.filter
def check_icon(finding: Finding) -> str:
    return {"ok": "check", "warning": "flag", "failed": "alert"}.get(finding.state, "skip")
