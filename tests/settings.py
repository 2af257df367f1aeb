"""The product's settings, in a data folder of the test run's own."""

import atexit
import importlib.util
import os
import shutil
import tempfile

os.environ["CARDOCR_DATA_DIR"] = tempfile.mkdtemp(prefix="cardocr-test-")
atexit.register(shutil.rmtree, os.environ["CARDOCR_DATA_DIR"], ignore_errors=True)
for name in (
    "CARDOCR_VLM_URL",
    "CARDOCR_VLM_MODEL",
    "CARDOCR_VLM_API_KEY",
    "CARDOCR_URL",
    "DATABASE_URL",
    "REDIS_URL",
    "CARDOCR_OUTBOUND_PROXY",
    "CARDOCR_CA_BUNDLE",
    "CARDOCR_EMAIL_URL",
    "CARDOCR_EMAIL_FROM",
    "CARDOCR_TRUSTED_PROXIES",
    "CARDOCR_REMOTE_USER_HEADER",
    "CARDOCR_REMOTE_GROUPS_HEADER",
    *(f"CARDOCR_OIDC_{name}" for name in ("URL", "CLIENT_ID", "CLIENT_SECRET", "NAME", "NAME_CLAIM", "GROUPS_CLAIM")),
    *(f"CARDOCR_LDAP_{name}" for name in ("URL", "START_TLS", "CA_BUNDLE", "TIMEOUT", "BIND_DN", "BIND_PASSWORD")),
    *(f"CARDOCR_LDAP_USER_{name}" for name in ("BASE", "FILTER", "DN")),
    *(f"CARDOCR_LDAP_{name}" for name in ("NAME_ATTRIBUTE", "GROUP_BASE", "GROUP_TYPE")),
    "CARDOCR_GROUP_ROLES",
    "CARDOCR_DEFAULT_ROLE",
    "CARDOCR_FILES_URL",
):
    os.environ.pop(name, None)

# Where the extra is installed (in CI it is), its tests give this provider an address of their own.
OIDC = {"URL": "http://127.0.0.1:1", "CLIENT_ID": "cardocr", "CLIENT_SECRET": "of-the-tests", "NAME": "the town’s door"}
if importlib.util.find_spec("allauth"):
    os.environ |= {f"CARDOCR_OIDC_{name}": value for name, value in OIDC.items()}

from cardocr_site import databases  # noqa: E402
from cardocr_site.settings import *  # noqa: E402, F403
from cardocr_site.settings import CHANNEL_LAYERS, DATA_DIR, EXTRACTION_THREADS, HUEY, SECRET_KEY  # noqa: E402
from cardocr_site.settings import STORAGES as SITE_STORAGES  # noqa: E402
from cardocr_site.shared import address  # noqa: E402

for name in OIDC:
    os.environ.pop(f"CARDOCR_OIDC_{name}", None)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if os.environ.get("CARDOCR_TEST_DATABASE_URL"):
    # The whole suite on a PostgreSQL and a Redis: make test-postgres. A test of it reads 64 cards at once.
    threads = max(64, EXTRACTION_THREADS)
    DATABASES = {"default": databases.settings_of(os.environ["CARDOCR_TEST_DATABASE_URL"], DATA_DIR, threads)}
if os.environ.get("CARDOCR_TEST_REDIS_URL"):
    REDIS_URL = os.environ["CARDOCR_TEST_REDIS_URL"]
    vars().update(address.settings_of(REDIS_URL, SECRET_KEY, HUEY, CHANNEL_LAYERS))
STORAGES = SITE_STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
ALLOW_PRIVATE_ENGINES = ["127.0.0.1"]  # tests/vlm_server.py
