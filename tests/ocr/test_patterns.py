import time

import pytest

from ocr import patterns


def test_a_pattern_must_fit_the_whole_text() -> None:
    assert patterns.matches(r"\d{4}", "2024")
    assert not patterns.matches(r"\d{4}", "2024a")


@pytest.mark.parametrize("pattern", ["(", "a{2000}", r"(?<=a)b", r"(a)\1", "x" * 201, "[z-a]"])
def test_a_pattern_that_cannot_be_used_says_so(pattern: str) -> None:
    with pytest.raises(ValueError, match="The pattern"):
        patterns.compiled(pattern)
    assert patterns.matches(pattern, "anything")


def test_no_pattern_hangs() -> None:
    started = time.thread_time()
    assert not patterns.matches(r"(a+)+$", "a" * 100_000 + "b")
    assert time.thread_time() - started < 2
