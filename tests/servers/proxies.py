"""nginx and Caddy with the very files of deploy/: only names, ports and paths are other ones."""

import datetime
import ipaddress
import os
import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers import programs
from tests.site.processes import ROOT

DEPLOY = ROOT / "deploy"
NAME, APPLICATION = "cards.example.org", "127.0.0.1:8000"
PEOPLE = "127.0.0.2"  # where the tests call from: the proxy itself is trusted, and has another address

MAIN = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    {paths}
    types {{ text/html html; text/css css; application/json json; }}
    include {folder}/cardocr.conf;
}}
"""
PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Proxy:
    name: str
    folder: Path
    port: int
    plain: int  # the port without TLS

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))

    def client(self, **given: object) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=self.trust, local_address=PEOPLE)
        return httpx.Client(base_url=self.url, transport=transport, timeout=30, **given)  # type: ignore[arg-type]

    def log(self) -> str:
        return (self.folder / {"nginx": "access.log", "caddy": "server.log"}[self.name]).read_text()


def found(name: str) -> str | None:
    """Its path. None where it is not installed, which in CI it always is."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None and os.environ.get("CARDOCR_REQUIRE_SERVERS"):
        pytest.fail(f"{name} is not installed: make servers")
    return path


def certify(folder: Path) -> None:
    """A certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cardocr")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "fullchain.pem").write_bytes(made.public_bytes(pem))
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, kind, plain))


def nginx_files(proxy: Proxy, applications: list[int]) -> Path:
    text = (DEPLOY / "nginx.conf").read_text()
    server = f"server {APPLICATION} max_fails=1 fail_timeout=2s;"
    assert server in text
    text = text.replace(server, "\n".join(server.replace("8000", str(port)) for port in applications))
    text = "\n".join(line for line in text.splitlines() if "[::]" not in line)
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{proxy.plain};",
        "listen 443 ": f"listen 127.0.0.1:{proxy.port} ",
        "https://$server_name$": f"https://$server_name:{proxy.port}$",
        NAME: "127.0.0.1",
        "/etc/ssl/cardocr": str(proxy.folder),
        "/srv/cardocr": str(ROOT),
        "/var/log/nginx/cardocr.log": f"{proxy.folder}/access.log",
        "#closed": "",  # as whoever closes them
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    (proxy.folder / "cardocr.conf").write_text(text)
    paths = " ".join(f"{one}_temp_path {proxy.folder}/{one};" for one in PATHS)
    main = proxy.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    main.write_text(MAIN.format(folder=proxy.folder, paths=paths, user=user))
    return main


def caddy_files(proxy: Proxy, applications: list[int]) -> Path:
    text = (DEPLOY / "Caddyfile").read_text()
    certificate = f"tls {proxy.folder}/fullchain.pem {proxy.folder}/privkey.pem"
    for old, new in {
        f"{{$CARDOCR_NAME:{NAME}}} {{\n": f"https://127.0.0.1:{proxy.port} {{\n\t{certificate}\n",
        f"{{$CARDOCR_NAME:{NAME}}}": f"127.0.0.1:{proxy.port}",
        f"{{$CARDOCR_WEB:{APPLICATION}}}": " ".join(f"127.0.0.1:{port}" for port in applications),
        "/srv/cardocr": str(ROOT),
        "#closed": "",  # as whoever closes them
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    ours = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttp_port {proxy.plain}\n}}\n"
    main = proxy.folder / "Caddyfile"
    main.write_text(ours + text)
    return main


@contextmanager
def running(proxy: Proxy, applications: list[int]) -> Iterator[Proxy]:
    program = found(proxy.name)
    assert program is not None
    proxy.folder.mkdir(parents=True)
    certify(proxy.folder)
    if proxy.name == "nginx":
        command = [program, "-p", str(proxy.folder), "-c", str(nginx_files(proxy, applications))]
    else:
        command = [program, "run", "--adapter", "caddyfile", "--config", str(caddy_files(proxy, applications))]

    def answers() -> bool:
        try:
            with proxy.client() as client:
                return client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    with programs.running(command, proxy.folder, answers, {"XDG_DATA_HOME": str(proxy.folder)}):
        yield proxy
