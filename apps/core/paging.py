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


def first_rows(rows: QuerySet[T], *order: str, limit: int) -> list[T]:
    """The first ``limit`` of ``rows`` in ``order`` (which must be total), with the relations that ``rows`` selects.

    Which rows they are is found among keys alone, in an index; only those are then read and joined.
    Otherwise a database may read, join and sort every visible row to show 25 of them.
    """
    chosen = rows.select_related(None).order_by(*order).values("pk")[:limit]
    shown = rows.model._default_manager.filter(pk__in=chosen).order_by(*order)
    shown.query.select_related = rows.query.select_related
    return list(shown)


def keyset_page(rows: QuerySet[T], *, key: str, after: int | None, limit: int) -> Page[T]:
    """Newest first by the unique integer column ``key``; ``after`` is the last key seen."""
    if after is not None:
        rows = rows.filter(**{f"{key}__lt": after})
    found: list[Any] = first_rows(rows, f"-{key}", limit=limit + 1)
    more = len(found) > limit
    found = found[:limit]
    return Page(found, getattr(found[-1], key) if more and found else None)
