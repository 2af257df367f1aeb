from collections.abc import Iterator

import httpcore
import pytest

from ocr.engines.connections import Pool

HERE, THERE = httpcore.URL("http://127.0.0.1:1/v1"), httpcore.URL("http://127.0.0.1:2/v1")


class Body:
    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        yield b"whole"
        self._connection.state = "idle"

    def close(self) -> None:
        if self._connection.state == "busy":  # as httpcore does: what is left of it would be taken for the next answer
            self._connection.state = "closed"


class Connection(httpcore.ConnectionInterface):
    """Answers everything; one request at a time."""

    def __init__(self, origin: httpcore.Origin) -> None:
        self.origin = origin
        self.state = "new"
        self.expired = self.broken = False

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        assert self.state in {"new", "idle"}
        if self.broken:
            self.state = "closed"
            raise httpcore.ReadError("broken")
        self.state = "busy"
        return httpcore.Response(200, content=Body(self))

    def is_idle(self) -> bool:
        return self.state == "idle"

    def has_expired(self) -> bool:
        return self.expired

    def close(self) -> None:
        self.state = "closed"


class Made:
    """A pool, and every connection that it has made."""

    def __init__(self, most_idle: int = 8) -> None:
        self.all: list[Connection] = []
        self.pool = Pool(self._make, most_idle)

    def _make(self, origin: httpcore.Origin) -> Connection:
        self.all.append(Connection(origin))
        return self.all[-1]

    def ask(self, url: httpcore.URL = HERE) -> httpcore.Response:
        return self.pool.handle_request(httpcore.Request("POST", url))

    def asked(self, number: int) -> None:
        """So many at a time, and all of them answered."""
        for response in [self.ask() for _ in range(number)]:
            response.read()
            response.close()

    @property
    def states(self) -> list[str]:
        return [connection.state for connection in self.all]


@pytest.fixture
def made() -> Made:
    return Made()


def test_a_connection_is_used_again(made: Made) -> None:
    made.asked(1)
    made.asked(1)
    assert made.states == ["idle"]


def test_requests_at_the_same_time_have_a_connection_each(made: Made) -> None:
    made.asked(3)
    made.asked(3)
    assert made.states == ["idle"] * 3


def test_each_host_has_its_own(made: Made) -> None:
    made.asked(1)
    made.ask(THERE)
    assert [connection.origin.port for connection in made.all] == [1, 2]


def test_one_that_the_server_has_closed_is_not_used(made: Made) -> None:
    made.asked(1)
    made.all[0].expired = True
    made.asked(1)
    assert made.states == ["closed", "idle"]


def test_one_that_nobody_needs_any_more_is_closed(made: Made) -> None:
    made.asked(2)
    made.all[0].expired = True  # the one used last goes first, this one would wait for ever
    made.asked(1)
    assert made.states == ["closed", "idle"]


def test_no_more_than_so_many_wait() -> None:
    made = Made(most_idle=2)
    made.asked(3)
    assert sorted(made.states) == ["closed", "idle", "idle"]


def test_one_whose_answer_was_not_read_to_its_end_is_not_used_again(made: Made) -> None:
    made.ask().close()
    made.asked(1)
    assert made.states == ["closed", "idle"]


def test_one_that_broke_is_not_used_again(made: Made) -> None:
    made.asked(1)
    made.all[0].broken = True
    with pytest.raises(httpcore.ReadError):
        made.ask()
    made.asked(1)
    assert made.states == ["closed", "idle"]


def test_closing_closes_those_that_wait_and_later_the_others(made: Made) -> None:
    made.asked(2)
    busy = made.ask()
    made.pool.close()
    assert sorted(made.states) == ["busy", "closed"]
    busy.read()
    busy.close()
    assert made.states == ["closed"] * 2
