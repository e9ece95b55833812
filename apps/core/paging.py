"""Keyset paging: constant cost on any page of any length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

T = TypeVar("T", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """``items`` and the key after which the next page starts (``None``: this was the last)."""

    items: list[T]
    next_after: int | None


def keyset_page(rows: QuerySet[T], *, key: str, after: int | None, limit: int) -> Page[T]:
    """Newest first by the unique integer column ``key``; ``after`` is the last key seen."""
    ordered = rows.order_by(f"-{key}")
    if after is not None:
        ordered = ordered.filter(**{f"{key}__lt": after})
    found: list[Any] = list(ordered[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return Page(found, getattr(found[-1], key) if more and found else None)
