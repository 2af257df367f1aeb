from decimal import Decimal

import httpx
import pytest

from ocr import errors
from ocr.pricing import Prices, may_cost
from ocr.reading import Usage

PRICES = Prices(tokens_in=Decimal("0.20"), tokens_out=Decimal("0.60"), cached=Decimal("0.05"))


def test_tokens_cost_what_the_engine_says_for_a_million():
    assert PRICES.of(Usage(1_000, 200)) == Decimal("0.000320")


def test_cached_tokens_are_among_those_in_and_cost_their_own_price():
    assert PRICES.of(Usage(1_000, 0, tokens_cached=600)) == Decimal("0.000110")


def test_cached_tokens_without_a_price_of_their_own_cost_the_full_one():
    prices = Prices(tokens_in=Decimal("0.20"), tokens_out=Decimal("0.60"))
    assert prices.of(Usage(1_000, 0, tokens_cached=600)) == Decimal("0.000200")


def test_thinking_tokens_are_among_those_out_and_not_paid_twice():
    assert PRICES.of(Usage(0, 1_000, tokens_thinking=900)) == Decimal("0.000600")


def test_the_endpoints_own_figure_wins():
    assert PRICES.of(Usage(1_000, 200, cost=Decimal("0.0123456789"))) == Decimal("0.012346")


def test_an_endpoint_that_says_it_was_free_is_believed():
    assert PRICES.of(Usage(1_000, 200, cost=Decimal(0))) == 0


@pytest.mark.parametrize("told", ["-1", "1e30"])
def test_a_figure_that_is_no_price_is_not_taken(told):
    assert Prices().of(Usage(1_000, 200, cost=Decimal(told))) is None
    assert PRICES.of(Usage(1_000, 200, cost=Decimal(told))) == Decimal("0.000320")


def test_tokens_without_end_have_no_price():
    assert PRICES.of(Usage(10**15, 10**15)) is None


@pytest.mark.parametrize("usage", [Usage(), Usage(1_000, None), Usage(None, 200)])
def test_without_tokens_the_cost_is_unknown_and_not_nothing(usage):
    assert PRICES.of(usage) is None


@pytest.mark.parametrize("prices", [Prices(), Prices(tokens_in=Decimal(1)), Prices(tokens_out=Decimal(1))])
def test_without_prices_the_cost_is_unknown_and_not_nothing(prices):
    assert prices.of(Usage(1_000, 200)) is None
    assert not prices.known


def test_prices_of_nothing_are_known():
    prices = Prices(tokens_in=Decimal(0), tokens_out=Decimal(0))
    assert prices.known
    assert prices.of(Usage(1_000, 200)) == 0


def test_more_cached_tokens_than_tokens_never_give_money_back():
    assert PRICES.of(Usage(100, 0, tokens_cached=5_000)) == Decimal("0.000005")


def test_what_is_read_on_this_machine_costs_nothing():
    assert Prices(free=True).of(Usage()) == 0


@pytest.mark.parametrize("kind", [errors.RateLimited, errors.CredentialsRefused, errors.RequestRefused])
def test_a_call_that_was_turned_away_costs_nothing(kind):
    assert not may_cost(kind())


@pytest.mark.parametrize("kind", [errors.RateLimited, errors.CredentialsRefused, errors.EngineUnreachable])
@pytest.mark.parametrize("usage", [Usage(1_000, 200), Usage(cost=Decimal("0.01"))])
def test_one_that_was_turned_away_after_a_reply_was_paid_for_has_cost_that(kind, usage):
    assert may_cost(kind(usage=usage))


def test_a_call_that_found_nobody_costs_nothing():
    error = errors.EngineUnreachable()
    error.__cause__ = httpx.ConnectError("refused")
    assert not may_cost(error)


@pytest.mark.parametrize("error", [None, errors.EngineTimeout(), errors.ReplyInvalid(), errors.EngineUnreachable()])
def test_a_call_that_may_have_been_answered_may_cost(error):
    assert may_cost(error)
