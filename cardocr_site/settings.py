"""All settings come from the environment; `.env.example` lists them. Secrets may also come as `…_FILE`."""

from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from cardocr_site import databases, directory, mail, objects, public, secrets, signon
from cardocr_site.shared import address

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()

DATA_DIR = Path(env.str("CARDOCR_DATA_DIR", default=str(BASE_DIR / "data"))).resolve()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

SECRET_KEY = env.str("CARDOCR_SECRET_KEY", default="") or secrets.stored(DATA_DIR / "secret-key", secrets.new_secret)
secrets.refuse_known(SECRET_KEY)
ENCRYPTION_KEY = env.str("CARDOCR_ENCRYPTION_KEY", default="") or secrets.stored(
    DATA_DIR / "encryption-key", secrets.new_encryption_key
)
DEBUG = env.bool("CARDOCR_DEBUG", default=False)

# Where people reach it decides everything below.
PUBLIC_URLS = env.list("CARDOCR_URL", default=[]) or ["http://127.0.0.1:8000"]
SITE = public.site(PUBLIC_URLS)
if DEBUG:
    public.refuse_debug(SITE)
ALLOWED_HOSTS = list(SITE.hosts)
CSRF_TRUSTED_ORIGINS = list(SITE.origins)
FORCE_SCRIPT_NAME = SITE.path or None
TRUSTED_PROXIES = env.list("CARDOCR_TRUSTED_PROXIES", default=[])
public.networks("CARDOCR_TRUSTED_PROXIES", TRUSTED_PROXIES)
METRICS_ADDRESSES = public.networks("CARDOCR_METRICS_ADDRESSES", env.list("CARDOCR_METRICS_ADDRESSES", default=[]))
# Single sign-on: the proxy in front says who it is.
REMOTE_USER_HEADER = env.str("CARDOCR_REMOTE_USER_HEADER", default="").strip()
if REMOTE_USER_HEADER and not TRUSTED_PROXIES:
    raise ImproperlyConfigured(
        "CARDOCR_REMOTE_USER_HEADER is set, but no proxy is trusted to send it: "
        "name the one in front in CARDOCR_TRUSTED_PROXIES."
    )
REMOTE_GROUPS_HEADER = env.str("CARDOCR_REMOTE_GROUPS_HEADER", default="").strip()
GROUP_ROLES = signon.group_roles(env.str("CARDOCR_GROUP_ROLES", default=""))
DEFAULT_ROLE = signon.default_role(env.str("CARDOCR_DEFAULT_ROLE", default="") or signon.NONE)
SESSION_COOKIE_NAME = f"{SITE.cookie_prefix}sessionid"
CSRF_COOKIE_NAME = f"{SITE.cookie_prefix}csrftoken"
LANGUAGE_COOKIE_NAME = f"{SITE.cookie_prefix}language"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{SITE.path}/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SITE.secure
SECURE_SSL_REDIRECT = SITE.secure
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SITE.secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SITE.secure
SECURE_HSTS_PRELOAD = SITE.secure
if SITE.secure:
    # Whoever ends TLS in front says so. One who lies in a plain request only marks his own as secure.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# The first administrator, and the endpoint that reads cards unless another is chosen.
ADMIN_PASSWORD = env.str("CARDOCR_ADMIN_PASSWORD", default="")
VLM_URL = env.str("CARDOCR_VLM_URL", default="").strip()
VLM_MODEL = env.str("CARDOCR_VLM_MODEL", default="").strip()
VLM_API_KEY = env.str("CARDOCR_VLM_API_KEY", default="").strip()
# Hosts in the house (names, addresses, networks) that administrators may add as engines.
ALLOW_PRIVATE_ENGINES = env.list("CARDOCR_ALLOW_PRIVATE_ENGINES", default=[])
# How requests to engines leave, where the house has a proxy or certificates of its own.
OUTBOUND_PROXY = env.str("CARDOCR_OUTBOUND_PROXY", default="").strip()
if OUTBOUND_PROXY and not OUTBOUND_PROXY.startswith(("http://", "https://")):
    raise ImproperlyConfigured("CARDOCR_OUTBOUND_PROXY must start with http:// or https://.")
CA_BUNDLE = env.str("CARDOCR_CA_BUNDLE", default="").strip()
if CA_BUNDLE and not Path(CA_BUNDLE).is_file():
    raise ImproperlyConfigured("CARDOCR_CA_BUNDLE is not a file that can be read.")

# By which people are mailed what they are told in the bell.
EMAIL_URL = env.str("CARDOCR_EMAIL_URL", default="").strip()
EMAIL_TIMEOUT = 10  # seconds
if EMAIL_URL:
    vars().update(mail.settings_of(EMAIL_URL, env.str("CARDOCR_EMAIL_FROM", default="").strip()))

PERSON_FIGURES = env.bool("CARDOCR_PERSON_FIGURES", default=False)  # who checked how much, for administrators
PRIVATE_BY_DEFAULT = env.bool("CARDOCR_PRIVATE_BY_DEFAULT", default=False)
TURN_SCANS = env.str("CARDOCR_TURN_SCANS", default="auto").strip()  # of new batches; else 0, 90, 180, 270
if TURN_SCANS not in {"auto", "0", "90", "180", "270"}:
    raise ImproperlyConfigured(f"CARDOCR_TURN_SCANS is “{TURN_SCANS}”: say auto, 0, 90, 180 or 270.")
EXTRACTION_THREADS = env.int("CARDOCR_THREADS", default=16)
# An endpoint that does not answer is asked again after so many seconds, doubled each time up to the second number.
PROBE_SECONDS = env.float("CARDOCR_PROBE_SECONDS", default=5.0)
PROBE_SECONDS_MAX = env.float("CARDOCR_PROBE_SECONDS_MAX", default=60.0)
MAX_IMAGE_BYTES = env.int("CARDOCR_MAX_IMAGE_MB", default=50) * 1_000_000
MAX_CONTAINER_BYTES = env.int("CARDOCR_MAX_CONTAINER_MB", default=2000) * 1_000_000  # PDF, TIFF, ZIP
MAX_UNPACKED_BYTES = env.int("CARDOCR_MAX_UNPACKED_MB", default=4000) * 1_000_000  # all files in a ZIP
MAX_ZIP_RATIO = env.int("CARDOCR_MAX_ZIP_RATIO", default=200)
# Files laid into INBOX_DIR/<name>/ become a draft of that name.
INBOX_DIR = Path(env.str("CARDOCR_INBOX_DIR", default="") or DATA_DIR / "inbox").resolve()
INBOX_OWNER = env.str("CARDOCR_INBOX_OWNER", default="").strip()
MIN_FREE_BYTES = env.int("CARDOCR_MIN_FREE_MB", default=500) * 1_000_000
LOW_DISK_BYTES = env.int("CARDOCR_LOW_DISK_MB", default=5500) * 1_000_000
MAX_IMAGE_PIXELS = env.int("CARDOCR_MAX_IMAGE_MPX", default=60) * 1_000_000
# The decoders of WebP and AVIF hold a whole image several times over: 16 bytes a pixel at their peak.
MAX_WEBP_PIXELS = min(MAX_IMAGE_PIXELS, env.int("CARDOCR_MAX_WEBP_MPX", default=25) * 1_000_000)
MAX_BATCH_CARDS = env.int("CARDOCR_MAX_BATCH_CARDS", default=100_000)
MAX_FILE_PAGES = env.int("CARDOCR_MAX_FILE_PAGES", default=2000)

# Live pages and streams that one person has open at once, and sockets of one address that have not said whose yet.
MAX_STREAMS = env.int("CARDOCR_MAX_STREAMS", default=100)

# Requests a minute, of each person and of each address that nobody has signed in from; 0: as many as one likes.
RATES = {
    "sign_ins": env.int("CARDOCR_RATE_SIGN_INS", default=30),
    "uploads": env.int("CARDOCR_RATE_UPLOADS", default=12_000),
    "starts": env.int("CARDOCR_RATE_STARTS", default=120),
    "requests": env.int("CARDOCR_RATE_REQUESTS", default=6000),
}
if min(RATES.values()) < 0:
    raise ImproperlyConfigured("CARDOCR_RATE_… counts requests a minute: say 0 for no limit, or more.")

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_htmx",
    "ninja",
    "huey.contrib.djhuey",
    "cardocr_site.accounts",
    "cardocr_site",
    "ocr",
    "templates_app",
    "batches",
]

MIDDLEWARE = [
    "cardocr_site.request_ids.RequestIdMiddleware",
    "cardocr_site.accounts.addresses.AskingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "cardocr_site.headers.HeadersMiddleware",
    "cardocr_site.api.middleware.EnvelopeMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "cardocr_site.accounts.remote_user.RemoteUserMiddleware",
    "cardocr_site.api.limits.RateMiddleware",
    "cardocr_site.accounts.middleware.MustChangePasswordMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "cardocr_site.unreached.UnreachedMiddleware",
    "cardocr_site.api.idempotency.IdempotencyMiddleware",
]

ROOT_URLCONF = "cardocr_site.urls"
ASGI_APPLICATION = "cardocr_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "cardocr_site.context.site",
            ],
        },
    },
]

DATABASES = {
    "default": databases.settings_of(env.str("DATABASE_URL", default="").strip(), DATA_DIR, EXTRACTION_THREADS)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

HUEY = {
    "huey_class": "huey.SqliteHuey",
    "name": "cardocr",
    "filename": str(DATA_DIR / "queue.sqlite3"),
    "fsync": True,
    "results": False,
    "immediate": False,
    "utc": True,
    "consumer": {
        "workers": 2,
        "max_delay": 0.5,
        "initial_delay": 0.05,
        "periodic": False,
        "graceful_signal": "TERM",
        "shutdown_timeout": 25,
    },
}

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "rates": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "rates",
        "OPTIONS": {"MAX_ENTRIES": 50_000},
    },
}
# `here` is what each socket listens to by itself: nobody speaks there, and it must outlive what lies between processes.
CHANNEL_LAYERS = {name: {"BACKEND": "channels.layers.InMemoryChannelLayer"} for name in ("default", "here")}
REDIS_URL = env.str("REDIS_URL", default="").strip()
if REDIS_URL not in address.EMBEDDED:
    vars().update(address.settings_of(REDIS_URL, SECRET_KEY, HUEY, CHANNEL_LAYERS))

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "cardocr_site.accounts.backends.SlowingBackend",
    "cardocr_site.accounts.backends.ProxyBackend",
    "cardocr_site.accounts.backends.OutsideBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Single sign-on by OpenID Connect: only where it is set is any of it loaded.
OIDC_URL = env.str("CARDOCR_OIDC_URL", default="").strip()
OIDC_CLIENT_ID = env.str("CARDOCR_OIDC_CLIENT_ID", default="").strip()
OIDC_CLIENT_SECRET = env.str("CARDOCR_OIDC_CLIENT_SECRET", default="").strip()
OIDC_NAME = env.str("CARDOCR_OIDC_NAME", default="").strip() or "OpenID Connect"
OIDC_NAME_CLAIM = env.str("CARDOCR_OIDC_NAME_CLAIM", default="").strip() or "preferred_username"
OIDC_GROUPS_CLAIM = env.str("CARDOCR_OIDC_GROUPS_CLAIM", default="").strip() or "groups"
if OIDC_URL or OIDC_CLIENT_ID or OIDC_CLIENT_SECRET:
    SOCIALACCOUNT_PROVIDERS = signon.oidc(OIDC_URL, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_NAME)
    SOCIALACCOUNT_ADAPTER = "cardocr_site.accounts.oidc.Takes"
    INSTALLED_APPS = [*signon.OIDC_APPS, *INSTALLED_APPS]
    MIDDLEWARE = [*MIDDLEWARE, signon.OIDC_MIDDLEWARE]
# Sign-in by a directory: the same.
LDAP = directory.Given(
    url=env.str("CARDOCR_LDAP_URL", default="").strip(),
    start_tls=env.bool("CARDOCR_LDAP_START_TLS", default=True),
    ca_bundle=env.str("CARDOCR_LDAP_CA_BUNDLE", default="").strip(),
    timeout=env.float("CARDOCR_LDAP_TIMEOUT", default=5.0),
    bind_dn=env.str("CARDOCR_LDAP_BIND_DN", default="").strip(),
    bind_password=env.str("CARDOCR_LDAP_BIND_PASSWORD", default="").rstrip("\r\n"),
    user_base=env.str("CARDOCR_LDAP_USER_BASE", default="").strip(),
    user_filter=env.str("CARDOCR_LDAP_USER_FILTER", default="").strip(),
    user_dn=env.str("CARDOCR_LDAP_USER_DN", default="").strip(),
    name_attribute=env.str("CARDOCR_LDAP_NAME_ATTRIBUTE", default="").strip(),
    group_base=env.str("CARDOCR_LDAP_GROUP_BASE", default="").strip(),
    group_type=env.str("CARDOCR_LDAP_GROUP_TYPE", default="").strip(),
)
if LDAP:
    vars().update(directory.settings_of(LDAP))
    AUTHENTICATION_BACKENDS = [*AUTHENTICATION_BACKENDS, directory.BACKEND]
PASSWORD_RESET_TIMEOUT = 24 * 3600
TOKEN_HOURS = env.int("CARDOCR_TOKEN_HOURS", default=24)  # how long a program's sign-in holds
SELF_REGISTRATION = env.bool("CARDOCR_SELF_REGISTRATION", default=False)
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "batch_list"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
FORMAT_MODULE_PATH = ["cardocr_site.formats"]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.str("CARDOCR_TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = f"{SITE.path}/static/"  # in full: the web process would take it before any request has set the prefix
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns where it is missing
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Scans lie in the data folder, or as objects of an S3-compatible storage.
FILES_URL = env.str("CARDOCR_FILES_URL", default="").strip()
FILES_CACHE_BYTES = env.int("CARDOCR_FILES_CACHE_MB", default=2000) * 1_000_000
if FILES_URL:
    FILES_ENDPOINT = env.str("CARDOCR_FILES_ENDPOINT", default="").strip()
    STORAGES["scans"] = objects.storage(
        objects.Given(
            url=FILES_URL,
            endpoint=FILES_ENDPOINT,
            region=env.str("CARDOCR_FILES_REGION", default="").strip(),
            key_id=env.str("CARDOCR_FILES_KEY_ID", default="").strip(),
            secret=env.str("CARDOCR_FILES_SECRET", default="").strip(),
            path_style=env.bool("CARDOCR_FILES_PATH_STYLE", default=bool(FILES_ENDPOINT)),
            encryption=env.str("CARDOCR_FILES_ENCRYPTION", default="").strip(),
        )
    )

# Same-origin files alone: nothing inline, nothing unsafe, the admin included.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True  # ui.js has the token from the page
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True  # unless "Stay signed in here" is ticked
SESSION_COOKIE_AGE = 14 * 24 * 3600
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600

DATA_UPLOAD_MAX_NUMBER_FILES = 1000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000  # forms; files are limited where they are taken in
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
FILE_UPLOAD_PERMISSIONS = 0o600

# To stderr, for whoever runs the processes. Nothing logs a body or a header; keys are taken out of what others log.
log_format = env.str("CARDOCR_LOG_FORMAT", default="text").strip().lower()
if log_format not in {"text", "json"}:
    raise ImproperlyConfigured(f"CARDOCR_LOG_FORMAT is text or json, not {log_format!r}.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "cardocr_site.log_lines.TextLine"},
        "json": {"()": "cardocr_site.log_lines.JsonLine"},
    },
    "filters": {"told": {"()": "cardocr_site.log_lines.Told"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": log_format, "filters": ["told"]}},
    "root": {"handlers": ["stderr"], "level": env.str("CARDOCR_LOG_LEVEL", default="WARNING").upper()},
    "loggers": {
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.security.DisallowedHost": {"level": "ERROR"},
        "django.request": {"level": "ERROR"},
        "django_auth_ldap": {"level": "ERROR"},  # it would log the name that was typed, which may be a password
        "httpx": {"level": "WARNING"},  # it would log every address called
        "huey": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
        "channels_redis": {"level": "CRITICAL"},  # a traceback each second of an outage, which is told once
    },
}
