"""The probe of servers that others wrote: what it finds out is so."""

import pytest

from ocr import probe, probing
from ocr.probe.findings import Check, Report, State
from tests.servers.reading import all_read

pytestmark = pytest.mark.servers


def found(report: Report, *checks: Check) -> list[tuple[State, str]]:
    by_check = {finding.check: (finding.state, finding.kind) for finding in report.findings}
    return [by_check[check] for check in checks]


def test_through_litellm_a_model_is_found_to_do_all_that_the_stub_does(litellm, stub):
    report = probe.run(litellm.config())
    assert [finding.check for finding in report.findings if finding.state != State.OK] == []
    assert found(report, Check.KEY, Check.MODEL, Check.IMAGES, Check.FORMAT) == [
        (State.OK, "accepted"),
        (State.OK, "listed"),
        (State.OK, "seen"),
        (State.OK, "json_schema"),
    ]
    assert (report.tokens_in, report.tokens_out) == (1200, 150)
    assert report.calls == len(stub.calls)


def test_through_litellm_a_refused_format_is_found(litellm, stub):
    stub.refused_formats = {"json_schema"}
    report = probe.run(litellm.config())
    assert found(report, Check.FORMAT) == [(State.WARNING, "json_object")]
    assert report.works


@pytest.mark.django_db(transaction=True)
def test_a_batch_through_litellm_asks_for_nothing_that_the_probe_found_refused(litellm, stub, engine_of, begin):
    stub.refused_formats = {"json_schema"}
    engine = engine_of(litellm)
    probing.examine(engine)
    stub.calls.clear()
    engine.refresh_from_db()
    all_read(begin(engine, 6))
    assert [call.payload["response_format"] for call in stub.calls] == [{"type": "json_object"}] * 6


def test_through_litellm_a_wrong_key_is_found(litellm, stub):
    report = probe.run(litellm.config(key="sk-of-somebody-else"))
    assert found(report, Check.KEY, Check.IMAGES) == [(State.FAILED, "refused"), (State.NOT_ASKED, "depends")]
    assert stub.calls == []


def test_through_litellm_a_key_refused_behind_it_is_found(litellm, stub):
    stub.key = "another-key-entirely"
    assert found(probe.run(litellm.config()), Check.KEY) == [(State.FAILED, "refused")]


def test_through_litellm_a_model_that_is_not_there_is_found(litellm, stub):
    report = probe.run(litellm.config(model="no-such-model"))
    assert found(report, Check.REACHED, Check.MODEL) == [(State.OK, "answers"), (State.FAILED, "unknown")]
    assert stub.calls == []


def test_llmock_is_found_to_see_nothing_of_the_picture(llmock):
    report = probe.run(llmock.config())
    assert found(report, Check.MODEL, Check.ANSWERS, Check.IMAGES) == [
        (State.OK, "listed"),
        (State.OK, "answers"),
        (State.FAILED, "blind"),
    ]
    assert not report.works


def test_a_model_of_llama_cpp_that_sees_colours_alone_is_found_to_read_no_writing(llama_cpp):
    report = probe.run(llama_cpp.config())
    assert found(report, Check.KEY, Check.MODEL, Check.IMAGES) == [
        (State.OK, "accepted"),
        (State.OK, "listed"),
        (State.FAILED, "blind"),
    ]


def test_a_wrong_key_of_llama_cpp_is_found(llama_cpp):
    assert found(probe.run(llama_cpp.config(key="sk-of-somebody-else")), Check.KEY) == [(State.FAILED, "refused")]
