"""A chat-completions endpoint that costs little beside what is measured: `python -m benchmarks.stub`.

Prints its address, answers each card after a latency, and counts the calls of each image. GET /calls tells
{"total", "images", "repeated", "most_in_flight", "cpu"}; POST /reset forgets them. With `--fail-every 50` each
fiftieth call is answered with 503.
"""

import argparse
import asyncio
import json
import time
import zlib
from collections import Counter

ANSWER = {"author": "Linnaeus, Carl", "title": "Systema naturae", "shelfmark": "Q 17.3"}
_HEAD = "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"


class Stub:
    """What all connections share."""

    def __init__(self, latency: float, fail_every: int) -> None:
        self.latency = latency
        self._fail_every = fail_every
        self.reset()

    def reset(self) -> None:
        self._images: Counter[int] = Counter()
        self._total = self._in_flight = self._most = 0

    def begin(self, body: bytes) -> bytes:
        """Count the call; return the whole response."""
        start = body.find(b";base64,")
        card = zlib.crc32(memoryview(body)[start : body.find(b'"', start)])
        self._images[card] += 1
        self._total += 1
        self._in_flight += 1
        self._most = max(self._most, self._in_flight)
        if self._fail_every and self._total % self._fail_every == 0:
            return response(b'{"error": {"message": "Failing on purpose."}}', "503 Service Unavailable")
        return completion(card)

    def end(self) -> None:
        self._in_flight -= 1

    def counts(self) -> bytes:
        counts = {
            "total": self._total,
            "images": len(self._images),
            "repeated": sum(times - 1 for times in self._images.values()),
            "most_in_flight": self._most,
            "cpu": time.process_time(),
        }
        return response(json.dumps(counts).encode())


def response(body: bytes, status: str = "200 OK") -> bytes:
    return _HEAD.format(status=status, length=len(body)).encode() + body


def completion(card: int) -> bytes:
    """As an endpoint answers: the card's values with the confidence of each."""
    values = {key: f"{value} {card}" for key, value in ANSWER.items()}
    content = {name: said for key in values for name, said in ((key, values[key]), (f"{key}__confidence", 0.95))}
    message = {"role": "assistant", "content": json.dumps(content)}
    usage = {"prompt_tokens": 1200, "completion_tokens": 150, "total_tokens": 1350, "cost": 0.00039}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "bench", "object": "chat.completion", "model": "bench", "choices": [choice], "usage": usage}
    return response(json.dumps(body).encode())


class Connection(asyncio.Protocol):
    """One connection, kept alive: request after request, never two at once."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._pieces: list[bytes] = []
        self._missing = -1  # bytes until the request is whole; below 0: its length is not known yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._missing < 0:
            whole = b"".join(self._pieces)
            head, found, body = whole.partition(b"\r\n\r\n")
            if not found:
                self._pieces = [whole]
                return
            _before, _name, length = head.lower().partition(b"content-length:")
            self._missing = int(length.partition(b"\r\n")[0] or 0) - len(body)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            request, self._pieces, self._missing = b"".join(self._pieces), [], -1
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        if request.startswith(b"GET /calls"):
            self._transport.write(self._stub.counts())
        elif request.startswith(b"POST /reset"):
            self._stub.reset()
            self._transport.write(response(b"{}"))
        else:
            reply = self._stub.begin(request)
            asyncio.get_running_loop().call_later(self._stub.latency, self._send, reply)

    def _send(self, reply: bytes) -> None:
        self._stub.end()
        if not self._transport.is_closing():
            self._transport.write(reply)


async def serve(latency: float, fail_every: int, port: int) -> None:
    stub = Stub(latency, fail_every)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--fail-every", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.latency, arguments.fail_every, arguments.port))
