"""A program that follows a batch by its stream, from one web host to the next when one does not answer."""

import json
import threading
import time
from itertools import cycle
from typing import Any

import httpx


class Follower(threading.Thread):
    def __init__(self, urls: list[str], batch_id: int, token: str) -> None:
        super().__init__(daemon=True)
        self._urls, self._batch_id, self._token = cycle(urls), batch_id, token
        self._last = ""
        self.results: list[dict[str, Any]] = []
        self.breaks = 0
        self.start()

    def run(self) -> None:
        while self._last.partition(".")[2] != "done":
            try:
                self._follow(next(self._urls))
            except httpx.HTTPError:
                self.breaks += 1
                time.sleep(0.5)

    def _follow(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Last-Event-ID": self._last} if self._last else {})
        address = f"{url}/api/v1/batches/{self._batch_id}/progress"
        with httpx.stream("GET", address, headers=headers, timeout=httpx.Timeout(5, read=35)) as answer:
            answer.raise_for_status()
            event = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "id":
                    self._last = value
                elif name == "data" and event == "result":
                    self.results.append(json.loads(value))
