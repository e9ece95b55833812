"""Looks for planted secrets wherever the portal shows or keeps anything, however they are written there."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.core.cache import cache, caches
from django.db.models import Model

MARKS = ("canary7f3e", "9d2ayranac")
"""Every planted secret begins with the first and ends with the second, so that a half of one is found too."""


def planted(name: str, between: str = '+/="<&\\é') -> str:
    """One secret with characters that every format writes in its own way."""
    return f"{MARKS[0]}{name}{between}{MARKS[1]}"


def forms(mark: str) -> list[bytes]:
    """What stands somewhere when a text that contains ``mark`` was written there: plain, in base64 at each of its three
    places, once and twice percent-encoded, in hexadecimal."""
    data = mark.encode()
    found = [data, data.hex().encode(), quote(mark).encode(), "".join(f"%{byte:02X}" for byte in data).encode()]
    found.append(json.dumps(mark)[1:-1].encode())
    for shift in range(3):
        inner = base64.b64encode(b"x" * shift + data).decode()
        found.append(inner[(4 if shift else 0) : len(inner) // 4 * 4 - 4].encode())
    return found


NEEDLES = tuple({form for mark in MARKS for form in forms(mark)})


def holds(data: bytes | str) -> bool:
    """Whether anything planted stands there."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return any(needle in raw for needle in NEEDLES)


def _bytes_of(value: Any) -> Iterator[bytes]:
    """A value of a column as bytes; what was compressed is unpacked, too."""
    if isinstance(value, (bytes, memoryview)):
        raw = bytes(value)
        yield raw
        try:
            yield zlib.decompress(raw).decode("unicode-escape").encode("utf-8", "surrogatepass")
        except (zlib.error, UnicodeDecodeError):
            return
    elif isinstance(value, (dict, list)):
        yield json.dumps(value, ensure_ascii=False, default=str).encode()
    elif isinstance(value, Model):
        return
    else:
        yield str(value).encode("utf-8", "surrogatepass")


def in_database() -> set[str]:
    """``app.Model.column`` of all places in all tables."""
    found = set()
    for model in apps.get_models(include_auto_created=True):
        for row in model._default_manager.all().iterator():
            for field in model._meta.concrete_fields:
                if any(map(holds, _bytes_of(getattr(row, field.attname)))):
                    found.add(f"{model._meta.label}.{field.name}")
    return found


def in_cache() -> set[str]:
    """The names of what is cached; of memory and of Redis."""
    kept: Mapping[Any, Any] = getattr(caches["default"], "_cache", {})
    if hasattr(kept, "get_client"):
        client = kept.get_client()
        kept = {key: client.get(key) for key in client.scan_iter("*") if client.type(key) == b"string"}
    return {str(key) for key, value in kept.items() if holds(str(key)) or any(map(holds, _cached(key, value)))}


def _cached(key: Any, value: Any) -> Iterator[bytes]:
    yield value if isinstance(value, bytes) else str(value).encode()
    try:
        yield repr(pickle.loads(value)).encode("utf-8", "surrogatepass")
    except (pickle.UnpicklingError, TypeError, EOFError):
        yield repr(cache.get(str(key))).encode("utf-8", "surrogatepass")
