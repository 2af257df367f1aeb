"""What a probe found, in sentences: what it means, and what to do."""

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocr.probe.findings import Check, Finding, State

CHECKS = {
    Check.REACHED: gettext_lazy("Reached"),
    Check.KEY: gettext_lazy("Key"),
    Check.MODEL: gettext_lazy("Model"),
    Check.ANSWERS: gettext_lazy("Answers"),
    Check.IMAGES: gettext_lazy("Sees pictures"),
    Check.FORMAT: gettext_lazy("Keeps to a form"),
    Check.TEMPERATURE: gettext_lazy("Temperature"),
    Check.LIMIT: gettext_lazy("Length of the answer"),
    Check.THINKING: gettext_lazy("Thinking"),
    Check.CONTEXT: gettext_lazy("A card of full size"),
    Check.PACE: gettext_lazy("Seconds and tokens"),
    Check.TOGETHER: gettext_lazy("Calls side by side"),
}
STATES = {
    State.OK: gettext_lazy("OK"),
    State.WARNING: gettext_lazy("Warning"),
    State.FAILED: gettext_lazy("Failed"),
    State.NOT_ASKED: gettext_lazy("Not asked"),
}

# (check, kind): what it means, and what to do about it.
_WORDS: dict[tuple[Check, str], tuple[Any, Any]] = {
    (Check.REACHED, "answers"): (gettext_lazy("The endpoint answers."), ""),
    (Check.REACHED, "models_loaded"): (gettext_lazy("Its models are here and load."), ""),
    (Check.REACHED, "no_models"): (
        gettext_lazy("Its models do not load: %(said)s"),
        gettext_lazy("Install cardocr again (make install); the models come with it."),
    ),
    (Check.REACHED, "unreachable"): (
        gettext_lazy("The endpoint cannot be reached: %(said)s"),
        gettext_lazy("Is the server running, is the address right, does the way out lead through a proxy?"),
    ),
    (Check.REACHED, "unusable"): (
        gettext_lazy("The engine cannot be used as it is set up: %(said)s"),
        gettext_lazy("Complete its address, model and key."),
    ),
    (Check.REACHED, "broken_off"): (
        gettext_lazy("The test was broken off: the process that did it ended."),
        gettext_lazy("Test again. If it happens again, the log says more."),
    ),
    (Check.KEY, "accepted"): (gettext_lazy("The key is accepted."), ""),
    (Check.KEY, "not_needed"): (gettext_lazy("It needs no key."), ""),
    (Check.KEY, "refused"): (
        gettext_lazy("The endpoint does not accept the key: %(said)s"),
        gettext_lazy("Enter the key again; was it made for this endpoint?"),
    ),
    (Check.KEY, "wanted"): (
        gettext_lazy("The endpoint wants a key, and none is stored: %(said)s"),
        gettext_lazy("Enter the key that was made for this endpoint, and save."),
    ),
    (Check.KEY, "unpaid"): (
        gettext_lazy("The endpoint wants to be paid: %(said)s"),
        gettext_lazy("Put money into the account that the key belongs to."),
    ),
    (Check.KEY, "forbidden"): (
        gettext_lazy("The endpoint does not allow this call: %(said)s"),
        gettext_lazy("Does the key have the right to use this model?"),
    ),
    (Check.MODEL, "listed"): (gettext_lazy("The endpoint has this model."), ""),
    (Check.MODEL, "not_listed"): (
        gettext_lazy("The endpoint does not list this model."),
        gettext_lazy("Compare the name. Models there that see pictures: %(offered)s."),
    ),
    (Check.MODEL, "none_named"): (
        gettext_lazy("No model is named."),
        gettext_lazy("Name one. Models there that see pictures: %(offered)s."),
    ),
    (Check.MODEL, "no_list"): (gettext_lazy("The endpoint gives no list of its models: %(said)s"), ""),
    (Check.MODEL, "unknown"): (
        gettext_lazy("The endpoint does not know this model: %(said)s"),
        gettext_lazy("Choose a model from its list, or load this one there first."),
    ),
    (Check.ANSWERS, "answers"): (gettext_lazy("The first answer came after %(seconds)s s."), ""),
    (Check.ANSWERS, "no_answer"): (
        gettext_lazy("It is there, but gives no answer: %(said)s"),
        gettext_lazy("Is the model still being loaded? Look into the server's log, then test again."),
    ),
    (Check.ANSWERS, "refused"): (
        gettext_lazy("It refuses the question: %(said)s"),
        gettext_lazy("The endpoint's words say why; its documentation says more."),
    ),
    (Check.ANSWERS, "no_completion"): (
        gettext_lazy("What it sends is no chat completion: %(said)s"),
        gettext_lazy("Is this the address of the programming interface? It mostly ends with /v1."),
    ),
    (Check.ANSWERS, "turned_away"): (
        gettext_lazy("It asks for fewer calls, again and again: %(said)s"),
        gettext_lazy("Test again later; a free account may have used up its calls for today."),
    ),
    (Check.IMAGES, "seen"): (gettext_lazy("It read the code that was drawn for it."), ""),
    (Check.IMAGES, "blind"): (
        gettext_lazy("It does not see pictures: %(drawn)s was drawn, “%(read)s” came back."),
        gettext_lazy("Choose a vision-language model. Some servers need a further file for pictures (mmproj)."),
    ),
    (Check.IMAGES, "refused"): (
        gettext_lazy("It takes no pictures: %(said)s"),
        gettext_lazy("Choose a vision-language model. Some servers need a further file for pictures (mmproj)."),
    ),
    (Check.IMAGES, "misread"): (
        gettext_lazy("The drawn card was misread: %(drawn)s was drawn, “%(read)s” was read."),
        gettext_lazy("Install cardocr again (make install); tell whoever looks after it."),
    ),
    (Check.IMAGES, "not_read"): (
        gettext_lazy("The drawn card was not read: %(said)s"),
        gettext_lazy("The log says more."),
    ),
    (Check.FORMAT, "json_schema"): (gettext_lazy("It keeps to the form that is asked for (json_schema)."), ""),
    (Check.FORMAT, "json_object"): (
        gettext_lazy("It gives JSON, but takes no schema for it (json_object)."),
        gettext_lazy("That will do: the prompt names the fields."),
    ),
    (Check.FORMAT, "prompt"): (
        gettext_lazy("It enforces no form; asked in words, it gives one."),
        gettext_lazy("That will do, but some cards may have to be asked twice."),
    ),
    (Check.FORMAT, "none"): (
        gettext_lazy("In none of three ways did it give the fields as asked for."),
        gettext_lazy("Choose a larger or newer model."),
    ),
    (Check.TEMPERATURE, "taken"): (gettext_lazy("It can be set; cards are read at 0."), ""),
    (Check.TEMPERATURE, "left_out"): (
        gettext_lazy("It cannot be set and is left out."),
        gettext_lazy("That will do. A repeating answer has one remedy less."),
    ),
    (Check.LIMIT, "taken"): (gettext_lazy("It can be limited (%(name)s)."), ""),
    (Check.THINKING, "none"): (gettext_lazy("It answers without thinking first."), ""),
    (Check.THINKING, "turned_off"): (gettext_lazy("It thinks first, unless told not to: it is told so."), ""),
    (Check.THINKING, "stays_on"): (
        gettext_lazy("It thinks before it answers, and cannot be told not to."),
        gettext_lazy("Thinking is paid for and takes time. A model without it reads cards as well."),
    ),
    (Check.CONTEXT, "enough"): (gettext_lazy("A card as large as in a batch was read, with room for the answer."), ""),
    (Check.CONTEXT, "misread"): (
        gettext_lazy("On a card of full size it misread: %(drawn)s was drawn, “%(read)s” came back."),
        gettext_lazy("Try a few of your own cards before a batch. Is the server's context too small for a picture?"),
    ),
    (Check.CONTEXT, "cut_off"): (
        gettext_lazy("The answer to a card of full size was cut off."),
        gettext_lazy("Give the model a larger context on its server (num_ctx, --max-model-len)."),
    ),
    (Check.CONTEXT, "tight"): (
        gettext_lazy("Its context has %(context)s tokens; a card with a long answer needs %(needed)s."),
        gettext_lazy("Give the model a larger context on its server (num_ctx, --max-model-len)."),
    ),
    (Check.CONTEXT, "reduced"): (
        gettext_lazy("A card of full size is too large for it; reduced to %(px)s pixels it was read."),
        gettext_lazy("Small type may be lost. Give the model a larger context on its server, then test again."),
    ),
    (Check.CONTEXT, "too_small"): (
        gettext_lazy("A card of full size is too large for it: %(said)s"),
        gettext_lazy("Give the model a larger context on its server (num_ctx, --max-model-len)."),
    ),
    (Check.CONTEXT, "no_answer"): (
        gettext_lazy("A small picture was read, a card of full size was not: %(said)s"),
        gettext_lazy("Allow the engine more seconds to answer, or look into the server's log."),
    ),
    (Check.PACE, "tokens"): (
        gettext_lazy("One card takes %(seconds)s s, %(tokens_in)s tokens in and %(tokens_out)s out."),
        "",
    ),
    (Check.PACE, "seconds"): (gettext_lazy("One card takes %(seconds)s s. It does not tell its tokens."), ""),
    (Check.PACE, "alone"): (gettext_lazy("One card takes %(seconds)s s."), ""),
    (Check.TOGETHER, "all_tried"): (
        gettext_lazy("%(calls)s at a time went well: about %(cards_per_minute)s cards a minute. More were not tried."),
        "",
    ),
    (Check.TOGETHER, "no_faster"): (
        gettext_lazy("%(calls)s at a time are best: about %(cards_per_minute)s cards a minute; %(at)s were no faster."),
        "",
    ),
    (Check.TOGETHER, "turned_away"): (
        gettext_lazy("%(calls)s at a time went well; of %(at)s not all were answered: %(said)s"),
        gettext_lazy("A run makes no more than %(calls)s at a time; the engine’s own limit still holds."),
    ),
    (Check.TOGETHER, "no_time"): (
        gettext_lazy("%(calls)s at a time went well; there was no time to try more."),
        gettext_lazy("The engine is slow: one card after the other takes long."),
    ),
    (Check.TOGETHER, "cores"): (gettext_lazy("%(calls)s at a time, one for each processor core."), ""),
}
_NOT_ASKED = {
    "depends": gettext_lazy("Not asked: something before it failed."),
    "no_calls": gettext_lazy("Not asked: it would cost a call."),
    "no_time": gettext_lazy("Not asked: the test had taken long enough."),
}


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "–"


def label(finding: Finding) -> str:
    return str(CHECKS[finding.check])


def state(finding: Finding) -> str:
    return str(STATES[finding.state])


def sentence(finding: Finding) -> str:
    """What it means. It may repeat what an endpoint said: text, never markup."""
    return _filled(_words(finding)[0], finding.facts)


def advice(finding: Finding) -> str:
    """What to do; empty where nothing is to be done."""
    return _filled(_words(finding)[1], finding.facts)


def _words(finding: Finding) -> tuple[Any, Any]:
    known = _WORDS.get((finding.check, finding.kind))
    return known or (_NOT_ASKED.get(finding.kind) or _("Found: %(kind)s.") % {"kind": finding.kind}, "")


def _filled(text: Any, facts: Mapping[str, Any]) -> str:
    told = {name: _told(value) for name, value in facts.items()}
    return str(text) % _Facts(told) if "%(" in str(text) else str(text)


def _told(value: Any) -> Any:
    """Numbers as the reader writes them: 1,200 or 1.200."""
    if value in (None, ""):
        return "–"
    return number_format(value, force_grouping=True) if isinstance(value, int | float) else value
