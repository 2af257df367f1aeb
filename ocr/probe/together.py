"""How many calls at a time make sense: one, two, four, eight, as long as it gets faster and nobody is turned away."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ocr.errors import ExtractionError
from ocr.probe.findings import Check, Finding, State

MOST = 8
WORTH = 1.2  # times as many cards a minute that a step must bring


@dataclass(frozen=True, slots=True)
class Together:
    finding: Finding
    calls: int
    no_more: bool


Call = Callable[[], ExtractionError | None]


def climb(prepared: Callable[[], Call], seconds: float, most: int, is_over: Callable[[], bool]) -> Together:
    """`prepared` gives a call that reads one card and tells the error; `seconds`: what one card took alone.

    Raises what a call raises.
    """
    most = max(1, min(most, MOST))
    best, pace = 1, 60 / max(seconds, 0.001)
    with ThreadPoolExecutor(most, thread_name_prefix="probe") as pool:
        while best < most:
            if is_over():
                return _found(State.WARNING, "no_time", best, pace, no_more=False)
            at_once = min(2 * best, most)
            calls = [prepared() for _ in range(at_once)]  # drawing them is our work, not the endpoint's
            begun = time.monotonic()
            errors = list(pool.map(_made, calls))
            taken = max(time.monotonic() - begun, 0.001)
            failed = next((error for error in errors if error is not None), None)
            if failed is not None:
                said = {"at": at_once, "said": failed.message}
                return _found(State.WARNING, "turned_away", best, pace, no_more=True, **said)
            if at_once * 60 / taken < WORTH * pace:
                return _found(State.OK, "no_faster", best, pace, no_more=True, at=at_once)
            best, pace = at_once, at_once * 60 / taken
    return _found(State.OK, "all_tried", best, pace, no_more=False)


def _made(call: Call) -> ExtractionError | None:
    return call()


def _found(state: State, kind: str, calls: int, pace: float, *, no_more: bool, **more: object) -> Together:
    facts = {"calls": calls, "cards_per_minute": round(pace), **more}
    return Together(Finding(Check.TOGETHER, state, kind, facts), calls, no_more)
