"""A small provider of OpenID Connect over loopback: code flow, PKCE, RS256; each answer can be made wrong."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.codes: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.wrong: dict[str, Any] = {}  # claims of the id_token that are other than they ought to be
        self.wrong_userinfo: dict[str, Any] = {}
        self.key = KEY

    def approve(self, asked: str, **person: Any) -> str:
        """What a browser does there: sign in as this person, and be sent back with a code. The address."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked).query).items()}
        assert asked.startswith(f"{self.issuer}/authorize?")
        assert (query["client_id"], query["response_type"]) == ("cardocr", "code")
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(12)
        self.codes[code] = query | {"person": person}
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        if (form["client_id"], form["client_secret"]) != ("cardocr", "of-the-tests"):
            return None
        access = secrets.token_urlsafe(12)
        self.tokens[access] = asked["person"]
        now = int(time.time())
        times = {"iat": now, "exp": now + 60}
        claims = {"iss": self.issuer, "aud": "cardocr", "sub": asked["person"]["sub"], "nonce": asked["nonce"], **times}
        signed = jwt.encode(claims | self.wrong, self.key, algorithm="RS256", headers={"kid": "1"})
        return {"access_token": access, "token_type": "Bearer", "id_token": signed}


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        provider, issuer = self.server, self.server.issuer
        if self.path == "/.well-known/openid-configuration":
            self.answer({"issuer": issuer} | {name: f"{issuer}/{path}" for name, path in PATHS.items()})
        elif self.path == "/jwks":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
            self.answer({"keys": [key | {"kid": "1", "alg": "RS256", "use": "sig"}]})
        elif self.path == "/userinfo":
            token = self.headers["Authorization"].removeprefix("Bearer ")
            self.answer(provider.tokens[token] | provider.wrong_userinfo)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        told = self.server.token({name: values[0] for name, values in parse_qs(body).items()})
        self.answer(told or {"error": "invalid_grant"}, 200 if told else 400)

    def answer(self, told: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


PATHS = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "userinfo_endpoint": "userinfo",
    "jwks_uri": "jwks",
}


@contextmanager
def running() -> Iterator[Provider]:
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()
