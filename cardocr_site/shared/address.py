"""What follows from REDIS_URL: huey's queue, the channel layer and the caches."""

import importlib.util
import socket
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from cardocr_site.server_urls import taken_apart

EMBEDDED = ("", "memory")
NAME = "cardocr"  # begins the name of whatever lies there
OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
LIKE = "REDIS_URL must be like redis://:password@redis.example.org:6379/0 or rediss://… with TLS, or memory for none."
# A cut that nobody tells of is found within half a minute; Linux alone would take a quarter of an hour.
KEPT_ALIVE = {
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): value
        for name, value in (
            ("TCP_KEEPIDLE", 10),
            ("TCP_KEEPINTVL", 5),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", 20_000),
        )
        if hasattr(socket, name)
    },
}
# A page waits for no Redis that is gone; `outage` then leaves it alone for a while.
QUICK = {"socket_connect_timeout": 1.0, "socket_timeout": 2.0, **KEPT_ALIVE}
# redis-py 8 gives up on a silent connection after 5 s by itself, and what listens is silent for as long as nothing
# happens. A cut that nobody tells of is found by keep-alive.
LISTENING = {
    "socket_connect_timeout": 5.0,
    "socket_timeout": 30.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
}


def settings_of(url: str, secret: str, huey: dict[str, Any], layers: dict[str, Any]) -> dict[str, Any]:
    """HUEY, CHANNEL_LAYERS and CACHES. What is wrong is said without the address, which may hold a password."""
    _refuse(url)
    _need_packages()
    from huey.serializer import SignedSerializer

    embedded = ("filename", "fsync", "huey_class")
    return {
        "HUEY": {
            **{name: value for name, value in huey.items() if name not in embedded},
            "huey_class": "cardocr_site.shared.doorbell.Doorbell",
            "name": NAME,
            "url": url,
            # Tasks are pickled: whoever may write to the Redis, but does not know the secret key, runs nothing here.
            "serializer": SignedSerializer(secret=secret, salt=NAME),
        },
        # By publishing, not by lists: what is subscribed outlives FLUSHALL and a restart, and nothing piles up.
        "CHANNEL_LAYERS": {
            **layers,
            "default": {
                "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                "CONFIG": {"hosts": [{"address": url, **LISTENING}], "prefix": NAME},
            },
        },
        "CACHES": {
            name: {
                "BACKEND": "cardocr_site.shared.cache.SharedCache",
                "LOCATION": url,
                "KEY_PREFIX": f"{NAME}:{name}",
                "OPTIONS": {"MAX_ENTRIES": entries},
            }
            for name, entries in (("default", 300), ("rates", 50_000))
        },
    }


def _refuse(url: str) -> None:
    parts, port, told = taken_apart("REDIS_URL", url)
    number = parts.path.removeprefix("/")
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or port == 0 or parts.fragment:
        raise ImproperlyConfigured(LIKE)
    if number and not (number.isascii() and number.isdigit()):
        raise ImproperlyConfigured(f"The database of REDIS_URL must be a number. {LIKE}")
    unknown = sorted({key for key, _value in told} - set(OPTIONS))
    if unknown:
        raise ImproperlyConfigured(f"REDIS_URL has options that are not known: {', '.join(unknown)}.")
    if told and parts.scheme != "rediss":
        raise ImproperlyConfigured("The options of REDIS_URL are for rediss://, which uses TLS.")


def _need_packages() -> None:
    if not (importlib.util.find_spec("redis") and importlib.util.find_spec("channels_redis")):
        raise ImproperlyConfigured(
            "REDIS_URL names a Redis, but what talks to it is not installed: "
            "pip install --require-hashes -r requirements-redis.lock"
        )
