"""The test server itself: what other tests rely on."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from ocr import engines, errors, pipeline
from ocr.engines.base import EngineConfig, Prepared, ReadTask
from ocr.fields import FieldSpec
from ocr.reading import Reading
from tests import vlm_server

TASK = ReadTask((FieldSpec("author", "Author"), FieldSpec("year", "Year")))
FAILURES = {
    "not_json": errors.ReplyInvalid,
    "not_http_json": errors.ReplyInvalid,
    "wrong_fields": errors.ReplyInvalid,
    "empty": errors.ReplyEmpty,
    "refusal": errors.ReplyEmpty,
    "truncated": errors.ReplyTruncated,
    "400": errors.RequestRefused,
    "401": errors.CredentialsRefused,
    "402": errors.CredentialsRefused,
    "403": errors.CredentialsRefused,
    "404": errors.RequestRefused,
    "429": errors.RateLimited,
    "500": errors.EngineFailed,
    "503": errors.EngineFailed,
    "timeout": errors.EngineTimeout,
    "disconnect": errors.EngineUnreachable,
}

ASKED_AGAIN = {"not_json": 2, "wrong_fields": 2, "empty": 2, "refusal": 2, "truncated": 3}  # times in all


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running() as running:
        yield running


def read(config: EngineConfig, path: Path, data: bytes) -> Reading:
    path.write_bytes(data)
    engine = engines.build(config)
    try:
        return pipeline.read(Prepared(path, "image/jpeg", 600, 400), TASK, engine)
    finally:
        engine.close()


def values(reading: Reading) -> dict[str, str | None]:
    return {key: field.value for key, field in reading.fields.items()}


@pytest.mark.parametrize("number", [0, 1, 15, 16, 255, 256, 2048, 4095])
@pytest.mark.parametrize("quality", [50, 95])
def test_a_card_is_known_again_after_scaling_and_jpeg(number: int, quality: int) -> None:
    image = Image.open(io.BytesIO(vlm_server.card_image(number, (1500, 1000))))
    image.thumbnail((400, 400))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    assert vlm_server.number(Image.open(buffer)) == number


@pytest.mark.parametrize("mode", FAILURES)
def test_a_card_fails_in_its_mode_so_many_times_and_no_other_does(
    mode: str, server: vlm_server.Server, tmp_path: Path
) -> None:
    config = server.config(timeout=0.5)
    server.fail(9, mode, times=ASKED_AGAIN.get(mode, 1))
    assert values(read(config, tmp_path / "a", vlm_server.card_image(8))) == {"author": "author 8", "year": "year 8"}
    with pytest.raises(FAILURES[mode]) as raised:
        read(config, tmp_path / "a", vlm_server.card_image(9))
    assert type(raised.value) is FAILURES[mode]
    assert values(read(config, tmp_path / "a", vlm_server.card_image(9)))["author"] == "author 9"


@pytest.mark.parametrize("mode", ["fenced", "prose", "thinking"])
def test_wrapped_answers_are_read(mode: str, server: vlm_server.Server, tmp_path: Path) -> None:
    server.fail(9, mode)
    assert values(read(server.config(), tmp_path / "a", vlm_server.card_image(9)))["author"] == "author 9"


def test_nulls_and_numbers_harm_nothing(server: vlm_server.Server, tmp_path: Path) -> None:
    server.fail(1, "null_values")
    server.fail(2, "number_values")
    read_one = read(server.config(), tmp_path / "a", vlm_server.card_image(1))
    assert values(read_one) == {"author": None, "year": None}
    assert values(read(server.config(), tmp_path / "a", vlm_server.card_image(2))) == {"author": "2", "year": "2"}


def test_an_image_is_named_by_bytes_colour_or_predicate(server: vlm_server.Server, tmp_path: Path) -> None:
    data = vlm_server.card_image(3)
    for which in (data, "rgb(8,8,56)", lambda image: image.width == 600):
        server.heal()
        server.fail(which, "500")
        with pytest.raises(errors.EngineFailed):
            read(server.config(), tmp_path / "a", data)
    server.heal()
    server.fail(vlm_server.card_image(4), "500")
    assert read(server.config(), tmp_path / "a", data).fields
    with pytest.raises(ValueError, match="not one of"):
        server.fail(3, "sulk")


def test_the_values_are_given_by_the_test(server: vlm_server.Server, tmp_path: Path) -> None:
    server.answer({"author": "Author {number}", "year": 1981})
    assert values(read(server.config(), tmp_path / "a", vlm_server.card_image(3))) == {
        "author": "Author 3",
        "year": "1981",
    }


def test_a_wrong_key_is_refused(server: vlm_server.Server, tmp_path: Path) -> None:
    server.key = "right-key"
    with pytest.raises(errors.CredentialsRefused):
        read(server.config(key="wrong-key"), tmp_path / "a", vlm_server.card_image(3))
    assert read(server.config(key="right-key"), tmp_path / "a", vlm_server.card_image(3)).fields


def test_in_a_process_of_its_own_it_counts_and_obeys(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.vlm_server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            base = url.removesuffix("/v1")
            config = vlm_server.Server().config(address=url)

            def post(path: str, body: Any) -> int:
                return httpx.post(base + path, content=json.dumps(body), trust_env=False).status_code

            assert post("/fail", {"image": 5, "mode": "500", "times": 1}) == 200
            assert post("/answer", {"author": "A{number}"}) == 200
            assert post("/delay", {"seconds": 0.01}) == 200
            with pytest.raises(errors.EngineFailed):
                read(config, tmp_path / "a", vlm_server.card_image(5))
            assert values(read(config, tmp_path / "a", vlm_server.card_image(5)))["author"] == "A5"
            counts = httpx.get(base + "/calls", trust_env=False).json()
            assert (counts["total"], counts["images"], counts["in_flight"]) == (2, {"5": 2}, 0)
            assert post("/reset", {}) == 200
            assert httpx.get(base + "/calls", trust_env=False).json()["total"] == 0
            assert post("/nonsense", {}) == 404
            assert httpx.get(base + "/v1/models", trust_env=False).json()["data"][0]["id"] == "test-model"
            assert httpx.get(base + "/", trust_env=False).status_code == 404
        finally:
            process.terminate()
