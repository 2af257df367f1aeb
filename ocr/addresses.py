"""Which addresses may be called: http and https, never this machine or the house unless allowed, never metadata."""

import ipaddress
import socket
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, and where clouds keep their metadata
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",
        "ff00::/8",
    )
)
_NEVER_NAMES = {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
_HOUSE_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_EMBEDDING = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(ValueError):
    """An address that is not called; the message says why, for people."""


def resolved(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError where the name is not known."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check(address: str, private_hosts: Collection[str] = (), *, resolve: Resolve = resolved) -> None:
    """Raises ValueError with a sentence where the address may not be an engine's.

    A name that cannot be resolved just now passes: it is checked again with each call.
    """
    host, port = _parts(address)
    try:
        allowed(host, port, private_hosts, resolve=resolve)
    except (OSError, UnicodeError):
        return


def allowed(host: str, port: int, private_hosts: Collection[str] = (), *, resolve: Resolve = resolved) -> list[str]:
    """The addresses of the host, each of which may be called. Raises Forbidden, or OSError for an unknown name."""
    name = host.casefold().rstrip(".")
    if name in _NEVER_NAMES or "%" in name or not name:
        raise Forbidden(f"{host} is never called.")
    found = resolve(name, port)
    if not found:
        raise OSError(f"{host} has no address")
    for text in found:
        _refuse(name, ipaddress.ip_address(text.partition("%")[0]), private_hosts)
    return found


def check_proxy(address: str) -> None:
    """Raises ValueError with a sentence where the address cannot be a proxy's. It lies in the house, as a rule."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or any(letter.isspace() for letter in address) or not address.isprintable():
        raise Forbidden("This is not a complete address, like http://proxy.example.org:3128.")
    if parts.scheme not in ("http", "https"):
        raise Forbidden("The address of a proxy must start with http:// or https://.")
    literal = _literal(host.casefold())
    if host.casefold().rstrip(".") in _NEVER_NAMES or (literal and any(_within(literal) in net for net in _NEVER)):
        raise Forbidden(f"{host} is never called.")


def looks_inside(address: str, private_hosts: Collection[str] = (), *, resolve: Resolve = resolved) -> bool | None:
    """Whether an engine's address is plainly in the house, or plainly not; None: it cannot be told."""
    name = _parts(address)[0].casefold().rstrip(".")
    literal = _literal(name)
    if literal is not None:
        return not _within(literal).is_global
    if "." not in name or name.endswith(_HOUSE_NAMES):
        return True
    if any(entry.casefold().strip("[].") == name for entry in private_hosts):
        return True
    try:
        found = [_within(ipaddress.ip_address(text.partition("%")[0])) for text in resolve(name, 443)]
    except (OSError, UnicodeError, ValueError):
        return None
    return False if found and all(one.is_global for one in found) else None


def in_the_house(host: str, private_hosts: Collection[str] = ()) -> bool:
    """Whether a host that may be called is one of those in the house, judged without looking its name up.

    For whoever leaves by a proxy, which looks names up itself. Raises Forbidden where it may not be called.
    """
    name = host.casefold().rstrip(".")
    if name in _NEVER_NAMES or "%" in name or not name:
        raise Forbidden(f"{host} is never called.")
    if any(entry.casefold().strip("[].") == name for entry in private_hosts):
        return True
    literal = _literal(name)
    if literal is not None:
        _refuse(name, literal, private_hosts)
        return not _within(literal).is_global
    if "." not in name or name.endswith(_HOUSE_NAMES):
        raise Forbidden(f"{name} is a name in the house. Allow it by adding it to CARDOCR_ALLOW_PRIVATE_ENGINES.")
    return False


def hosts_allowed(private: Collection[str], *addresses: str) -> tuple[str, ...]:
    """What may be called in the house: what the setting names, and the hosts of these addresses."""
    named = [entry.strip() for entry in private if entry.strip()]
    for address in addresses:
        try:
            named.append(_parts(address)[0])
        except ValueError:
            continue
    return tuple(named)


def host_of(address: str) -> str:
    """The host alone, to be told to people: the rest of an address may hold a password. Empty where there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _parts(address: str) -> tuple[str, int]:
    if address != address.strip() or any(letter in address for letter in "\\ \t\r\n") or not address.isprintable():
        raise Forbidden("The address must not have spaces, backslashes or control characters.")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Forbidden("This is not a complete address, like https://example.org/v1.") from None
    if parts.scheme not in ("http", "https"):
        raise Forbidden("The address must start with http:// or https://.")
    if "@" in parts.netloc:
        raise Forbidden("The address must not hold a user name or password: the key has a field of its own.")
    if not host or "%" in host:
        raise Forbidden("This is not a complete address, like https://example.org/v1.")
    return host, port or (443 if parts.scheme == "https" else 80)


def _literal(name: str) -> IP | None:
    """The address that a host is written as, in the odd ways too that resolvers take (127.1, 0x7f000001)."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, UnicodeError):
        return None


def _refuse(name: str, found: IP, private_hosts: Collection[str]) -> None:
    address = _within(found)
    leads = f"{name} is" if name in (str(address), str(found)) else f"{name} leads to {address},"
    if any(candidate in network for candidate in (found, address) for network in _NEVER):
        raise Forbidden(f"{leads} an address that is never called (link-local, metadata or no host at all).")
    if address.is_global or _named(name, address, private_hosts):
        return
    raise Forbidden(
        f"{leads} an address in the house. Allow it by adding {name} to the setting CARDOCR_ALLOW_PRIVATE_ENGINES."
    )


def _within(address: IP) -> IP:
    """The IPv4 address that an IPv6 address carries, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _EMBEDDING:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


def _named(name: str, address: IP, private_hosts: Collection[str]) -> bool:
    for entry in private_hosts:
        if entry.casefold().strip("[].") == name:
            return True
        try:
            if address in ipaddress.ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            continue
    return False
