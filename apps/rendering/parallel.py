"""Doing things at the same time that mostly wait for a tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_parallel(calls: Sequence[Callable[[], T]]) -> list[Future[T]]:
    """Each in a thread of its own, which must use no database; returns when all have ended, also where one fails.

    ``result()`` of each, asked for in order, raises what would have been raised one after the other.
    """
    with ThreadPoolExecutor(max(len(calls), 1), thread_name_prefix="rendering") as threads:
        return [threads.submit(call) for call in calls]
