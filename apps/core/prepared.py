"""Questions that every page asks: their SQL is written once per process, each asking only binds values.

Putting a queryset into SQL costs Django five to ten times what SQLite or PostgreSQL needs to answer it by key
(docs/performance.md). Only for questions on a hot path whose shape never changes; everything else stays a queryset.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet

T = TypeVar("T")
_LARGEST = 2**63  # of the whole numbers that a database knows
_FIRST_MARK = 2_110_000_001  # stands for a value while SQL is written: within 32 bits (PostgreSQL), and no number of ours comes near


class _Written(NamedTuple):
    """``places[i]`` is which value the i-th parameter takes, or -1 for the constant ``fixed[i]``."""

    queryset: QuerySet[Any]
    compiler: Any
    sql: str
    fixed: tuple[Any, ...]
    places: tuple[int, ...]


class Prepared(Generic[T]):
    """A queryset as a function of so many whole numbers (keys): ``Prepared(lambda pk: User.objects.filter(pk=pk), 1)``.

    ``ask(*keys)`` returns what the queryset would: rows of its model, or what ``values_list`` says, always asked of
    the database anew. A value that does not become exactly one parameter is refused when the SQL is written.
    """

    def __init__(self, question: Callable[..., QuerySet[Any, T]], values: int) -> None:
        self._question = question
        self._values = values
        self._written: _Written | None = None

    def ask(self, *keys: int) -> list[T]:
        """Every row, for ``keys`` in the order of the question's parameters."""
        if not all(-_LARGEST <= key < _LARGEST for key in keys):
            return []
        written = self._written or self._write()
        bound = [
            keys[place] if place >= 0 else fixed for place, fixed in zip(written.places, written.fixed, strict=True)
        ]
        compiler = copy(written.compiler)  # the written one belongs to no thread; a connection belongs to one
        compiler.connection = connections[DEFAULT_DB_ALIAS]
        compiler.as_sql = lambda *_args, **_kwargs: (written.sql, bound)
        query = SimpleNamespace(get_compiler=lambda *_args, **_kwargs: compiler)
        source = SimpleNamespace(
            db=DEFAULT_DB_ALIAS, query=query, model=written.queryset.model, _known_related_objects={}
        )
        # Django's own way from rows to objects; it needs of a queryset no more than ``source`` has.
        iterable: Any = written.queryset._iterable_class  # noqa: SLF001
        return list(iterable(source))

    def first(self, *keys: int) -> T | None:
        """The first row, or ``None``."""
        return next(iter(self.ask(*keys)), None)

    def _write(self) -> _Written:
        marks = [_FIRST_MARK + index for index in range(self._values)]
        queryset = self._question(*marks)
        compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
        sql, fixed = compiler.as_sql()
        places = tuple(marks.index(value) if value in marks else -1 for value in fixed)
        if set(range(self._values)) - set(places):
            raise TypeError("Each value of a prepared question has to become a parameter of its SQL.")
        compiler.connection = None
        self._written = _Written(queryset, compiler, sql, tuple(fixed), places)
        return self._written
