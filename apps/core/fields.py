"""Column types shared by all contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models

OID_LENGTH = 64
"""Room for SHA-256 repositories; SHA-1 oids take 40 of it."""


class OidField(models.CharField):  # type: ignore[type-arg]
    """A full hexadecimal Git object id, or the empty string for 'none'."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", OID_LENGTH)
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", "")
        super().__init__(*args, **kwargs)


class SealedField(models.TextField):  # type: ignore[type-arg]
    """Text that :func:`apps.core.secrets.encrypt` made, or the empty string; a change of the key finds all of these.

    To the database and to migrations it is a text like any other.
    """

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
