"""What a person would write instead: read the file, post it, parse the answer. No database, nothing kept."""

import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx


def read_all(paths: Sequence[Path], url: str, prompt: str, response_format: dict[str, Any], workers: int) -> None:
    """One shared client, as many threads as workers."""
    body = {"model": "bench", "max_tokens": 4096, "temperature": 0, "response_format": response_format}
    with httpx.Client(timeout=60, limits=httpx.Limits(max_connections=None)) as client:

        def ask(path: Path) -> dict[str, Any]:
            image = base64.b64encode(path.read_bytes()).decode()
            content = [
                {"type": "text", "text": prompt},
                {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{image}"}},
            ]
            request = body | {"messages": [{"role": "user", "content": content}]}
            answer = client.post(f"{url}/chat/completions", json=request).raise_for_status().json()
            values: dict[str, Any] = json.loads(answer["choices"][0]["message"]["content"])
            return values

        with ThreadPoolExecutor(workers) as threads:
            readings = list(threads.map(ask, paths))
    assert all(readings), "the endpoint answers every card"
