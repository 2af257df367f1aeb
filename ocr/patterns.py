"""Patterns that people give, in a linear-time engine: none can hang a worker."""

from functools import lru_cache
from typing import Any

import re2

LONGEST = 200

_options = re2.Options()
_options.log_errors = False


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """The pattern, ready to match. Raises ValueError with a sentence for people."""
    if len(pattern) > LONGEST:
        raise ValueError(f"The pattern is longer than {LONGEST} characters.")
    try:
        return re2.compile(pattern, _options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"The pattern cannot be used: {said}.") from None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text is as the pattern says. A pattern that cannot be used holds nothing back."""
    try:
        return compiled(pattern).fullmatch(text) is not None
    except ValueError:
        return True
