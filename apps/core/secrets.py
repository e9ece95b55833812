"""Encryption at rest for credentials that the portal keeps (Fernet: AES-128-CBC + HMAC-SHA-256)."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps.core.errors import Unavailable


def derived_key(purpose: str, master: str = "") -> bytes:
    """A key of 32 bytes for one ``purpose``, derived from ``master`` or the portal's encryption key."""
    return _derived(master or settings.PORTAL_ENCRYPTION_KEY, purpose)


@lru_cache(maxsize=16)
def _derived(master: str, purpose: str) -> bytes:
    info = f"gitops-portal/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master.encode())


@lru_cache(maxsize=4)
def _cipher(master: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(master, "secrets/v1")))


def encrypt(clear: str) -> str:
    """The stored form of ``clear``; the empty string stays empty."""
    return _cipher(settings.PORTAL_ENCRYPTION_KEY).encrypt(clear.encode()).decode() if clear else ""


def decrypt(stored: str) -> str:
    """The secret behind ``stored``; :class:`Unavailable` when the key was changed."""
    if not stored:
        return ""
    try:
        return _cipher(settings.PORTAL_ENCRYPTION_KEY).decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise Unavailable(
            "secret_unreadable",
            "A stored secret cannot be read with the present encryption key. "
            "An administrator can restore PORTAL_ENCRYPTION_KEY or enter the secret again.",
        ) from error
