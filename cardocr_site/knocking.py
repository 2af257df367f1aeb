"""Which directory answers, TLS and all, before libldap is sent there.

libldap keeps to no timeout while it waits for a server's part of TLS: one that has stopped working would hold a thread,
and a core with it, for ever (seen with 2.5 and GnuTLS).
"""

import socket
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

# An LDAP message: an extended request for StartTLS, 1.3.6.1.4.1.1466.20037 (RFC 4511, 4.14).
START_TLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
PORTS = {"ldap": 389, "ldaps": 636}


def first_that_answers(addresses: Sequence[str], start_tls: bool, timeout: float) -> str:
    """Raises OSError, the last one's, where none does."""
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            _knock(address, start_tls, timeout)
        except OSError as error:
            failure = error
        else:
            return address
    raise failure


def _knock(address: str, start_tls: bool, timeout: float) -> None:
    parts = urlsplit(address)
    if parts.scheme not in PORTS:  # a socket of this machine
        return
    with socket.create_connection((parts.hostname, parts.port or PORTS[parts.scheme]), timeout) as plain:
        if parts.scheme == "ldaps" or (start_tls and _starts_tls(plain)):
            _shake_hands(plain, str(parts.hostname))


def _starts_tls(plain: socket.socket) -> bool:
    plain.sendall(START_TLS)
    answer = plain.recv(1024)
    return b"\x78" in answer and b"\x0a\x01\x00" in answer  # an extended response; success


def _shake_hands(plain: socket.socket, host: str) -> None:
    """To its end, whoever it is: libldap looks at the certificate, and nothing else is said here."""
    context: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLError:
        return  # it answers; what it is that we do not agree on, libldap will say
