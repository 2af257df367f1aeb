"""A real `manage.py serve` as programs meet it: its engine is the stub, and one batch has been read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests import vlm_server
from tests.site.processes import PASSWORD, serve
from tests.waiting import until

FIELDS = [{"label": "Author"}, {"label": "Title"}]


@dataclass(frozen=True)
class Site:
    """`http` is signed in by `token`, an administrator's."""

    url: str
    token: str
    http: httpx.Client
    stub: vlm_server.Server
    data: Path

    def call(self, method: str, path: str, **sent: Any) -> Any:
        """What stands in `data` of the answer."""
        answer = self.http.request(method, path, **sent)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def read(self, name: str, cards: int) -> int:
        """The id of a batch of drawn cards that has been read."""
        batch = self.call("POST", "/batches", json={"name": name, "fields": FIELDS, "options": {"rotation": 0}})["id"]
        files = [("files", (f"{n}.jpg", vlm_server.card_image(n, (160, 120)))) for n in range(cards)]
        assert len(self.call("POST", f"/batches/{batch}/images", files=files)["added"]) == cards
        self.call("POST", f"/batches/{batch}/start", json={"confirm": True})
        until(lambda: self.call("GET", f"/batches/{batch}/status")["status"] == "completed", 60, every=0.1)
        return int(batch)


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    with vlm_server.running() as stub:
        engine = {"CARDOCR_VLM_URL": stub.url, "CARDOCR_VLM_MODEL": "test-model"}
        engine |= {f"CARDOCR_RATE_{kind}": "0" for kind in ("SIGN_INS", "UPLOADS", "STARTS", "REQUESTS")}
        with serve(folder, **engine) as serving:
            address = f"{serving.url}/api/v1"
            signed_in = httpx.post(
                f"{address}/auth/login", json={"username": "admin", "password": PASSWORD}, timeout=30
            )
            token = signed_in.json()["data"]["token"]
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as http:
                yield Site(serving.url, token, http, stub, serving.data)
