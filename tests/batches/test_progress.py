from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from batches import progress
from batches.models import Batch
from batches.states import BatchStatus
from ocr.fields import FieldSpec, FieldType
from ocr.reading import Issue

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = int(NOON.timestamp()) // 60


def running(**fields):
    values = {"status": BatchStatus.RUNNING, "total": 300, "pending": 284, "completed": 16, "started_at": NOON}
    return Batch(**(values | fields))


def test_the_current_file_is_the_one_after_those_finished():
    seen = progress.of(running(), NOON)
    assert (seen.current, seen.percent, seen.message) == (17, 5, "File 17 of 300")


def test_while_a_batch_is_paused_no_file_is_the_current_one():
    paused = running(status=BatchStatus.PAUSED)
    assert progress.of(paused, NOON).message == "16 cards of 300"
    paused.pending, paused.processing = 283, 1
    assert progress.of(paused, NOON).message == "File 17 of 300", "one is still under way"


def test_current_never_exceeds_the_total():
    seen = progress.of(running(total=3, pending=0, completed=2, failed=1), NOON)
    assert (seen.current, seen.percent, seen.message) == (3, 100, "3 files")


def test_an_empty_draft_has_no_percent_no_pace_and_no_time():
    seen = progress.of(Batch(), NOON)
    assert (seen.percent, seen.current, seen.eta_seconds, seen.cards_per_minute) == (0, 0, None, None)
    assert (seen.elapsed_seconds, seen.time_left, seen.pace) == (0, "", "")


def test_no_time_left_is_told_before_five_cards():
    batch = running(total=10, pending=6, completed=4, pace=[[MINUTE, 4]])
    assert progress.of(batch, NOON + timedelta(seconds=30)).eta_seconds is None
    batch.completed, batch.pending, batch.pace = 5, 5, [[MINUTE, 5]]
    seen = progress.of(batch, NOON + timedelta(seconds=30))
    assert seen.cards_per_minute == pytest.approx(10)
    assert (seen.eta_seconds, seen.time_left) == (30, "less than a minute")


def test_the_time_left_is_what_remains_by_the_mean_of_three_minutes():
    pace = [[MINUTE, 100], [MINUTE + 1, 10], [MINUTE + 2, 20], [MINUTE + 3, 15]]
    batch = running(total=400, pending=90, completed=310, pace=pace)
    seen = progress.of(batch, NOON + timedelta(minutes=4))
    assert seen.cards_per_minute == pytest.approx(15)
    assert (seen.eta_seconds, seen.time_left, seen.pace) == (360, "about 6 minutes", "15 cards a minute")


def test_the_first_minute_counts_from_the_start():
    batch = running(started_at=NOON + timedelta(seconds=50), pace=[[MINUTE, 3], [MINUTE + 1, 5]])
    assert progress.of(batch, NOON + timedelta(seconds=70)).cards_per_minute == pytest.approx(24)


def test_minutes_without_a_card_are_taken_as_paused_save_for_the_present_one():
    batch = running(pace=[[MINUTE, 60], [MINUTE + 9, 60]])
    assert progress.of(batch, NOON + timedelta(minutes=10)).cards_per_minute == pytest.approx(60)
    assert progress.of(batch, NOON + timedelta(minutes=10, seconds=30)).cards_per_minute == pytest.approx(48)


def test_a_pause_in_its_first_minute_tells_no_pace():
    paused = running(status=BatchStatus.PAUSED, pace=[[MINUTE, 8]])
    assert progress.of(paused, NOON + timedelta(seconds=50)).pace == ""
    paused.pace = [[MINUTE, 8], [MINUTE + 1, 8]]
    assert progress.of(paused, NOON + timedelta(minutes=5)).pace == "8 cards a minute"


def test_calls_that_do_not_come_back_take_the_time_left_away():
    """Or a machine that slept: what was true before says nothing about now."""
    batch = running(pace=[[MINUTE, 60]], processing=4)
    assert progress.of(batch, NOON + timedelta(minutes=3)).cards_per_minute == pytest.approx(20)
    seen = progress.of(batch, NOON + timedelta(hours=8))
    assert (seen.cards_per_minute, seen.time_left, seen.pace) == (None, "", "")


def test_the_pace_of_a_slow_engine_is_the_mean_of_more_minutes():
    ring = [[MINUTE + n, n % 2] for n in range(10)]
    assert progress.of(running(pace=ring), NOON + timedelta(minutes=10)).cards_per_minute == pytest.approx(0.5)


def test_a_paused_batch_has_no_time_left():
    batch = running(status=BatchStatus.PAUSED, pace=[[MINUTE, 60]])
    assert progress.of(batch, NOON + timedelta(minutes=1)).eta_seconds is None


def test_a_finished_batch_has_the_pace_of_its_whole_run():
    over = {"status": BatchStatus.COMPLETED, "pending": 0, "completed": 290, "failed": 10}
    seen = progress.of(running(**over, finished_at=NOON + timedelta(minutes=10)), NOON + timedelta(days=1))
    assert seen.cards_per_minute == pytest.approx(30)
    assert seen.elapsed_seconds == 600


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "about 1 minute"),
        (360, "about 6 minutes"),
        (2 * 3600, "about 2 hours"),
        (72 * 3600, "about 3 days"),
    ],
)
def test_times_in_words(seconds, words):
    assert progress.time_in_words(seconds) == words


def test_a_slow_pace_is_told_by_the_hour():
    batch = running(pace=[[MINUTE, 1], [MINUTE + 1, 0], [MINUTE + 2, 0]])
    assert progress.of(batch, NOON + timedelta(minutes=3)).pace == "20 cards an hour"


def test_an_unknown_error_has_a_general_sentence():
    assert progress.error_sentence("from_the_future") == progress.error_sentence("error")


@pytest.mark.parametrize("issue", list(Issue))
def test_every_issue_has_a_sentence_that_names_the_field(issue):
    assert "Year" in progress.issue_sentence(str(issue), FieldSpec(key="year", label="Year"))


def test_a_value_of_another_kind_is_told_by_the_word_that_the_list_of_types_has():
    field = FieldSpec(key="place", label="Place", type=FieldType.COORDINATES)
    with translation.override("de"):
        assert progress.issue_sentence(Issue.TYPE, field).endswith("(Koordinaten).")


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("12", "USD", "$12.00"),
        ("1234.5", "EUR", "€1,234.50"),
        ("0.25", "USD", "$0.25"),
        ("0.0451", "USD", "$0.045"),
        ("0.0500", "USD", "$0.05"),
        ("0.0996", "USD", "$0.10"),
        ("0.0000004", "USD", "$0.00"),
        ("0.00071234", "USD", "$0.00071"),
        ("0", "CHF", "CHF 0.00"),
        ("3", "", "3.00"),
    ],
)
def test_money_says_as_many_digits_as_mean_something(amount, currency, told):
    assert progress.money(Decimal(amount), currency) == told


def test_a_sum_of_which_a_part_is_unknown_says_so():
    assert progress.money(Decimal(2), "USD", at_least=True) == "at least $2.00"
