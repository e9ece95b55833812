"""Keyset paging: constant cost on any page of any length."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

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
    found, last = _first_page(rows, f"-{key}", limit=limit)
    return Page(found, getattr(last, key) if last is not None else None)


def _first_page(rows: QuerySet[T], *order: str, limit: int) -> tuple[list[T], Any]:
    """The first ``limit`` of ``rows``, and the last of these where more follow."""
    found = first_rows(rows, *order, limit=limit + 1)
    shown = found[:limit]
    return shown, shown[-1] if shown and len(found) > limit else None


FORMAT = "%Y%m%dT%H%M%S.%fZ"
NUMBER_DIGITS = 9
"""More of them fit no column that we look up."""


@dataclass(frozen=True, slots=True)
class LastSeen:
    """A line of a list that goes by moments: ``number`` tells those of one moment apart. In an address: ``20261130T222605.123456Z-17``."""

    moment: datetime
    number: int

    def __str__(self) -> str:
        return f"{self.moment.astimezone(UTC).strftime(FORMAT)}-{self.number}"

    @classmethod
    def read(cls, text: str) -> LastSeen | None:
        """From what :meth:`__str__` wrote; ``None`` for anything else."""
        moment, _, number = text.partition("-")
        if not (number.isascii() and number.isdigit() and len(number) <= NUMBER_DIGITS):
            return None
        try:
            return cls(datetime.strptime(moment, FORMAT).replace(tzinfo=UTC), int(number))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class MomentPage(Generic[T]):
    """``items`` and the place behind which the next page starts (``None``: this was the last)."""

    items: list[T]
    next_after: LastSeen | None


def moment_page(rows: QuerySet[T], *, moment: str, after: LastSeen | None, limit: int) -> MomentPage[T]:
    """The latest by the column ``moment`` first, among those of one moment the highest ``number``; ``after``: the last line seen.

    An index over both columns is read from where the page begins.
    """
    if after is not None:
        before = Q(**{f"{moment}__lt": after.moment}) | Q(number__lt=after.number)
        rows = rows.filter(before, **{f"{moment}__lte": after.moment})
    found, last = _first_page(rows, f"-{moment}", "-number", limit=limit)
    return MomentPage(found, LastSeen(getattr(last, moment), last.number) if last is not None else None)
