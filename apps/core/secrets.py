"""Encryption at rest for credentials that the portal keeps (Fernet: AES-128-CBC + HMAC-SHA-256)."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
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


@lru_cache(maxsize=16)
def _cipher(master: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(master, "secrets/v1")))


@lru_cache(maxsize=4)
def _ciphers(*masters: str) -> MultiFernet:
    return MultiFernet([_cipher(master) for master in masters])


def encrypt(clear: str) -> str:
    """The stored form of ``clear``; the empty string stays empty."""
    return _cipher(settings.PORTAL_ENCRYPTION_KEY).encrypt(clear.encode()).decode() if clear else ""


def decrypt(stored: str) -> str:
    """The secret behind ``stored``, by the present key or one of those before; :class:`Unavailable` when none fits."""
    if not stored:
        return ""
    try:
        return _ciphers(settings.PORTAL_ENCRYPTION_KEY, *settings.PORTAL_OLD_ENCRYPTION_KEYS).decrypt(stored).decode()
    except InvalidToken as error:
        raise Unavailable(
            "secret_unreadable",
            "A stored secret cannot be read with the present encryption key. "
            "An administrator can restore PORTAL_ENCRYPTION_KEY, name it in PORTAL_OLD_ENCRYPTION_KEYS, "
            "or enter the secret again.",
        ) from error


def is_of_present_key(stored: str) -> bool:
    """Whether ``stored`` can be read without the keys before (the empty string can)."""
    try:
        _cipher(settings.PORTAL_ENCRYPTION_KEY).decrypt(stored)
    except InvalidToken:
        return not stored
    return True
