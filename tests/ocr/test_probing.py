"""What is kept of a probe, and how it is said."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from ocr import probe_words, probing
from ocr.engines.profile import Profile
from ocr.models import Engine
from ocr.probe.findings import Check, Finding, Report, State

SEEN = Finding(Check.IMAGES, State.OK, "seen")
GOOD = Report((SEEN,), profile=Profile(temperature=False), seconds=2.5, tokens_in=1200, tokens_out=150, together=4)


@pytest.fixture
def endpoint(db: None) -> Engine:
    return Engine.objects.create(name="box", kind="openai_compatible", address="http://127.0.0.1:9/v1", model="m")


def fresh(engine: Engine) -> Engine:
    return Engine.objects.get(pk=engine.pk)


def test_what_was_found_is_kept_with_its_model(endpoint: Engine) -> None:
    probing.keep(endpoint, "", GOOD)
    engine = fresh(endpoint)
    kept = probing.last(engine)
    assert kept is not None
    assert (kept.model, kept.findings, kept.together, kept.works) == ("m", (SEEN,), 4, True)
    assert timezone.now() - kept.at < timedelta(minutes=1)
    assert engine.seconds_per_card == 2.5
    assert engine.profile["m"]["temperature"] is False
    assert engine.updated_at == endpoint.updated_at  # no person has changed it


def test_a_test_that_learnt_nothing_leaves_what_is_known(endpoint: Engine) -> None:
    probing.keep(endpoint, "m", GOOD)
    probing.keep(endpoint, "m", Report((Finding(Check.REACHED, State.FAILED, "unreachable"),)))
    engine = fresh(endpoint)
    kept = probing.last(engine)
    assert kept is not None
    assert not kept.works
    assert engine.profile["m"]["temperature"] is False
    assert engine.seconds_per_card == 2.5


def test_another_models_test_changes_neither_pace_nor_profile_of_the_first(endpoint: Engine) -> None:
    probing.keep(endpoint, "m", GOOD)
    probing.keep(endpoint, "other", Report((SEEN,), seconds=60.0, together=1, no_more=True))
    engine = fresh(endpoint)
    assert engine.seconds_per_card == 2.5
    assert probing.last(engine, "m") is not None
    newest = probing.newest(engine)
    assert newest is not None
    assert newest.model == "other"
    assert probing.side_by_side(engine) == (1, True)


@pytest.mark.parametrize("part", [{"at": "x"}, {"at": None, "findings": []}, {"at": "2026-01-01"}, [], "x"])
def test_what_another_version_has_written_counts_as_nothing(endpoint: Engine, part: object) -> None:
    endpoint.profile = {"m": {"probe": part}}
    assert probing.last(endpoint) is None


def test_a_key_that_cannot_be_opened_is_a_finding(endpoint: Engine) -> None:
    endpoint.sealed_key = "nonsense"
    endpoint.save()
    assert not probing.examine(endpoint).works
    kept = probing.last(fresh(endpoint))
    assert kept is not None
    assert kept.findings[0].kind == "unusable"


def test_every_kind_of_finding_has_its_words() -> None:
    for (check, kind), (sentence, advice) in probe_words._WORDS.items():
        finding = Finding(check, State.WARNING, kind, {"said": "100% <b>"})
        assert probe_words.sentence(finding).endswith((".", "<b>", "”."))
        assert "%(" not in probe_words.sentence(finding) + probe_words.advice(finding)
        assert str(sentence)
        assert str(advice) or check in Check


def test_what_the_code_can_find_is_in_the_table() -> None:
    import re
    from pathlib import Path

    source = "".join(path.read_text() for path in Path("ocr/probe").glob("*.py"))
    told = set(re.findall(r'(?:Finding|_found)\(\s*Check\.(\w+),\s*State\.\w+,\s*"(\w+)"', source))
    assert len(told) > 25
    known = {(check.name, kind) for check, kind in probe_words._WORDS} | {
        (c.name, k) for c in Check for k in ("depends",)
    }
    assert told <= known


def test_numbers_that_are_not_known_are_told_as_a_dash() -> None:
    finding = Finding(Check.PACE, State.OK, "tokens", {"seconds": 2, "tokens_in": 9, "tokens_out": None})
    assert probe_words.sentence(finding) == "One card takes 2 s, 9 tokens in and – out."


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    finding = Finding(Check.PACE, State.OK, "tokens", {"seconds": 2.5, "tokens_in": 1200, "tokens_out": 150})
    assert "2.5 s, 1,200 tokens in" in probe_words.sentence(finding)
    with translation.override("de"):
        assert "2,5 s, 1.200 Tokens" in probe_words.sentence(finding)
