"""Settings of the portal: embedded defaults, everything else by environment variables.

Nothing set: SQLite, in-memory channel layer, engine inside the server process.
``DATABASE_URL`` and ``REDIS_URL`` scale the same code out; see docs/configuration.md.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dj_database_url

from gitops_portal import env, logs, traces
from gitops_portal.mail import *  # noqa: F403
from gitops_portal.secret_key import load_audit_key, load_secret_key
from gitops_portal.sign_in import *  # noqa: F403  # the sign-in settings are one page of their own

BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules
DEBUG = env.flag("PORTAL_DEBUG")

# A point at which this process kills itself (apps.core.failpoints): for tests, and for nothing else.
PORTAL_FAILPOINT = env.text("PORTAL_FAILPOINT")
if PORTAL_FAILPOINT and not (DEBUG or TESTING):
    raise env.BadEnvironment("PORTAL_FAILPOINT breaks the portal on purpose; it is refused unless PORTAL_DEBUG is on.")

# --- where things live -------------------------------------------------------------------
# Tests never touch the data of an installation.
_DEFAULT_DATA_DIR = tempfile.mkdtemp(prefix="portal-test-") if TESTING else str(BASE_DIR / "var")
PORTAL_DATA_DIR = env.folder("PORTAL_DATA_DIR", _DEFAULT_DATA_DIR)
PORTAL_DEMO_DIR = PORTAL_DATA_DIR / "demo"
PORTAL_LOCAL_REPOSITORY_DIRS = [
    str(PORTAL_DEMO_DIR),
    *env.words("PORTAL_LOCAL_REPOSITORY_DIRS", separator=":"),
]
# Hosts that may be reached although their address is private, or by plain http.
PORTAL_GIT_ALLOWED_HOSTS = env.words("PORTAL_GIT_ALLOWED_HOSTS")
PORTAL_GIT_PLAIN_HTTP = env.flag("PORTAL_GIT_PLAIN_HTTP")
PORTAL_CONNECTION_PLAIN_HTTP = env.words("PORTAL_CONNECTION_PLAIN_HTTP")
PORTAL_GIT_TIMEOUT = env.number("PORTAL_GIT_TIMEOUT", 120, least=1)
PORTAL_GIT_PROBE_TIMEOUT = env.number("PORTAL_GIT_PROBE_TIMEOUT", 20, least=1)
PORTAL_MIRROR_MAX_MB = env.number("PORTAL_MIRROR_MAX_MB", 2048, least=1)
PORTAL_POLL_SECONDS = env.number("PORTAL_POLL_SECONDS", 15, least=1)

# --- secrets -----------------------------------------------------------------------------
DATABASE_URL = env.url("DATABASE_URL", ("postgresql", "postgres", "sqlite"))
REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"))
SECRET_KEY = load_secret_key(PORTAL_DATA_DIR, scaled_out=bool(DATABASE_URL and REDIS_URL) and not TESTING)
PORTAL_ENCRYPTION_KEY = env.text("PORTAL_ENCRYPTION_KEY") or SECRET_KEY
PORTAL_OLD_ENCRYPTION_KEYS = env.words("PORTAL_OLD_ENCRYPTION_KEYS", separator="\n")

# --- the published audit log ---------------------------------------------------------------
# Tests throw their databases away, and a log of a database that is gone would hold up the next one.
PORTAL_AUDIT_PUBLISH = env.flag("PORTAL_AUDIT_PUBLISH", default=not TESTING)
PORTAL_AUDIT_KEY = load_audit_key(PORTAL_DATA_DIR)
PORTAL_AUDIT_REMOTE = env.text("PORTAL_AUDIT_REMOTE")
PORTAL_AUDIT_REMOTE_USER = env.text("PORTAL_AUDIT_REMOTE_USER")
PORTAL_AUDIT_REMOTE_TOKEN = env.text("PORTAL_AUDIT_REMOTE_TOKEN")

# --- web ---------------------------------------------------------------------------------
PORTAL_BIND_HOST = env.text("HOST") or "127.0.0.1"
_BIND_NAME = f"[{PORTAL_BIND_HOST}]" if ":" in PORTAL_BIND_HOST else PORTAL_BIND_HOST
PORTAL_URL = env.origin("PORTAL_URL", f"http://{_BIND_NAME}:{env.text('PORT') or '8000'}")
_LOCAL = ["localhost", "127.0.0.1", "[::1]", PORTAL_BIND_HOST]
ALLOWED_HOSTS = [*_LOCAL, env.host_of(PORTAL_URL), *env.words("PORTAL_ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = [PORTAL_URL, *env.words("PORTAL_TRUSTED_ORIGINS")]
PORTAL_TLS = env.flag("PORTAL_TLS", default=PORTAL_URL.startswith("https://"))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PORTAL_TLS
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if PORTAL_TLS else 0
X_FRAME_OPTIONS = "DENY"
if PORTAL_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'", *FORM_ACTION_ORIGINS],  # noqa: F405
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
    "apps.core",
    "apps.vcs",
    "apps.audit",
    "apps.accounts",
    "apps.repositories",
    "apps.diffs",
    "apps.policies",
    "apps.changes",
    "apps.reviews",
    "apps.deployments",
    "apps.runbooks",
    "apps.insights",
    "apps.presentation",
    "apps.web",
    "apps.api",
    "apps.live",
    "apps.worker",
    "apps.notifications",
    "apps.demo",
    "apps.operations",
]

MIDDLEWARE = [
    "gitops_portal.middleware.request_context",
    "apps.operations.middleware.trace_requests",
    "apps.operations.middleware.count_requests",
    "django.middleware.security.SecurityMiddleware",
    "gitops_portal.static_files.StaticFiles",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.web.middleware.own_time_zone",
    "apps.web.middleware.portal_errors",
]

ROOT_URLCONF = "gitops_portal.urls"
WSGI_APPLICATION = "gitops_portal.wsgi.application"
ASGI_APPLICATION = "gitops_portal.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.presentation.context.frame",
            ],
        },
    }
]
FORM_RENDERER = "apps.presentation.forms.PortalRenderer"

# How many requests are answered at once by one server process; each may hold a database connection.
PORTAL_HTTP_THREADS = env.whole("PORTAL_HTTP_THREADS", 16, least=1, most=1000)

# --- data --------------------------------------------------------------------------------
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# SQLite 3.7.0-3.51.2 can lose commits in WAL mode (sqlite.org/wal.html#walresetbug).
_WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3) or sqlite3.sqlite_version_info[:3] in {(3, 44, 6), (3, 50, 7)}
_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": f"PRAGMA journal_mode={'WAL' if _WAL_IS_SAFE else 'PERSIST'};PRAGMA synchronous={'OFF' if TESTING else 'FULL'};",
}
DATABASES: dict[str, Any]
if DATABASE_URL:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL)}
    if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql" and not TESTING:
        # After a crash of the server the pool's own pauses grow to minutes, in which everybody waits who asks for a connection:
        # it gives up soon, whoever comes next makes it try anew, and nobody waits longer than for an answer.
        _POOL = {"min_size": 1, "max_size": max(20, PORTAL_HTTP_THREADS + 4), "timeout": 10, "reconnect_timeout": 2}
        DATABASES["default"].setdefault("OPTIONS", {}).update(pool=_POOL)
        DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": PORTAL_DATA_DIR / "portal.sqlite3"}}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = _SQLITE_OPTIONS
    # Connections last as long as the threads that answer requests; to open one costs as much as a small page.
    DATABASES["default"]["CONN_MAX_AGE"] = 0 if TESTING else None
    # A file, not memory: races between threads and processes are tested on the real thing.
    DATABASES["default"]["TEST"] = {"NAME": PORTAL_DATA_DIR / "test.sqlite3"}

CACHES: dict[str, Any]
if REDIS_URL:
    from gitops_portal import caches  # every start of a process is faster where there is no Redis

    CACHES = caches.on_redis(REDIS_URL)
    SESSION_CACHE_ALIAS = "sessions"
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 5000}}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# --- engine ------------------------------------------------------------------------------
ENGINE_THREADS = 22  # of an embedded one, beside those that answer: the sum of apps.worker.embedded.THREADS
PORTAL_ENGINE = env.choice("PORTAL_ENGINE", "celery" if REDIS_URL else "embedded", ("embedded", "celery", "none"))
if PORTAL_ENGINE == "celery" and not REDIS_URL:
    raise env.BadEnvironment(
        "PORTAL_ENGINE=celery needs REDIS_URL (or REDIS_URL_FILE): without it nobody would do the work."
    )
if PORTAL_ENGINE == "celery" and not DATABASE_URL and not TESTING:
    # Whoever says DATABASE_URL=sqlite:///… knows that all processes are on one machine.
    raise env.BadEnvironment(
        "Celery workers and servers share one database: set DATABASE_URL (or DATABASE_URL_FILE) to PostgreSQL; where all of them "
        "are on this machine, to the SQLite file that they have "
        f"(DATABASE_URL=sqlite:///{quote(str(PORTAL_DATA_DIR / 'portal.sqlite3'))}); or PORTAL_ENGINE=embedded for one process."
    )
if PORTAL_ENGINE == "embedded" and "pool" in DATABASES["default"].get("OPTIONS", {}):
    DATABASES["default"]["OPTIONS"]["pool"]["max_size"] += ENGINE_THREADS
# Shorter than a second the clock of a host decides who works on what.
PORTAL_LEASE_SECONDS = env.number("PORTAL_LEASE_SECONDS", 30, least=1, most=3600)
# What one step of a pipeline may print, and how long it may take to stop when it is asked to.
PORTAL_STEP_OUTPUT_MB = env.number("PORTAL_STEP_OUTPUT_MB", 64)
PORTAL_STEP_GRACE_SECONDS = env.number("PORTAL_STEP_GRACE_SECONDS", 5)
# What all processes of one step may hold together.
PORTAL_STEP_MEMORY_MB = env.number("PORTAL_STEP_MEMORY_MB", 4096, least=16)
PORTAL_STEP_PROCESSES = env.whole("PORTAL_STEP_PROCESSES", 1000, least=1)
# Folders of the machine that steps see beside the system's programs, and those that they may write; steps that cannot be
# shut in run only where this is allowed.
PORTAL_STEP_FOLDERS = env.folders("PORTAL_STEP_FOLDERS")
PORTAL_STEP_WRITABLE = env.folders("PORTAL_STEP_WRITABLE")
if PORTAL_DATA_DIR in {Path(one).resolve() for one in (*PORTAL_STEP_FOLDERS, *PORTAL_STEP_WRITABLE)}:
    raise env.BadEnvironment(
        "PORTAL_STEP_FOLDERS and PORTAL_STEP_WRITABLE must not name PORTAL_DATA_DIR, which steps never see."
    )
if any(
    Path(one).resolve().is_relative_to(Path(other).resolve())
    for one in PORTAL_STEP_FOLDERS
    for other in PORTAL_STEP_WRITABLE
):
    raise env.BadEnvironment(
        "What PORTAL_STEP_FOLDERS names must not be in PORTAL_STEP_WRITABLE: steps would write it."
    )
PORTAL_STEPS_UNFENCED = env.flag("PORTAL_STEPS_UNFENCED")
# How long a process that stops stays for steps beside it: in a container they end with it.
PORTAL_STEPS_WAIT_SECONDS = env.number("PORTAL_STEPS_WAIT_SECONDS", 0)
# How long the workspace of a run with unknown outcome is kept for whoever has to decide.
PORTAL_RUNS_KEEP_DAYS = env.number("PORTAL_RUNS_KEEP_DAYS", 7)
# Rendering: pinned tools from `make tools` unless others are named; a run without isolation has to be allowed.
PORTAL_TOOLS_DIR = env.text("PORTAL_TOOLS_DIR", str(BASE_DIR / ".tools"))
PORTAL_CHECKS_DIR = env.text("PORTAL_CHECKS_DIR", str(Path(PORTAL_TOOLS_DIR) / "checks"))
PORTAL_RENDER_PROGRAMS = {name: env.text(f"PORTAL_{name.upper()}") for name in ("helm", "kubectl", "terraform")}
PORTAL_RENDER_SECONDS = env.number("PORTAL_RENDER_SECONDS", 60, least=1)
PORTAL_RENDER_UNISOLATED = env.flag("PORTAL_RENDER_UNISOLATED")
PORTAL_CHART_CACHE = env.text("PORTAL_CHART_CACHE")
# Plans of the runners of environments: how long one may take, and the one folder from which providers come (empty: anywhere).
PORTAL_PLAN_SECONDS = env.number("PORTAL_PLAN_SECONDS", 600, least=1)
PORTAL_TERRAFORM_PROVIDERS = env.text("PORTAL_TERRAFORM_PROVIDERS")
PORTAL_QUEUE_PREFIX = env.text("PORTAL_QUEUE_PREFIX", "portal-")

# --- operations --------------------------------------------------------------------------
# How long a server goes on answering after SIGTERM while /readyz says 503, so that balancers notice first.
PORTAL_DRAIN_SECONDS = env.number("PORTAL_DRAIN_SECONDS", 0)
PORTAL_METRICS = env.flag("PORTAL_METRICS")
PORTAL_METRICS_TOKEN = env.text("PORTAL_METRICS_TOKEN")
if PORTAL_METRICS and not PORTAL_METRICS_TOKEN:
    raise env.BadEnvironment("PORTAL_METRICS needs PORTAL_METRICS_TOKEN (or PORTAL_METRICS_TOKEN_FILE).")
# Traces, by the standard variables of OpenTelemetry (OTEL_EXPORTER_OTLP_ENDPOINT …); the headers may be a secret file.
PORTAL_TRACES = traces.are_wanted() and not TESTING
PORTAL_TRACES_HEADERS = env.text("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.text("OTEL_EXPORTER_OTLP_HEADERS")
# Where a process that only does background work answers probes and metrics; 0: nowhere.
PORTAL_PROBE_PORT = env.whole("PORTAL_PROBE_PORT", 0, most=65535)
PORTAL_PROBE_HOST = env.text("PORTAL_PROBE_HOST", "127.0.0.1")

# --- people ------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.backends.PortalBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# --- language, time, static files ----------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- API -----------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.api.authentication.BearerTokenAuthentication",
        "apps.api.authentication.PageSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.api.permissions.SignedInWithScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.api.problems.problem_response",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "GitOps Portal",
    "DESCRIPTION": "Everything a page can do, with the same verdicts and the same words.",
    "VERSION": "v1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": ["apps.api.schema.close_inputs"],
}

PORTAL_LOG_LEVEL = env.choice("PORTAL_LOG_LEVEL", "WARNING" if TESTING else "INFO", logs.LEVELS)
LOGGING = logs.configuration(level=PORTAL_LOG_LEVEL)
