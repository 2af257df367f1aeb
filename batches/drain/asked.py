"""Which request asked for a batch last: its id stands in what this process logs of the reading.

Kept in memory alone. After a restart lines tell the batch, and the audit log who started it, with the request's id.
"""

from collections import OrderedDict
from threading import Lock

from cardocr_site import log_context

MOST = 1000
_lock = Lock()
_requests: OrderedDict[int, object] = OrderedDict()


def note(batch_id: int) -> None:
    """By the request that this thread works for, if it is known."""
    request = log_context.told().get("request")
    if request is None:
        return
    with _lock:
        _requests[batch_id] = request
        _requests.move_to_end(batch_id)
        if len(_requests) > MOST:
            _requests.popitem(last=False)


def by(batch_id: int) -> object:
    """None where nobody has asked this process."""
    with _lock:
        return _requests.get(batch_id)
