"""Proofs of origin. Every comparison takes the same time whatever the two values are.

Sources: GitHub "Validating webhook deliveries" (``X-Hub-Signature-256: sha256=<hex>``); Gitea "Webhooks"
(``X-Gitea-Signature: <hex>``); GitLab "Webhooks" (``X-Gitlab-Token`` holds the secret; with a signing token
it sends Standard Webhooks headers); Standard Webhooks 1.0 (``webhook-id``, ``webhook-timestamp``,
``webhook-signature: v1,<base64> …`` over ``id.timestamp.body`` with the decoded ``whsec_`` key).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"


def hex_signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of ``body`` in hexadecimal, keyed with the secret as it is written."""
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def standard_signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The ``v1`` signature of Standard Webhooks in Base64."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return base64.b64encode(hmac.new(signing_key(secret), signed, sha256).digest()).decode()


def signing_key(secret: str) -> bytes:
    """The bytes behind ``whsec_<base64>``; any other secret is its own key."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def is_same(given: str, expected: str) -> bool:
    """Equality in constant time; header values may hold any characters."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def is_hex_signed(header: str, secret: str, body: bytes, *, prefix: str = "") -> bool:
    """Whether ``header`` is ``prefix`` and the hexadecimal signature of ``body``."""
    return is_same(header, prefix + hex_signature(secret, body))


def is_standard_signed(headers: Mapping[str, str], secret: str, body: bytes, at: datetime) -> bool:
    """Whether one of the ``v1`` signatures fits and the timestamp is within ±5 minutes of ``at``."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isascii() or not timestamp.isdigit():
        return False
    if len(timestamp) > 12 or abs(at.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    expected = "v1," + standard_signature(secret, message_id, timestamp, body)
    fits = [is_same(given, expected) for given in headers.get("webhook-signature", "").split(" ")]
    return any(fits)
