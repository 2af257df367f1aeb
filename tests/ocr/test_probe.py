"""The probe against a real server whose model can more or less."""

import io
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from PIL import Image

from ocr import probe
from ocr.probe import drawn, endpoint
from ocr.probe.findings import Check, Report, State, Stopped
from tests import vlm_model, vlm_server

KEY = "sk-canary-0123456789"
AFTER_IMAGES = (Check.FORMAT, Check.TEMPERATURE, Check.LIMIT, Check.THINKING, Check.CONTEXT, Check.PACE, Check.TOGETHER)


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running() as server:
        yield server


def run(server: vlm_server.Server, **changes: Any) -> Report:
    """A probe that climbs no further than to two calls at a time, unless told otherwise."""
    report = probe.run(server.config(**({"max_in_flight": 1} | changes)))
    assert [finding.check for finding in report.findings] == list(Check)
    assert KEY not in repr(report)
    return report


def found(report: Report, check: Check) -> tuple[State, str]:
    finding = next(finding for finding in report.findings if finding.check == check)
    return finding.state, finding.kind


def facts(report: Report, check: Check) -> Mapping[str, Any]:
    return next(finding for finding in report.findings if finding.check == check).facts


def not_asked(report: Report) -> set[Check]:
    return {finding.check for finding in report.findings if finding.state == State.NOT_ASKED}


def test_a_good_endpoint_passes_everything_with_few_calls(server: vlm_server.Server) -> None:
    report = run(server)
    assert report.works
    assert {finding.state for finding in report.findings} == {State.OK}
    assert (report.tokens_in, report.tokens_out, report.together) == (1200, 150, 1)
    assert report.seconds is not None
    assert report.calls == len(server.calls) == 4
    assert report.profile is not None
    assert report.profile.formats == ("json_schema", "json_object", "")


def test_every_call_shows_another_code(server: vlm_server.Server) -> None:
    run(server)
    codes = [vlm_model.read_code(call.image) for call in server.calls]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("width", [endpoint.SMALL, 1600])
def test_what_is_drawn_can_be_read(width: int) -> None:
    for _ in range(5):
        card = drawn.card(width)
        image = Image.open(io.BytesIO(card.jpeg))
        assert (image.size, vlm_model.read_code(image)) == ((card.width, card.height), card.code)


def test_nobody_there_asks_nothing_more(server: vlm_server.Server) -> None:
    report = run(server, address="http://127.0.0.1:9/v1")
    assert found(report, Check.REACHED) == (State.FAILED, "unreachable")
    assert not_asked(report) == set(Check) - {Check.REACHED}
    assert (report.calls, report.profile, report.works) == (0, None, False)


@pytest.mark.parametrize("changes", [{"address": ""}, {"key": "schlüssel-schlüssel"}, {"private_hosts": ()}])
def test_an_engine_that_is_not_set_up_says_so(server: vlm_server.Server, changes: dict[str, Any]) -> None:
    report = run(server, **changes)
    assert found(report, Check.REACHED) == (State.FAILED, "unusable")
    assert server.calls == []


def test_a_refused_key_is_found_at_the_first_call(server: vlm_server.Server) -> None:
    server.key = "sk-the-right-one"
    report = run(server, key=KEY)
    assert found(report, Check.REACHED) == (State.OK, "answers")
    assert found(report, Check.KEY) == (State.FAILED, "refused")
    assert not_asked(report) == {Check.MODEL, Check.ANSWERS, Check.IMAGES, *AFTER_IMAGES}
    assert report.calls == 1


def test_a_key_that_nobody_has_stored_is_not_called_wrong(server: vlm_server.Server) -> None:
    server.key = "sk-the-right-one"
    assert found(run(server, key=""), Check.KEY) == (State.FAILED, "wanted")


@pytest.mark.parametrize(("mode", "kind"), [("402", "unpaid"), ("403", "forbidden")])
def test_an_unpaid_bill_is_no_wrong_key(server: vlm_server.Server, mode: str, kind: str) -> None:
    server.fail(lambda _image: True, mode)
    assert found(run(server, key=KEY), Check.KEY) == (State.FAILED, kind)


def test_the_key_is_told_to_be_needed_or_not(server: vlm_server.Server) -> None:
    assert found(run(server), Check.KEY) == (State.OK, "not_needed")
    server.key = KEY
    assert found(run(server, key=KEY), Check.KEY) == (State.OK, "accepted")


def test_a_model_that_is_not_listed_is_a_warning_with_names_to_choose_from(server: vlm_server.Server) -> None:
    server.models = [{"id": "plain"}, {"id": "llava-13b"}]
    report = run(server)
    assert found(report, Check.MODEL) == (State.WARNING, "not_listed")
    assert facts(report, Check.MODEL)["offered"] == "llava-13b"
    assert report.works


def test_ollamas_latest_is_the_same_model(server: vlm_server.Server) -> None:
    server.models = [{"id": "test-model:latest"}]
    assert found(run(server), Check.MODEL) == (State.OK, "listed")


def test_an_unknown_model_ends_the_test(server: vlm_server.Server) -> None:
    server.model.known_as = "another"
    report = run(server)
    assert found(report, Check.MODEL) == (State.FAILED, "unknown")
    assert "does not exist" in facts(report, Check.MODEL)["said"]
    assert report.calls == 1


def test_a_model_that_sees_nothing_is_found_out(server: vlm_server.Server) -> None:
    server.model.sees = False
    report = run(server)
    assert found(report, Check.IMAGES) == (State.FAILED, "blind")
    assert facts(report, Check.IMAGES)["read"] == "AAAAAA"
    assert not_asked(report) == set(AFTER_IMAGES)
    assert (report.works, report.profile) == (False, None)


def test_one_sign_misread_is_seen_all_the_same() -> None:
    assert drawn.is_seen("K7P4M9", "k7 p4 MX")
    assert not drawn.is_seen("K7P4M9", "K7PXXX")
    assert not drawn.is_seen("K7P4M9", None)
    assert drawn.is_right("K7P4M9", "k7p4m9")
    assert not drawn.is_right("K7P4M9", "K7P4M")


@pytest.mark.parametrize(
    ("refused", "kind", "state", "formats"),
    [
        ({"json_schema"}, "json_object", State.WARNING, ("json_object", "")),
        ({"json_object"}, "json_schema", State.OK, ("json_schema", "")),
        ({"json_schema", "json_object"}, "prompt", State.WARNING, ("",)),
    ],
)
def test_the_forms_that_are_refused_are_not_asked_for_again(
    server: vlm_server.Server, refused: set[str], kind: str, state: State, formats: tuple[str, ...]
) -> None:
    server.refused_formats = refused
    report = run(server)
    assert found(report, Check.FORMAT) == (state, kind)
    assert report.profile is not None
    assert report.profile.formats == formats
    assert report.works


def test_a_form_that_is_taken_and_not_kept_to_does_not_count(server: vlm_server.Server) -> None:
    server.model.ignores_formats = True
    report = run(server)
    assert found(report, Check.FORMAT) == (State.WARNING, "prompt")
    assert facts(report, Check.FORMAT)["json_schema"] == "ignored"
    assert report.profile is not None
    assert report.profile.formats == ("",)


def test_a_refused_temperature_is_left_out(server: vlm_server.Server) -> None:
    server.model.refused = {"temperature"}
    report = run(server)
    assert found(report, Check.TEMPERATURE) == (State.WARNING, "left_out")
    assert report.profile is not None
    assert not report.profile.temperature
    assert report.works


def test_the_name_of_the_limit_is_found(server: vlm_server.Server) -> None:
    server.model.refused = {"max_tokens"}
    report = run(server)
    assert facts(report, Check.LIMIT) == {"name": "max_completion_tokens"}
    assert report.profile is not None
    assert report.profile.tokens_name == "max_completion_tokens"


def test_thinking_is_turned_off_where_that_is_possible(server: vlm_server.Server) -> None:
    server.model.thinks = True
    report = run(server)
    assert found(report, Check.THINKING) == (State.OK, "turned_off")
    assert report.profile is not None
    assert not report.profile.thinking
    assert not server.model.is_thinking(server.calls[-1].payload)


def test_thinking_that_stays_on_is_a_warning(server: vlm_server.Server) -> None:
    server.model.thinks, server.model.can_be_quiet = True, False
    report = run(server)
    assert found(report, Check.THINKING) == (State.WARNING, "stays_on")
    assert facts(report, Check.THINKING)["tokens"] == 900
    assert report.profile is not None
    assert report.profile.thinking


def test_a_context_that_is_too_small_fails(server: vlm_server.Server) -> None:
    server.model.context = 1300
    report = run(server)
    assert found(report, Check.CONTEXT) == (State.FAILED, "too_small")
    assert "maximum context length" in facts(report, Check.CONTEXT)["said"]
    assert not_asked(report) == {Check.PACE, Check.TOGETHER}


def test_a_card_that_is_too_large_is_made_smaller_and_that_is_kept(server: vlm_server.Server) -> None:
    server.model.most_px = 1000
    report = run(server, max_in_flight=2)
    assert found(report, Check.CONTEXT) == (State.WARNING, "reduced")
    assert report.profile is not None
    assert report.profile.image_px == facts(report, Check.CONTEXT)["px"] == 900
    assert max(server.calls[-1].image.size) == 900
    assert report.works


def test_a_card_that_would_not_be_legible_is_not_sent(server: vlm_server.Server) -> None:
    server.model.most_px = 600
    report = run(server)
    assert found(report, Check.CONTEXT) == (State.FAILED, "too_small")
    assert [max(call.image.size) for call in server.calls[3:]] == [1600, 1200, 900, 768]


def test_a_model_that_takes_no_pictures_is_told_as_that(server: vlm_server.Server) -> None:
    server.model.refused = {"messages"}
    server.model.words = "This model does not support image input."
    report = run(server)
    assert found(report, Check.IMAGES) == (State.FAILED, "refused")
    assert not report.works


def test_a_context_that_is_tight_is_a_warning(server: vlm_server.Server) -> None:
    server.models = [{"id": "test-model", "max_model_len": 2048}]
    report = run(server)
    assert found(report, Check.CONTEXT) == (State.WARNING, "tight")
    assert facts(report, Check.CONTEXT)["context"] == 2048
    assert report.works


def test_calls_side_by_side_climb_as_long_as_it_gets_faster(server: vlm_server.Server) -> None:
    server.delay = 1.0
    report = run(server, max_in_flight=4)
    assert found(report, Check.TOGETHER) == (State.OK, "all_tried")
    assert (report.together, report.no_more) == (4, False)
    assert server.most_in_flight == 4


def test_a_server_that_reads_one_card_at_a_time_is_asked_for_one(server: vlm_server.Server) -> None:
    server.delay, server.model.one_after_the_other = 1.0, True
    report = run(server, max_in_flight=8)
    assert found(report, Check.TOGETHER) == (State.OK, "no_faster")
    assert (report.together, report.no_more) == (1, True)
    assert server.most_in_flight == 2


def test_it_stops_where_the_endpoint_turns_calls_away(server: vlm_server.Server) -> None:
    server.delay, server.model.at_once = 1.0, 2
    report = run(server, max_in_flight=8)
    assert found(report, Check.TOGETHER) == (State.WARNING, "turned_away")
    assert (report.together, report.no_more, facts(report, Check.TOGETHER)["at"]) == (2, True, 4)
    assert report.works


def test_a_rate_limit_at_the_first_call_is_waited_for(server: vlm_server.Server) -> None:
    server.retry_after = "0.1"
    server.fail(lambda _image: True, "429", times=2)
    assert run(server).works


def test_a_model_that_is_being_loaded_is_waited_for_as_long_as_it_may_take(server: vlm_server.Server) -> None:
    server.model.loading = 5
    server.retry_after = "0"
    report = probe.run(server.config(max_in_flight=1), patience=60)
    assert report.works
    assert report.calls == 5 + 4


def test_a_rate_limit_that_stays_is_told(server: vlm_server.Server) -> None:
    server.retry_after = "0"
    server.fail(lambda _image: True, "429")
    report = run(server)
    assert found(report, Check.ANSWERS) == (State.FAILED, "turned_away")
    assert report.calls == 3


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("500", "refused"), ("400", "refused"), ("not_http_json", "no_completion"), ("disconnect", "no_answer")],
)
def test_an_endpoint_that_gives_no_answer_is_told_as_that(server: vlm_server.Server, mode: str, kind: str) -> None:
    server.fail(lambda _image: True, mode)
    report = run(server)
    assert found(report, Check.ANSWERS) == (State.FAILED, kind)
    assert not report.works


def test_a_call_has_a_deadline(server: vlm_server.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.fail(lambda _image: True, "timeout")
    report = probe.run(server.config(timeout=0.3, max_in_flight=1), patience=0.3)
    assert found(report, Check.ANSWERS) == (State.FAILED, "no_answer")


def test_the_first_call_is_waited_for_longer(server: vlm_server.Server) -> None:
    server.delay = 0.6
    assert found(probe.run(server.config(timeout=0.3), patience=5), Check.ANSWERS)[0] == State.OK


def test_no_test_goes_on_for_ever(server: vlm_server.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MOST_CALLS", 3)
    report = run(server, max_in_flight=8)
    assert report.calls == 3
    assert not_asked(report) >= {Check.CONTEXT, Check.TOGETHER}
    assert found(report, Check.TOGETHER)[1] == "no_time"


def test_it_stops_where_the_process_ends(server: vlm_server.Server) -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Stopped):
        probe.run(server.config(), is_stopped=stopping.is_set)
    assert server.calls == []


def test_an_odd_list_of_models_does_not_end_the_test(server: vlm_server.Server) -> None:
    server.models = [{"no": "id"}, 7, None]  # type: ignore[list-item]
    report = run(server)
    assert found(report, Check.MODEL) == (State.NOT_ASKED, "no_list")
    assert report.works


def test_the_engine_on_this_machine_reads_what_was_drawn() -> None:
    report = probe.run(vlm_server.Server().config(kind="local"))
    assert report.works
    assert report.seconds is None  # the drawn card is easier than others
    assert [(finding.check, finding.state) for finding in report.findings] == [
        (Check.REACHED, State.OK),
        (Check.IMAGES, State.OK),
        (Check.PACE, State.OK),
        (Check.TOGETHER, State.OK),
    ]
