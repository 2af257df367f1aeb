"""Through a real proxy and real TLS, both on 127.0.0.1."""

import contextlib
import datetime
import http.server
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ocr import addresses, errors
from ocr.addresses import Forbidden
from ocr.engines import transport
from ocr.engines.base import EngineConfig
from ocr.models import Engine

NAME = "vlm.example.org"


class _Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """A test reads what was seen."""

    def _say(self, text: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Endpoint(_Quiet):
    def do_GET(self) -> None:
        self._say(b"endpoint")


class Proxy(_Quiet):
    """Answers plain requests itself and connects CONNECT to the endpoint, whatever name was asked for."""

    seen: list[tuple[str, str]]
    target: tuple[str, int]

    def do_GET(self) -> None:
        self.seen.append(("GET", self.path))
        self._say(b"proxy")

    def do_CONNECT(self) -> None:
        self.seen.append(("CONNECT", self.path))
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(self.target) as far:
            pair = {self.connection: far, far: self.connection}
            while True:
                for ready in select.select(list(pair), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    pair[ready].sendall(data)


@contextlib.contextmanager
def serving(handler: type, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that has gone is nobody's error here."""

    with Server(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A certificate for the endpoint that nobody else has signed, in one file with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "house.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def endpoint(house: Path) -> Iterator[int]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(house)
    with serving(Endpoint, tls) as port:
        yield port


@pytest.fixture
def seen() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def proxy(endpoint: int, seen: list[tuple[str, str]]) -> Iterator[str]:
    with serving(type("Here", (Proxy,), {"seen": seen, "target": ("127.0.0.1", endpoint)})) as port:
        yield f"http://127.0.0.1:{port}"


def get(address: str, **config: Any) -> str:
    given = EngineConfig(kind="openai_compatible", name="e", timeout=10.0, **config)
    with httpx.Client(transport=transport.outbound(given)) as client:
        return client.get(address).text


def test_a_house_certificate_is_trusted_only_when_named(endpoint: int, house: Path) -> None:
    address, inside = f"https://127.0.0.1:{endpoint}/", ("127.0.0.1",)
    assert get(address, private_hosts=inside, ca_bundle=str(house)) == "endpoint"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        get(address, private_hosts=inside)


def test_tls_goes_through_the_proxy_by_name(proxy: str, house: Path, seen: list[tuple[str, str]]) -> None:
    assert get(f"https://{NAME}/v1", proxy=proxy, ca_bundle=str(house)) == "endpoint"
    assert seen == [("CONNECT", f"{NAME}:443")]


def test_a_plain_request_goes_through_the_proxy(proxy: str, seen: list[tuple[str, str]]) -> None:
    assert get(f"http://{NAME}/v1", proxy=proxy) == "proxy"
    assert seen == [("GET", f"http://{NAME}/v1")]


def test_a_host_in_the_house_is_called_directly(
    proxy: str, endpoint: int, house: Path, seen: list[tuple[str, str]]
) -> None:
    address = f"https://127.0.0.1:{endpoint}/"
    assert get(address, proxy=proxy, private_hosts=("127.0.0.1",), ca_bundle=str(house)) == "endpoint"
    assert seen == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.5", "127.1", "0x7f000001", "2130706433", "[::1]", "169.254.169.254", "localhost",
     "metadata.google.internal", "gpu-host", "printer.local"],
)  # fmt: skip
def test_nothing_in_the_house_is_asked_of_the_proxy(proxy: str, seen: list[tuple[str, str]], host: str) -> None:
    with pytest.raises(Forbidden):
        get(f"http://{host}/v1", proxy=proxy)
    assert seen == []


def test_a_network_in_the_house_is_the_house() -> None:
    assert addresses.in_the_house("10.0.0.5", ("10.0.0.0/8",))
    assert addresses.in_the_house("gpu-host", ("gpu-host",))
    assert not addresses.in_the_house(NAME)
    assert not addresses.in_the_house("93.184.216.34")


def test_a_file_without_certificates_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(errors.EngineMissing, match="file of certificates"):
        get("https://example.org", ca_bundle=str(tmp_path / "empty.pem"))


def test_an_unusable_proxy_is_told_without_its_password() -> None:
    with pytest.raises(errors.EngineMissing) as raised:
        get("https://example.org", proxy="ftp://user:canary@proxy")
    assert "address of the proxy" in str(raised.value)
    assert "canary" not in str(raised.value)
    assert "canary" not in repr(EngineConfig(kind="", name="", proxy="http://user:canary@proxy"))


def test_the_settings_reach_engines_outside(db: None, settings: Any) -> None:
    settings.OUTBOUND_PROXY, settings.CA_BUNDLE = "http://proxy:3128", "/house.pem"
    engine = Engine(name="e", kind="openai_compatible", place=Engine.Place.OUTSIDE)
    assert (engine.config().proxy, engine.config().ca_bundle) == ("http://proxy:3128", "/house.pem")
    engine.place = Engine.Place.INSIDE
    assert (engine.config().proxy, engine.config().ca_bundle) == ("", "/house.pem")
