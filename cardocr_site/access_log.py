"""A line for each answered request, and for each WebSocket that opens and closes. At level INFO.

The path alone, without what follows the question mark: people type there what stands on cards.
"""

import logging
from collections.abc import Mapping
from typing import Any

from cardocr_site import log_lines

_log = logging.getLogger("cardocr.access")
_DONE = {"connected": "opened", "disconnected": "closed", "rejected": "refused"}


def answered(request: Any, told: Mapping[str, Any]) -> None:
    """`request` is Twisted's, just finished; `told` what Django knows of it."""
    if not _log.isEnabledFor(logging.INFO):
        return
    line = {
        "client": str((request.client_addr or ["?"])[0]),
        **{name: value for name, value in told.items() if value},
        "method": request.method.decode("ascii", "replace"),
        "path": _path(request.uri.decode("latin1")),
        "status": request.code,
        "bytes": request.sentLength,
        "seconds": round(request.duration(), 3),
    }
    words = "%(method)s %(path)s %(status)s %(bytes)s bytes in %(seconds)s s for %(client)s"
    _log.info(words, line, extra={log_lines.TOLD: line})


def socket(protocol: str, action: str, details: Mapping[str, Any]) -> None:
    """Daphne's action logger; what it says of pages stands in `answered`."""
    if protocol == "websocket" and action in _DONE:
        line = {"path": _path(str(details["path"])), "client": str(details["client"] or "?").rpartition(":")[0]}
        _log.info("WebSocket %s %s for %s", line["path"], _DONE[action], line["client"], extra={log_lines.TOLD: line})


def _path(address: str) -> str:
    return address.partition("?")[0]
