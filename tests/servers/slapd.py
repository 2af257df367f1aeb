"""A real directory: OpenLDAP's server, on ports and in a folder of its own."""

import datetime
import ipaddress
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import programs
from tests.site.processes import ROOT, free_port

BASE = "dc=example,dc=org"
PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"
ROOT_DN, READER = f"cn=root,{BASE}", f"cn=reader,{BASE}"
ROOT_PASSWORD, READER_PASSWORD = "root-of-the-tests", "reader-of-the-tests"  # they are in no log: see the tests
INGRID = "ingrid’s own password"

# Binds without a password are let through by the server here: it is ours that must never send one.
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
allow bind_anon_dn
TLSCertificateFile {folder}/certificate.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{base}"
rootdn "{root}"
rootpw "{password}"
directory {folder}/rows
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""


def person(name: str, password: str, **more: str) -> dict[str, Any]:
    names = {"uid": name, "cn": name, "sn": "Solberg"}
    return {"objectClass": ["inetOrgPerson"], "userPassword": password, **names, **more}


ENTRIES: dict[str, dict[str, Any]] = {
    BASE: {"objectClass": ["dcObject", "organization"], "dc": "example", "o": "Example"},
    PEOPLE: {"objectClass": ["organizationalUnit"], "ou": "people"},
    GROUPS: {"objectClass": ["organizationalUnit"], "ou": "groups"},
    READER: {"objectClass": ["organizationalRole", "simpleSecurityObject"], "userPassword": READER_PASSWORD},
    f"uid=ingrid,{PEOPLE}": person("ingrid", INGRID, givenName="Ingrid", mail="ingrid@example.org"),
    f"uid=magnus,{PEOPLE}": person("magnus", "magnus’s own password"),
    f"cn=cataloguers,{GROUPS}": {"objectClass": ["groupOfNames"], "member": f"uid=ingrid,{PEOPLE}"},
    f"cn=library,{GROUPS}": {
        "objectClass": ["groupOfNames"],
        "member": [f"uid=ingrid,{PEOPLE}", f"uid=magnus,{PEOPLE}"],
    },
    f"cn=choir,{GROUPS}": {"objectClass": ["groupOfUniqueNames"], "uniqueMember": f"uid=ingrid,{PEOPLE}"},
    f"cn=drawers,{GROUPS}": {"objectClass": ["posixGroup"], "gidNumber": "4001", "memberUid": "ingrid"},
}


@dataclass(frozen=True)
class Directory:
    plain: str
    secure: str
    ca: Path

    def reset(self) -> None:
        """As at its start."""
        import ldap

        with self._root() as root:
            try:
                there = root.search_s(BASE, ldap.SCOPE_SUBTREE, attrlist=["1.1"])
            except ldap.NO_SUCH_OBJECT:
                there = []
            for dn, _attributes in reversed(there):
                root.delete_s(dn)
            for dn, attributes in ENTRIES.items():
                self._add(root, dn, attributes)

    def add(self, dn: str, attributes: Mapping[str, Any]) -> None:
        with self._root() as root:
            self._add(root, dn, attributes)

    def remove(self, dn: str) -> None:
        with self._root() as root:
            root.delete_s(dn)

    def _add(self, root: Any, dn: str, attributes: Mapping[str, Any]) -> None:
        lists = {name: [value] if isinstance(value, str) else value for name, value in attributes.items()}
        root.add_s(dn, [(name, [value.encode() for value in values]) for name, values in lists.items()])

    @contextmanager
    def _root(self) -> Iterator[Any]:
        import ldap

        root = ldap.initialize(self.plain)
        root.simple_bind_s(ROOT_DN, ROOT_PASSWORD)
        yield root
        root.unbind_s()


@contextmanager
def running(folder: Path) -> Iterator[Directory]:
    """Skipped where `make servers` could not install it. The packages of the extra are there from now on."""
    program = programs.program("ldap", "slapd")
    (packages,) = (ROOT / ".servers/ldap/lib").glob("python*/site-packages")
    sys.path.append(str(packages))
    plain, secure = free_port(), free_port()
    (folder / "rows").mkdir()
    names = {"folder": folder, "base": BASE, "root": ROOT_DN, "password": ROOT_PASSWORD}
    (folder / "slapd.conf").write_text(CONFIGURATION.format(**names))
    _certificate(folder)
    at = {"plain": f"ldap://127.0.0.1:{plain}", "secure": f"ldaps://127.0.0.1:{secure}"}
    command = [program, "-d", "0", "-h", " ".join(at.values()), "-f", "slapd.conf"]
    with programs.running(command, folder, lambda: _listens(plain) and _listens(secure), {}):
        yield Directory(**at, ca=folder / "certificate.pem")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _certificate(folder: Path) -> None:
    """For 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
