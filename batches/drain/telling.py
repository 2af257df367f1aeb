"""Webhooks are told, in a thread of the consumer's: what is due, again where it failed, until it is given up.

One try takes ten seconds at most. What is under way is out of reach of other consumers; what a consumer that died had
begun is tried again a minute later, so a receiver may be told twice, and knows it by the id of the delivery.
"""

import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import httpx
from django.conf import settings
from django.db.models import F, Min
from django.utils.translation import gettext_noop

from batches import clock, hooks
from batches.drain.threads import Rounds
from batches.models import Delivery
from ocr import addresses, sealing
from ocr.engines import deadlines, transport
from ocr.engines.base import EngineConfig
from ocr.errors import EngineMissing

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds
WITHIN = 10.0  # seconds for a try, once the name has been looked up
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 480))
UNDER_WAY = timedelta(minutes=1)
AT_ONCE = 8
EACH = 2  # of one webhook in a round

# Said in the reader's language where they are shown.
REDIRECTED = gettext_noop("It answered with a redirect, which is not followed.")
REFUSED = gettext_noop("It answered, but did not take it.")
TOO_SLOW = gettext_noop("There was no answer within 10 seconds.")
NOT_REACHED = gettext_noop("It could not be reached.")

Status = Delivery.Status


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery as it leaves, without the database."""

    pk: int
    address: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int | None
    seconds: float
    problem: str = ""


def signature(secret: str, body: bytes, at: int) -> str:
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def letter(delivery: Delivery) -> Letter:
    """Raises EngineMissing where the secret cannot be opened."""
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    secret = sealing.unseal(delivery.webhook.sealed_secret)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "cardocr",
        "X-Cardocr-Event": delivery.event,
        "X-Cardocr-Delivery": str(delivery.uid),
        "X-Cardocr-Signature": signature(secret, body, int(time.time())),
    }
    return Letter(delivery.pk, delivery.webhook.address, body, headers)


class Sender:
    """Calls addresses as engines are called: checked and pinned, or by the house's proxy; no redirects. Thread-safe."""

    def __init__(self, within: float = WITHIN) -> None:
        self._within = within
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def send(self, letter: Letter) -> Outcome:
        begun = time.monotonic()
        code, problem = None, ""
        try:
            with (
                deadlines.by(begun + self._within),
                self._out().stream("POST", letter.address, content=letter.body, headers=letter.headers) as answer,
            ):
                code = answer.status_code
                problem = "" if answer.is_success else _refused(code)
        except (addresses.Forbidden, EngineMissing) as error:
            problem = str(error)
        except httpx.TimeoutException:
            problem = TOO_SLOW
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            log.info("%s: %s", letter.headers["X-Cardocr-Delivery"], error)
            problem = NOT_REACHED
        return Outcome(code, time.monotonic() - begun, problem[:200])

    def _out(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                config = EngineConfig(
                    kind="webhook",
                    name="webhook",
                    private_hosts=tuple(settings.ALLOW_PRIVATE_ENGINES),
                    proxy=settings.OUTBOUND_PROXY,
                    ca_bundle=settings.CA_BUNDLE,
                )
                self._client = httpx.Client(
                    transport=transport.outbound(config), timeout=self._within, follow_redirects=False, trust_env=False
                )
            return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def _refused(code: int) -> str:
    return REDIRECTED if 300 <= code < 400 else REFUSED


class Telling(Rounds):
    def __init__(self, sender: Sender | None = None) -> None:
        super().__init__("tell", self.tell_all, EVERY)
        self._sender = sender or Sender()

    def tell_all(self) -> None:
        """What is due now; one that fails is due later."""
        while not self.is_stopping and (mine := _claimed(_due())):
            letters = [one for one in map(_opened, mine) if one is not None]
            by_pk = {delivery.pk: delivery for delivery in mine}
            with ThreadPoolExecutor(AT_ONCE, "tell") as pool:
                for sent, outcome in zip(letters, pool.map(self._sender.send, letters), strict=True):
                    _note(by_pk[sent.pk], outcome)


def _due() -> list[Delivery]:
    """The oldest of each webhook, so that none waits for what another has piled up."""
    due = Delivery.objects.filter(next_at__lte=clock.now(), webhook__enabled=True)
    oldest = due.order_by().values("webhook").annotate(since=Min("next_at")).order_by("since")
    return [
        delivery
        for row in oldest[:AT_ONCE]
        for delivery in due.filter(webhook=row["webhook"]).select_related("webhook__owner").order_by("next_at")[:EACH]
    ]


def _claimed(due: Iterable[Delivery]) -> Sequence[Delivery]:
    """Those that no other consumer has taken meanwhile, and whose owner may still be told."""
    mine = []
    for delivery in due:
        row = Delivery.objects.filter(pk=delivery.pk, next_at=delivery.next_at)
        if not hooks.may_be_told(delivery.webhook, delivery.batch_id):
            row.update(status=Status.WITHHELD, next_at=None)
        elif row.update(tries=F("tries") + 1, next_at=clock.now() + UNDER_WAY, tried_at=clock.now()):
            delivery.tries += 1
            mine.append(delivery)
    return mine


def _opened(delivery: Delivery) -> Letter | None:
    try:
        return letter(delivery)
    except EngineMissing as error:
        _note(delivery, Outcome(None, 0.0, str(error)))
        return None


def _note(delivery: Delivery, outcome: Outcome) -> None:
    status, next_at = Status.DELIVERED, None
    if outcome.problem:
        again = BACK_OFF[delivery.tries - 1] if delivery.tries <= len(BACK_OFF) else None
        status, next_at = (Status.WAITING, clock.now() + again) if again else (Status.GIVEN_UP, None)
        log.warning(
            "Webhook %s was not told %s (%s, try %s): %s %s",
            delivery.webhook_id,
            delivery.event,
            delivery.uid,
            delivery.tries,
            outcome.code or "no answer.",
            outcome.problem,
        )
    Delivery.objects.filter(pk=delivery.pk, tries=delivery.tries).update(
        status=status, next_at=next_at, code=outcome.code, seconds=outcome.seconds, problem=outcome.problem
    )
