"""Compare-and-swap on rows: the only way a status may change."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model)


class CasQuerySet(models.QuerySet[M]):
    """A queryset that can change a row only if it still is what the caller saw."""

    def compare_and_swap(self, pk: Any, *, expected: dict[str, Any], changes: dict[str, Any]) -> bool:
        """Write ``changes`` to row ``pk`` if all of ``expected`` still holds.

        Returns whether this caller won. One UPDATE statement, so it is atomic on
        SQLite and PostgreSQL alike, and two callers can never both win.
        """
        return self.filter(pk=pk, **expected).update(**changes) == 1
