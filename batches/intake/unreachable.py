"""A storage that cannot be used now, in a sentence for people: never with a key or a secret in it."""

from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

_CREDENTIALS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "AuthFailure"})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "507"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "401", "403"})


class Unreachable(OSError):
    """Nothing about a file: cards wait until it is there again. `lasting`: only a person can change that."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.message, self.lasting = message, lasting


class Told:
    def __init__(self, address: str, bucket: str) -> None:
        self._host, self._bucket = urlsplit(address).netloc.rpartition("@")[2], bucket

    def refused(self, code: str) -> Unreachable:
        """It has answered, and that is why."""
        values = {"host": self._host, "bucket": self._bucket, "code": code}
        if code == "RequestTimeTooSkewed":
            return Unreachable(
                _("The clock of this machine and that of the object storage %(host)s differ too much.") % values,
                lasting=True,
            )
        if code in _CREDENTIALS:
            return Unreachable(
                _("The object storage %(host)s does not know the key, or its secret is wrong (%(code)s).") % values,
                lasting=True,
            )
        if code == "NoSuchBucket":
            return Unreachable(_("The object storage %(host)s has no bucket “%(bucket)s”.") % values, lasting=True)
        if code in _DENIED:
            return Unreachable(
                _("The object storage %(host)s does not allow this with the key given (%(code)s).") % values,
                lasting=True,
            )
        if code in _FULL:
            return Unreachable(_("The object storage %(host)s is full (%(code)s).") % values)
        return Unreachable(_("The object storage %(host)s answers with an error (%(code)s).") % values)

    def silent(self, error: Exception) -> Unreachable:
        name = type(error).__name__
        if name in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
            return Unreachable(
                _("There is no key for the object storage %(host)s.") % {"host": self._host}, lasting=True
            )
        return Unreachable(
            _("The object storage %(host)s does not answer (%(kind)s).") % {"host": self._host, "kind": name}
        )

    def changed(self) -> Unreachable:
        told = _("What was written to the object storage %(host)s did not come back as it was.")
        return Unreachable(told % {"host": self._host})


def code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "?"))


def is_missing(error: Any) -> bool:
    return code_of(error) in {"NoSuchKey", "404", "NotFound"}
