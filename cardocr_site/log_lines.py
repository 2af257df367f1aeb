"""Lines of the log: as text for people, or one JSON object each for programs. By CARDOCR_LOG_FORMAT.

Names come from anywhere: no character of theirs ends a line, paints a terminal, or turns the direction of reading.
"""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.functional import LazyObject

from cardocr_site import log_context, request_ids
from cardocr_site.accounts import addresses
from cardocr_site.redaction import redacted

MORE = ("method", "path", "status", "bytes", "seconds", "client")  # of a line of the access log
TOLD = "told"  # of a record
_OF_THE_WAY = {"OperationalError", "InterfaceError"}

_IN_ADDRESS = re.compile(r"\b(batche|card|engine)s/[<{](?:\w+:)?(\w+)[>}]")
_NOUNS = {"batche": "batch", "card": "card", "engine": "engine"}
_log = logging.getLogger(__name__)


def of_request(request: HttpRequest | None) -> dict[str, object]:
    """Who asks, and about what; as far as it is known by now, without a look at the database."""
    if request is None:
        return {}
    told: dict[str, object] = {}
    user = vars(request).get("user")
    if isinstance(user, LazyObject):  # it would ask the database; what it has found stands beside it
        user = getattr(request, "_cached_user", None)
    if getattr(user, "pk", None) is not None:
        told["user"] = user.pk  # type: ignore[union-attr]
    match = request.resolver_match
    return told if match is None else told | of_address(match.route or "", match.kwargs)


def of_address(route: str, values: Mapping[str, Any]) -> dict[str, object]:
    """What a route's converters stand for."""
    found = ((_NOUNS[noun], values.get(name)) for noun, name in _IN_ADDRESS.findall(route))
    return {noun: _id(value) for noun, value in found if value is not None}


def _id(given: Any) -> object:
    """The API takes its ids as words."""
    return int(given) if isinstance(given, str) and re.fullmatch("[0-9]{1,18}", given) else given


class Told(logging.Filter):
    """Gives each line what is known where it is written: in its own thread, before any queue."""

    def filter(self, record: logging.LogRecord) -> bool:
        fields = dict(getattr(record, TOLD, {}))
        for name, value in {**of_request(addresses.asking()), **log_context.told()}.items():
            fields.setdefault(name, value)
        if request_ids.current() != request_ids.NONE:
            fields.setdefault("request", request_ids.current())
        record.told = fields
        return True


def plain(text: str) -> str:
    """On one line, whatever it holds: what does nothing but show stays as it is."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _shown(text: str) -> str:
    """Without keys, and without halves of characters, which no file takes."""
    return redacted(text).encode("utf-8", "backslashreplace").decode()


def is_outage(error: BaseException) -> bool:
    """A PostgreSQL that is gone, hangs, starts or stops, told by Django or by the driver itself.

    Of a connection that broke, the driver knows no SQLSTATE.
    """
    state = getattr(error if hasattr(error, "sqlstate") else error.__cause__, "sqlstate", "")
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & _OF_THE_WAY) and (state is None or state.startswith(("08", "57P")))


class _Line(logging.Formatter):
    def words(self, record: logging.LogRecord) -> str:
        try:
            return _shown(record.getMessage())
        except Exception:  # a library's placeholders that do not fit; the line is not lost for it
            return _shown(f"{record.msg} {record.args!r}")

    def time(self, record: logging.LogRecord) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"

    def trace(self, record: logging.LogRecord) -> str:
        """The traceback, or a stack that was asked for. An outage has every thread notice it again and again, and where
        it was noticed says nothing: the error alone.
        """
        parts = []
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            is_short = is_outage(error)
            parts = [f"{type(error).__name__}: {error}" if is_short else self.formatException(record.exc_info)]
        parts += [record.stack_info] if record.stack_info else []
        return _shown("\n".join(parts))


class TextLine(_Line):
    """What follows the first line is set in, so that none of it can pass for a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        told = dict(getattr(record, TOLD, {}))
        request = plain(str(told.pop("request", request_ids.NONE)))
        beside = "".join(f" {name}={plain(str(told[name]))}" for name in log_context.FIELDS if name in told)
        words = plain(self.words(record))
        head = f"{self.time(record)} {record.levelname} {record.name} [{request}{beside}]: {words}"
        return "\n  ".join([head, *map(plain, self.trace(record).splitlines())])


class JsonLine(_Line):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self.words(record),
        }
        told = getattr(record, TOLD, {})
        line |= {name: self._value(told[name]) for name in (*log_context.FIELDS, *MORE) if name in told}
        if record.exc_info and record.exc_info[0]:
            kind, error, _trace = record.exc_info
            line["exception"] = {"type": kind.__name__, "message": _shown(str(error)), "traceback": self.trace(record)}
        elif record.stack_info:
            line["stack"] = self.trace(record)
        return json.dumps(line)  # escapes leave nothing but ASCII

    def _value(self, value: object) -> object:
        return value if isinstance(value, int | float) else _shown(str(value))


def take_over() -> None:
    """What Python itself would write to stderr, past the log: warnings, and how a thread or the process ended."""
    logging.captureWarnings(True)

    def ended(thread: threading.ExceptHookArgs) -> None:
        if thread.exc_type is not SystemExit and thread.exc_value is not None:
            name = thread.thread.name if thread.thread else "?"
            _log.error("Thread %s ended.", name, exc_info=thread.exc_value)

    def crashed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            _log.critical("The process ended.", exc_info=(kind, error, trace))

    threading.excepthook, sys.excepthook = ended, crashed
