"""Lists in pages: ``{"results": […], "next": address or null}``, by the key of the last row seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.endpoints import query
from apps.core.errors import InvalidInput
from apps.core.paging import LastSeen

T = TypeVar("T")
M = TypeVar("M", bound=Model)
AFTER = query("after", "Where the page before ended; taken from its `next`.", int)
AFTER_MOMENT = query("after", "Where the page before ended: moment and number; taken from its `next`.")
AFTER_NAME = query("after", "The last name of the page before; taken from its `next`.")
LIMIT = query("limit", "Rows in one page.", {"type": "integer", "minimum": 1})
BAD_AFTER = "after is taken from the `next` of the page before."
MAX_DIGITS = 15
NAMES = 200
"""Rows of a page of names (people, teams, repositories)."""


def page(request: Request, rows: Iterable[T], write: Callable[[T], dict[str, Any]], after: object = None) -> Response:
    """The rows as JSON; ``after`` is the key with which the next page goes on, ``None`` on the last."""
    return Response({"results": [write(row) for row in rows], "next": _following(request, after)})


def names_page(request: Request, rows: QuerySet[M], write: Callable[[M], dict[str, Any]], *, key: str) -> Response:
    """A page of ``rows`` in the order of their unique text column ``key``."""
    limit = page_size(request, default=NAMES, most=1000)
    after = request.query_params.get("after", "")
    if after:
        rows = rows.filter(**{f"{key}__gt": after})
    found = list(rows.order_by(key)[: limit + 1])
    last = getattr(found[limit - 1], key) if len(found) > limit else None
    return page(request, found[:limit], write, last)


def page_size(request: Request, default: int = 50, most: int = 200) -> int:
    """``?limit=`` from 1 to ``most``."""
    limit = number_parameter(request, "limit")
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise InvalidInput("bad_limit", f"limit is a number from 1 to {most}.", field="limit")
    return limit


def number_parameter(request: Request, name: str) -> int | None:
    """A whole number that is not negative; ``None`` without the parameter."""
    raw = request.query_params.get(name, "")
    if not raw:
        return None
    if not (raw.isascii() and raw.isdecimal()) or len(raw) > MAX_DIGITS:
        raise InvalidInput(f"bad_{name}", f"{name} is a whole number of at most {MAX_DIGITS} digits.", field=name)
    return int(raw)


def last_seen(request: Request) -> LastSeen | None:
    """The last line of the page before, of a list that goes by moments; ``None`` without it."""
    raw = request.query_params.get("after", "")
    found = LastSeen.read(raw)
    if raw and found is None:
        raise InvalidInput("bad_after", BAD_AFTER, field="after")
    return found


def word_parameter(request: Request, name: str, known: Iterable[str]) -> str:
    """One of ``known``, or '' without the parameter."""
    raw = request.query_params.get(name, "")
    words = sorted(known)
    if raw and raw not in words:
        raise InvalidInput(f"bad_{name}", f"{name} is one of {', '.join(words)}.", field=name)
    return raw


def _following(request: Request, after: object) -> str | None:
    if after is None:
        return None
    parameters = request.query_params.copy()
    parameters["after"] = str(after)
    return request.build_absolute_uri(f"{request.path}?{parameters.urlencode()}")
