"""LiteLLM's proxy: the gateway that houses put before their models."""

import csv
from collections import Counter

import pytest

from batches.models import Attempt
from batches.states import BatchStatus, PauseReason
from tests import vlm_server
from tests.servers.reading import all_read, over, paused, values
from tests.site.processes import PASSWORD, manage, with_tables
from tests.waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


def test_a_batch_is_read_right_to_its_last_card_each_asked_for_once(litellm, stub, start):
    batch = start(litellm, 40)
    all_read(batch)
    assert values(batch) == {f"{n}.jpg": (f"author {n}", f"title {n}") for n in range(40)}
    assert Counter(call.card for call in stub.calls) == dict.fromkeys(range(40), 1)
    batch.refresh_from_db()
    assert (batch.tokens_in, batch.tokens_out) == (40 * 1200, 40 * 150)


def test_what_the_proxy_passes_on_is_what_was_asked(litellm, stub, start):
    all_read(start(litellm, 1))
    (call,) = stub.calls
    assert call.payload["temperature"] == 0
    assert call.payload["response_format"]["json_schema"]["strict"] is True
    assert call.payload["max_tokens"] > 1000
    assert call.authorization == "Bearer key-of-the-stub", "the model's key is the proxy's affair"


def test_a_wrong_key_pauses_the_batch_and_costs_no_card(litellm, stub, start):
    batch = start(litellm, 12, key="sk-of-somebody-else")
    until(paused(batch, PauseReason.CREDENTIALS))
    batch.refresh_from_db()
    assert (batch.failed, batch.completed) == (0, 0)
    assert stub.calls == []


def test_a_key_refused_behind_the_proxy_pauses_the_batch(litellm, stub, start):
    stub.key = "another-key-entirely"
    batch = start(litellm, 12)
    until(paused(batch, PauseReason.CREDENTIALS))
    batch.refresh_from_db()
    assert batch.failed == 0
    assert "does not accept the key (401)" in batch.pause_message


def test_an_unpaid_bill_behind_the_proxy_pauses_the_batch(litellm, stub, start):
    stub.fail(lambda image: True, "402")
    batch = start(litellm, 12)
    until(paused(batch, PauseReason.CREDENTIALS))
    batch.refresh_from_db()
    assert batch.failed == 0


def test_a_storm_of_rate_limits_is_waited_out_and_is_no_try(litellm, stub, start):
    stub.fail(lambda image: True, "429", times=2)
    batch = start(litellm, 12)
    all_read(batch)
    assert set(batch.cards.values_list("tries", flat=True)) == {1}
    limited = Attempt.objects.filter(error="rate_limited")
    assert limited.count() >= 2
    assert not limited.filter(counted=True).exists()


def test_the_wait_that_the_model_asks_for_is_kept_though_the_proxy_renames_it(litellm, stub, start):
    stub.retry_after = "2"
    stub.fail(0, "429", times=1)
    all_read(start(litellm, 1))
    first, second = stub.calls
    assert second.started - first.finished >= 2


def test_what_fails_once_behind_the_proxy_is_asked_again(litellm, stub, start):
    stub.fail(5, "500", times=1)
    batch = start(litellm, 12)
    all_read(batch)
    assert values(batch)["5.jpg"] == ("author 5", "title 5")
    assert stub.calls_of(5) == 2


def test_a_card_that_always_fails_fails_alone(litellm, stub, start):
    stub.fail(5, "not_json")
    batch = start(litellm, 8)
    until(over(batch), 30)
    failed = batch.cards.get(status="failed")
    assert (failed.filename, failed.error) == ("5.jpg", "reply_invalid")
    batch.refresh_from_db()
    assert batch.completed == 7


def test_a_refused_format_is_stepped_down_from_and_remembered(litellm, stub, start):
    stub.refused_formats = {"json_schema"}
    batch = start(litellm, 12, max_in_flight=1)
    all_read(batch)
    assert len(stub.calls) <= 14, "in vain twice at most: once before the first answer, once after it"
    assert stub.calls[-1].payload["response_format"] == {"type": "json_object"}


def test_a_cut_off_answer_is_asked_for_with_more_room_then_without_thinking(litellm, stub, start):
    stub.fail(0, "truncated", times=2)
    batch = start(litellm, 1)
    all_read(batch)
    first, second, third = (call.payload for call in stub.calls)
    assert second["max_tokens"] == 2 * first["max_tokens"]
    assert "reasoning_effort" not in second
    assert (third["reasoning_effort"], third["chat_template_kwargs"]) == ("none", {"enable_thinking": False})
    batch.refresh_from_db()
    assert batch.tokens_in == 3 * 1200, "what was paid for on the way counts"


def test_a_model_that_the_proxy_does_not_know_pauses_the_batch(litellm, stub, start):
    batch = start(litellm, 12, model="no-such-model")
    until(paused(batch, PauseReason.CREDENTIALS))
    batch.refresh_from_db()
    assert batch.status == BatchStatus.PAUSED
    assert batch.failed == 0
    assert "no-such-model" in batch.pause_message


def test_the_command_line_reads_a_folder_through_it(litellm, stub, tmp_path):
    folder = tmp_path / "Drawer 12"
    folder.mkdir()
    for card in range(12):
        (folder / f"{card}.jpg").write_bytes(vlm_server.card_image(card, (160, 120)))
    engine = {
        "CARDOCR_VLM_URL": litellm.url,
        "CARDOCR_VLM_MODEL": litellm.model,
        "CARDOCR_VLM_API_KEY": litellm.key,
        "CARDOCR_ADMIN_PASSWORD": PASSWORD,
    }
    out = tmp_path / "out.csv"
    told = manage(
        with_tables(tmp_path / "data"), "extract", str(folder), "--fields", "Author,Title", "--out", str(out), **engine
    )
    assert told.returncode == 0, told.stderr
    with out.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["Author"], line["Title"]) for line in lines] == [(f"author {n}", f"title {n}") for n in range(12)]
    assert Counter(call.card for call in stub.calls) == dict.fromkeys(range(12), 1)
