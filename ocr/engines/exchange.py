"""One request to an endpoint and what it answered: with the key, by the ways out that are allowed, each with an end."""

import time
from collections.abc import Mapping
from contextlib import closing

import httpx

from ocr.addresses import Forbidden
from ocr.engines import deadlines, transport
from ocr.engines.answers import Response
from ocr.engines.base import EngineConfig
from ocr.errors import EngineMissing, EngineTimeout, EngineUnreachable, ReplyInvalid

LONGEST_BODY = 8_000_000  # bytes of a response
_COMPLETIONS = "/chat/completions"


def endpoint(address: str) -> httpx.URL:
    """The full address, from that or from the base address (`…/v1`). Raises EngineMissing."""
    if not address.strip():
        raise EngineMissing("This engine has no address yet.")
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL:
        raise EngineMissing("The address of this engine cannot be used.") from None
    path = url.path.rstrip("/")
    if path.endswith(_COMPLETIONS):
        return url.copy_with(path=path)
    return url.copy_with(path=f"{path or '/v1'}{_COMPLETIONS}")


class Exchange:
    """Thread-safe. Raises EngineMissing where the configuration cannot be used."""

    def __init__(self, config: EngineConfig, way_out: httpx.BaseTransport | None = None) -> None:
        self.config = config
        self.completions = endpoint(config.address)
        if not (config.key.isascii() and config.key.isprintable()):
            raise EngineMissing("The stored key has characters that no key has: enter it again.")
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "cardocr"}
        if config.key:
            self._headers["Authorization"] = f"Bearer {config.key}"
        # The transport alone: a client around it costs a quarter more for cookies and redirects that nobody wants.
        self._way_out = way_out or transport.outbound(config)

    def beside(self, name: str) -> httpx.URL:
        """The address of something else below the same base, like `models`."""
        return self.completions.copy_with(path=f"{self.completions.path.removesuffix(_COMPLETIONS)}/{name}")

    def at_root(self, path: str) -> httpx.URL:
        """An address of the same host, outside of the base."""
        return self.completions.copy_with(path=path, query=None)

    def get(self, url: httpx.URL, within: float) -> Response:
        """Raises ocr.errors.ExtractionError where no answer comes within so many seconds."""
        return self._send("GET", url, None, within)

    def post(self, body: bytes, within: float) -> Response:
        """Ask for a completion, in JSON. Raises ocr.errors.ExtractionError where no answer comes in so many seconds."""
        return self._send("POST", self.completions, body, within)

    def close(self) -> None:
        self._way_out.close()

    def _send(self, method: str, url: httpx.URL, content: bytes | None, within: float) -> Response:
        deadline = time.monotonic() + within
        headers = self._headers if content is None else {**self._headers, "Content-Type": "application/json"}
        timeout = httpx.Timeout(within, connect=min(transport.CONNECT_SECONDS, within))
        extensions = {"timeout": timeout.as_dict(), "trace": transport.Departure()}
        request = httpx.Request(method, url, content=content, headers=headers, extensions=extensions)
        try:
            with deadlines.by(deadline), closing(self._way_out.handle_request(request)) as response:
                text = self._without_key(_body(response, deadline).decode("utf-8", "replace"))
                return Response(response.status_code, _plain(response.headers), text)
        except Forbidden as error:
            raise EngineMissing(str(error)) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise EngineMissing("The address of this engine cannot be used.") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise EngineUnreachable(f"The endpoint cannot be reached: {self._why(error)}") from error
        except httpx.TimeoutException as error:
            raise EngineTimeout(f"No answer within {within:.0f} s.") from error
        except httpx.DecodingError as error:
            raise ReplyInvalid("The endpoint's answer is packed in a way that cannot be read.") from error
        except httpx.RequestError as error:
            raise EngineUnreachable(f"The connection broke: {self._why(error)}") from error

    def _why(self, error: httpx.RequestError) -> str:
        return self._without_key(str(error))[:300] or type(error).__name__

    def _without_key(self, text: str) -> str:
        """Endpoints like to repeat the key that they refuse."""
        return text.replace(self.config.key, "…") if len(self.config.key) >= 8 else text


def _body(response: httpx.Response, deadline: float) -> bytes:
    """The body, to its end, or no further than may be."""
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > LONGEST_BODY:
            raise ReplyInvalid(f"The endpoint's answer is longer than {LONGEST_BODY // 1_000_000} MB.")
        if time.monotonic() > deadline:
            raise EngineTimeout("The answer came too slowly.")
    return bytes(data)


def _plain(headers: httpx.Headers) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}
