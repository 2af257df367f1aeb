"""The models of an engine, asked of its endpoint and remembered for a while; or why there is no list, in words."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.core.cache import cache
from django.urls import reverse
from django.utils.translation import gettext as _

from cardocr_site.accounts.models import User
from ocr import discovery, people
from ocr.discovery import Offered
from ocr.errors import EngineTimeout, ExtractionError, ReplyInvalid, RequestRefused, of_reason
from ocr.models import Engine

KEPT = 300.0  # seconds
FAILURE_KEPT = 15.0
_GRACE = 2.0  # seconds beyond the deadline of the requests: looking up a name has none of its own

_asking = ThreadPoolExecutor(4, thread_name_prefix="models")


@dataclass(frozen=True, slots=True)
class Offer:
    models: tuple[Offered, ...] = ()
    failure: str = ""  # the reason of an ExtractionError

    @property
    def why(self) -> str:
        """Why there is no list, for people; the endpoint's own words are for administrators."""
        own = {
            RequestRefused.reason: _("It keeps no list."),
            ReplyInvalid.reason: _("What it sent is no list of models."),
        }
        return own.get(self.failure) or _(of_reason(self.failure).sentence)


def attributes(engine: Engine) -> dict[str, str]:
    """Of a text field that asks for the engine's models when a person comes to it; beside it stands `#models-<pk>`."""
    return {
        "list": f"models-of-{engine.pk}",
        "autocomplete": "off",
        "hx-get": reverse("engine_models", args=[engine.pk]),
        "hx-trigger": "focus once",
        "hx-target": f"#models-{engine.pk}",
        "hx-swap": "outerHTML",
        "hx-params": "none",
        "hx-sync": "this:drop",
    }


def of(engine: Engine, user: User) -> Offer:
    """Asked with this person's own key, where there is one. Takes twelve seconds at most; what was found is remembered
    until the engine, or the key, is changed.
    """
    engine = people.keyed(engine, people.payer(user, engine))
    key = f"offer:{engine.pk}:{engine.payer or ''}:{engine.version.timestamp()}"
    offer: Offer | None = cache.get(key)
    if offer is None:
        offer = _asked(engine)
        cache.set(key, offer, FAILURE_KEPT if offer.failure else KEPT)
    return offer


def _asked(engine: Engine) -> Offer:
    try:
        asked = _asking.submit(discovery.models, engine.config())
        return Offer(tuple(asked.result(discovery.WITHIN + _GRACE)))
    except TimeoutError:
        return Offer(failure=EngineTimeout.reason)
    except ExtractionError as error:
        return Offer(failure=error.reason)
