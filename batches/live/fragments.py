"""Everything that turns a batch into the pieces of its live page, for views and sockets alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import set_script_prefix
from django.utils import timezone

from batches import progress
from batches.models import Batch, Card
from batches.queries import (
    budgets,
    engines,
    expected,
    house,
    live,
    outlook,
    pilot,
    problems,
    rereading,
    results,
    rights,
    samples,
    trying,
)
from batches.queries.rights import Role as Role
from batches.states import PauseReason


@dataclass(frozen=True, slots=True)
class Viewer:
    """All that a fragment may depend on: nothing personal, so that many may share it."""

    view: str  # live, grid, fields, problems
    language: str
    role: Role

    @property
    def can_edit(self) -> bool:
        return self.role >= Role.EDITOR


class Fragment(TypedDict):
    id: str
    html: str


# The id of each fragment of the live page, and its file.
FILES = {
    "batch-state": "batches/_batch_state.html",
    "batch-tabs": "batches/_batch_tabs.html",
    "run-actions": "batches/_run_actions.html",
    "run-note": "batches/_run_note.html",
    "run-pilot": "batches/_run_pilot.html",
    "run-reread": "batches/_run_reread.html",
    "progress": "batches/_progress.html",
    "run-left": "batches/_run_left.html",
    "run-now": "batches/_run_now.html",
    "run-problems": "batches/_run_problems.html",
    "run-facts": "batches/_run_facts.html",
}
USUAL_SAMPLE = 50
TRY_ON = "try-on"  # the one of the page of a draft's fields
ON_THE_GRID = ("batch-state", "batch-tabs")
TABS = {"live": "run", "grid": "results", "problems": "problems"}  # where each view stands


def use_own_addresses() -> None:
    """In a thread that serves no request: links carry the path in front of the site."""
    set_script_prefix(f"{(settings.FORCE_SCRIPT_NAME or '').rstrip('/')}/")


def context(batch: Batch, viewer: Viewer) -> dict[str, Any]:
    """What the fragments need. The page draws itself with the same."""
    now = timezone.now()
    done = progress.of(batch, now)
    causes, again = live.causes(batch), rereading.last(batch)
    # Otherwise the time from start to end is mostly that in which it waited for a person.
    in_one_go = again is None and not batch.option("pilot")
    over = outlook.phase(batch) == outlook.OVER
    slots = live.being_read(batch) if batch.processing else []
    engine, reading = batch.reader, batch.is_active
    typical = live.typical_seconds(batch) if reading else None
    held_up_by = engines.held_up_by(batch) if outlook.phase(batch) == outlook.PAUSED else None
    return {
        "batch": batch,
        "pilot": pilot.report(batch),
        "again": again,
        "held_up_by": held_up_by,
        "kept_inside": house.refusal(batch, held_up_by),
        "lacks_key": held_up_by.lacks if held_up_by else "",
        "used_up": budgets.used_up(batch, engine) if batch.pause_reason == PauseReason.BUDGET else "",
        "month": expected.month(batch, engine) if engine else None,
        **rights.shown(viewer.role),
        "owns": viewer.role == Role.OWNER,
        "advise": viewer.role == Role.ADMINISTRATOR,
        "progress": done,
        "phase": outlook.phase(batch),
        "resting": outlook.is_resting(batch, now),
        "parts": outlook.parts(batch),
        "say": outlook.sentence(batch, done),
        "say_problems": outlook.problems(batch),
        "title": outlook.title(batch, done),
        "done_at": live.clock(now + timedelta(seconds=done.eta_seconds)) if done.eta_seconds else "",
        "elapsed": progress.time_in_words(done.elapsed_seconds) if in_one_go else "",
        "unseen": outlook.unseen(batch),
        "blank": batch.blank if over else 0,
        "sample": samples.report(batch) if over else None,
        "to_draw": _to_draw(batch) if over else None,
        "causes": causes,
        "slots": slots,
        "more_slots": max(0, batch.processing - len(slots)),
        "spark": outlook.spark(batch),
        "typical": live.in_seconds(typical) if typical else "",
        "others": live.others(batch) if reading else None,
        "seconds_per_card": outlook.seconds_per_card(batch, done) if in_one_go else None,
    }


def _to_draw(batch: Batch) -> dict[str, int]:
    """How many cards a sample may take, and what it would say should none of them need a change."""
    size = min(USUAL_SAMPLE, max(0, outlook.unseen(batch)))
    return {"size": size, "none_wrong": samples.none_wrong(size)}


def of(batch: Batch, viewer: Viewer) -> list[Fragment]:
    """In the language that is active."""
    if viewer.view == "fields":
        return [Fragment(id=TRY_ON, html=try_on(batch, viewer))]
    drawn = context(batch, viewer) if viewer.view == "live" else {"batch": batch}
    drawn = drawn | {"current": TABS[viewer.view]}
    names = FILES if viewer.view == "live" else ON_THE_GRID
    made = [Fragment(id=name, html=render_to_string(FILES[name], drawn)) for name in names]
    if viewer.view == "problems":
        html = render_to_string("batches/_problems_sign.html", {"sign": problems.sign(batch)})
        made.append(Fragment(id="problems-sign", html=html))
    return made


def try_on(batch: Batch, viewer: Viewer, problem: str = "") -> str:
    """What was tried on cards of a draft, as it stands now."""
    return render_to_string("batches/_try.html", try_context(batch, viewer) | {"problem": problem})


def try_context(batch: Batch, viewer: Viewer) -> dict[str, Any]:
    return {
        "batch": batch,
        "trial": trying.of(batch),
        "can_edit": viewer.can_edit and batch.is_draft,
        "number": trying.CARDS,
    }


def one(name: str, batch: Batch, viewer: Viewer) -> str:
    return render_to_string(FILES[name], context(batch, viewer) | {"current": TABS[viewer.view]})


def rows(batch: Batch, cards: Sequence[Card], viewer: Viewer) -> list[str]:
    """A table row for each card, in the same order; empty for one that does not stand in the live table."""
    if not cards:
        return []
    shared = {"batch": batch, **rights.shown(viewer.role)}
    if viewer.view == "grid":
        made = results.rows(batch, cards)
        return [render_to_string("batches/_card_row.html", shared | {"row": row}) for row in made]
    finished = [card for card in cards if card.status in live.FINISHED]
    drawn = {
        row.card.pk: render_to_string("batches/_live_row.html", shared | {"row": row})
        for row in live.rows(batch, finished)
    }
    return [drawn.get(card.pk, "") for card in cards]
