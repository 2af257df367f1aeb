"""What the settings of sign-in by LDAP say, as django-auth-ldap wants it; half of them is refused at the start."""

import re
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from cardocr_site import knocking, signon

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
GROUP_TYPES = {  # as CARDOCR_LDAP_GROUP_TYPE names them: the class of django_auth_ldap.config
    "groupOfNames": "GroupOfNamesType",
    "groupOfUniqueNames": "GroupOfUniqueNamesType",
    "posixGroup": "PosixGroupType",
    "activeDirectory": "NestedActiveDirectoryGroupType",
}
BACKEND = "cardocr_site.accounts.directory.DirectoryBackend"
PLACE = "%(user)s"  # where the name goes in a filter or a DN
LONGEST_WAIT = 60  # seconds


@dataclass(frozen=True, slots=True)
class Given:
    """CARDOCR_LDAP_…, as they stand in the environment."""

    url: str = ""
    start_tls: bool = True
    ca_bundle: str = ""
    timeout: float = 5.0
    bind_dn: str = ""
    bind_password: str = field(default="", repr=False)
    user_base: str = ""
    user_filter: str = ""
    user_dn: str = ""
    name_attribute: str = ""
    group_base: str = ""
    group_type: str = ""

    def __bool__(self) -> bool:
        texts = (getattr(self, each.name) for each in fields(self) if each.type is str)
        return any(texts)

    @property
    def name(self) -> str:
        """The attribute with the user name."""
        return self.name_attribute or "uid"


def settings_of(given: Given) -> dict[str, Any]:
    """django-auth-ldap's. Raises ImproperlyConfigured."""
    addresses = _addresses(given)
    _need_whole(given)
    signon.need("django_auth_ldap", "CARDOCR_LDAP_URL", "ldap")
    signon.need("ldap", "CARDOCR_LDAP_URL", "ldap")
    start_tls = given.start_tls and urlsplit(addresses[0]).scheme == "ldap"
    found = {
        "SERVER_URI": partial(_reached, addresses, start_tls, given.timeout),
        "START_TLS": start_tls,
        "CONNECTION_OPTIONS": _options(given),
        "BIND_DN": given.bind_dn,
        "BIND_PASSWORD": given.bind_password,
        # What is told of a person is asked for by the person where there is nobody else to ask.
        "BIND_AS_AUTHENTICATING_USER": bool(given.user_dn and not given.bind_dn),
        "USER_ATTRLIST": [given.name, "givenName", "sn", "mail", "uid", "gidNumber"],
        "ALWAYS_UPDATE_USER": False,
        "PERMIT_EMPTY_PASSWORD": False,  # nosec B105: a name of django-auth-ldap's; as it has it, said once more
    }
    return {f"AUTH_LDAP_{name}": value for name, value in (found | _people(given) | _groups(given)).items()}


def _reached(addresses: list[str], start_tls: bool, timeout: float, request: Any) -> str:
    """django-auth-ldap asks for it before each connection. Raises ldap.SERVER_DOWN."""
    import ldap

    try:
        return knocking.first_that_answers(addresses, start_tls, timeout)
    except OSError as error:
        raise ldap.SERVER_DOWN({"desc": "Can't contact LDAP server", "info": str(error)}) from error


def _addresses(given: Given) -> list[str]:
    addresses = [address for address in re.split(r"[\s,]+", given.url) if address]
    if not addresses:
        raise ImproperlyConfigured("CARDOCR_LDAP_… is set, but CARDOCR_LDAP_URL is not: set it, or none of them.")
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in {"ldap", "ldaps", "ldapi"} or not (parts.hostname or parts.scheme == "ldapi"):
            raise ImproperlyConfigured(
                "CARDOCR_LDAP_URL must be like ldaps://directory.example.org or ldap://directory.example.org."
            )
        if parts.scheme == "ldap" and not given.start_tls and parts.hostname not in LOOPBACK:
            raise ImproperlyConfigured(
                "CARDOCR_LDAP_START_TLS is off: passwords would travel for everybody to read. "
                "Use ldaps:// or leave it on."
            )
    if len({urlsplit(address).scheme for address in addresses}) > 1:
        raise ImproperlyConfigured("CARDOCR_LDAP_URL: begin all addresses with ldaps://, or all with ldap://.")
    return addresses


def _need_whole(given: Given) -> None:
    if bool(given.bind_dn) != bool(given.bind_password):
        raise ImproperlyConfigured(
            "CARDOCR_LDAP_BIND_DN and CARDOCR_LDAP_BIND_PASSWORD belong together: set both, or none."
        )
    if bool(given.user_base) == bool(given.user_dn):
        raise ImproperlyConfigured(
            "Where people are in the directory: set CARDOCR_LDAP_USER_BASE to search for them, "
            f"or CARDOCR_LDAP_USER_DN (like uid={PLACE},ou=people,dc=example,dc=org), one of the two."
        )
    if given.user_filter and not given.user_base:
        raise ImproperlyConfigured("CARDOCR_LDAP_USER_FILTER is for a search: set CARDOCR_LDAP_USER_BASE, too.")
    if given.group_type and not given.group_base:
        raise ImproperlyConfigured("CARDOCR_LDAP_GROUP_TYPE is set, but CARDOCR_LDAP_GROUP_BASE is not.")
    if given.ca_bundle and not Path(given.ca_bundle).is_file():
        raise ImproperlyConfigured("CARDOCR_LDAP_CA_BUNDLE is not a file that can be read.")
    if not 0 < given.timeout <= LONGEST_WAIT:
        raise ImproperlyConfigured(f"CARDOCR_LDAP_TIMEOUT: say how many seconds, up to {LONGEST_WAIT}.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", given.name):
        raise ImproperlyConfigured("CARDOCR_LDAP_NAME_ATTRIBUTE is not the name of an attribute, like uid.")


def _options(given: Given) -> dict[int, Any]:
    import ldap

    options = {
        ldap.OPT_PROTOCOL_VERSION: 3,
        ldap.OPT_REFERRALS: 0,  # nobody is asked but whom the settings name
        ldap.OPT_NETWORK_TIMEOUT: given.timeout,
        ldap.OPT_TIMEOUT: given.timeout,
        ldap.OPT_X_TLS_REQUIRE_CERT: ldap.OPT_X_TLS_DEMAND,
    }
    if given.ca_bundle:
        options[ldap.OPT_X_TLS_CACERTFILE] = given.ca_bundle
    return options | {ldap.OPT_X_TLS_NEWCTX: 0}  # last: it takes over what was said of TLS


def _people(given: Given) -> dict[str, Any]:
    import ldap
    from django_auth_ldap.config import LDAPSearch

    if given.user_dn:
        return {"USER_DN_TEMPLATE": _with_place("CARDOCR_LDAP_USER_DN", given.user_dn)}
    wanted = _with_place("CARDOCR_LDAP_USER_FILTER", given.user_filter or f"({given.name}={PLACE})")
    if not (wanted.startswith("(") and wanted.endswith(")") and wanted.count("(") == wanted.count(")")):
        raise ImproperlyConfigured(f"CARDOCR_LDAP_USER_FILTER must stand in brackets, like (uid={PLACE}).")
    attributes = [given.name, "givenName", "sn", "mail", "uid", "gidNumber"]
    return {"USER_SEARCH": LDAPSearch(given.user_base, ldap.SCOPE_SUBTREE, wanted, attributes)}


def _with_place(setting: str, text: str) -> str:
    try:
        has_place = text % {"user": "one"} != text % {"user": "another"}
    except (ValueError, TypeError, KeyError):
        has_place = False
    if not has_place:
        raise ImproperlyConfigured(
            f"{setting}: write {PLACE} where the name goes, and %% where a percent sign is meant."
        )
    return text


def _groups(given: Given) -> dict[str, Any]:
    import ldap
    from django_auth_ldap import config

    if not given.group_base:
        return {}
    kind = {name.lower(): known for name, known in GROUP_TYPES.items()}.get(
        (given.group_type or "groupOfNames").lower()
    )
    if kind is None:
        raise ImproperlyConfigured(f"CARDOCR_LDAP_GROUP_TYPE is “{given.group_type}”: say {', '.join(GROUP_TYPES)}.")
    return {
        "GROUP_SEARCH": config.LDAPSearch(given.group_base, ldap.SCOPE_SUBTREE, attrlist=["cn"]),
        "GROUP_TYPE": getattr(config, kind)(name_attr="cn"),
    }
