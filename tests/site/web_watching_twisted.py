"""The web entry point, with Twisted's own form parser leaving a mark in a file when it runs."""

import os
import sys
from pathlib import Path
from typing import Any

from twisted.web import http

from cardocr_site import lifeline, web

parse = http._getMultiPartArgs


def marking(*args: Any, **kwargs: Any) -> Any:
    Path(os.environ["TWISTED_MARK"]).write_text("parsed")
    return parse(*args, **kwargs)


if __name__ == "__main__":
    lifeline.hold()
    http._getMultiPartArgs = marking
    if sys.argv[3:] == ["plain"]:
        web.replace_request = lambda: None  # daphne as it comes
    web.run(sys.argv[1], int(sys.argv[2]))
