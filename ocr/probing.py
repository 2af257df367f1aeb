"""Probes of configured engines, and what is kept of them: in the engine's profile, one part for each model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ocr import probe
from ocr.engines.base import EngineConfig
from ocr.errors import EngineMissing
from ocr.models import Engine
from ocr.probe.findings import Check, Finding, OnCall, Report, State

MODEL_LOADS = 300.0  # seconds that a server in the house gets for its first answer
PART = "probe"  # of a model's profile


@dataclass(frozen=True, slots=True)
class Kept:
    """The last probe of an engine with a model, as it was stored."""

    model: str
    at: datetime
    findings: tuple[Finding, ...]
    seconds: float | None
    tokens_in: int | None
    tokens_out: int | None
    together: int | None
    no_more: bool
    key_of: str = ""  # whose key it was tested with; empty: the engine's own

    @property
    def works(self) -> bool:
        return all(finding.state != State.FAILED for finding in self.findings)


def examine(
    engine: Engine,
    model: str = "",
    *,
    calls: bool = True,
    is_stopped: Callable[[], bool] = lambda: False,
    on_call: OnCall = lambda usage, error: None,
) -> Report:
    """Probe, and keep what was found. Takes minutes. Raises ocr.probe.findings.Stopped.

    Without `calls` only what is free is asked, and nothing of it is kept.
    """
    inside = engine.place == Engine.Place.INSIDE and engine.kind != Engine.Kind.LOCAL
    try:
        config: EngineConfig | None = replace(engine.config(model), profile={})  # what was learnt may be over
    except EngineMissing as error:
        config = None
        report = Report((Finding(Check.REACHED, State.FAILED, "unusable", {"said": error.message}),))
    if config is not None:
        patience = MODEL_LOADS if inside else probe.PATIENCE
        report = probe.run(config, patience=patience, calls=calls, is_stopped=is_stopped, on_call=on_call)
    if calls:
        keep(engine, model, report)
    return report


def broken_off() -> Report:
    """Of a probe whose process ended: it is not begun again by itself, it may be what ended it."""
    return Report((Finding(Check.REACHED, State.FAILED, "broken_off"),))


def keep(engine: Engine, model: str, report: Report) -> None:
    """Written by queryset alone: `updated_at` tells that a person has changed the engine."""
    model = model or engine.model
    takes = report.profile.to_dict() if report.profile is not None else {}
    engine.learn(model, {**takes, PART: _part(report, _payer(engine))})
    if report.seconds is not None:
        Engine.objects.filter(pk=engine.pk, model=model).update(seconds_per_card=report.seconds)


def _payer(engine: Engine) -> str:
    return (engine.own_key.user.get_full_name() or engine.own_key.user.username) if engine.own_key else ""


def _part(report: Report, key_of: str) -> dict[str, Any]:
    return {
        "at": timezone.now().isoformat(),
        "findings": [finding.to_dict() for finding in report.findings],
        "seconds": report.seconds,
        "tokens_in": report.tokens_in,
        "tokens_out": report.tokens_out,
        "together": report.together,
        "no_more": report.no_more,
        "calls": report.calls,
        "key_of": key_of,
    }


def last(engine: Engine, model: str = "") -> Kept | None:
    """None where it was never probed, or by another version."""
    model = model or engine.model
    part = engine.known(model).get(PART)
    try:
        return _kept(model, part) if part else None
    except (KeyError, ValueError, TypeError):
        return None


def newest(engine: Engine) -> Kept | None:
    """The last probe of it, with whatever model."""
    found = [kept for model in engine.profiles() if (kept := last(engine, model)) is not None]
    return max(found, key=lambda kept: kept.at, default=None)


def side_by_side(engine: Engine) -> tuple[int | None, bool]:
    """What the last test of it found sensible, and whether more than that is no use; looked up with every call."""
    found = [of_model.get(PART) for of_model in engine.profiles().values()]
    parts = [part for part in found if isinstance(part, dict) and isinstance(part.get("together"), int)]
    part = max(parts, key=lambda part: str(part.get("at")), default=None)
    return (int(part["together"]), bool(part.get("no_more"))) if part is not None else (None, False)


def _kept(model: str, part: dict[str, Any]) -> Kept:
    at = parse_datetime(part["at"])
    if at is None:
        raise ValueError(part["at"])
    return Kept(
        model=model,
        at=at,
        findings=tuple(map(Finding.from_dict, part["findings"])),
        seconds=part["seconds"],
        tokens_in=part["tokens_in"],
        tokens_out=part["tokens_out"],
        together=part["together"],
        no_more=bool(part["no_more"]),
        key_of=str(part.get("key_of", "")),
    )
