"""``REDIS_URL`` as Celery's broker, meaning what it means to the caches: redis-py and Kombu read one address differently."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from gitops_portal import env

CERTIFICATE_CHECKS = ("required", "optional", "none")


def connection(url: str) -> dict[str, Any]:
    """Celery's settings of its broker.

    Kombu believes any certificate of ``rediss://`` unless it is told otherwise, and would send the password to whoever answers;
    options of TLS in the address take the place of ours, and then redis-py's own defaults count, which check as well.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "unix":
        return {"broker_url": _socket_url(parts.path, parts.username or "", parts.password or "", options)}
    if parts.scheme != "rediss":
        return {"broker_url": url}
    if options.get("ssl_cert_reqs", "required") not in CERTIFICATE_CHECKS:
        # Kombu would take a word that it does not know for "none".
        raise env.BadEnvironment(f"REDIS_URL: ssl_cert_reqs must be one of {', '.join(CERTIFICATE_CHECKS)}.")
    return {
        "broker_url": url,
        "broker_use_ssl": {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True},
    }


def _socket_url(path: str, user: str, password: str, options: dict[str, str]) -> str:
    """``unix://user@/path?db=0&password=…`` in Kombu's words."""
    secret = password or quote(options.get("password", ""), safe="")
    credentials = f"{user}:{secret}@" if user or secret else ""
    return f"redis+socket://{credentials}{path}?virtual_host={options.get('db', '0')}"
