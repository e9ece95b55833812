"""A small memory of this process for things that are cheap to compute again but dear to copy."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """The ``size`` most recently used values by key; thread-safe. Values must never be changed.

    With ``weigh`` the size is the most that all of them together may weigh; what is heavier alone is not kept.
    """

    def __init__(self, size: int, *, weigh: Callable[[V], int] = lambda _: 1) -> None:
        self._size = size
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[str, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> V | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: str, value: V) -> V:
        with self._lock:
            if key in self._values:
                self._weight -= self._weigh(self._values.pop(key))
            self._values[key] = value
            self._weight += self._weigh(value)
            while self._weight > self._size:
                self._weight -= self._weigh(self._values.popitem(last=False)[1])
        return value

    def get_or(self, key: str, make: Callable[[], V]) -> V:
        """The value, made outside the lock when it is missing: two threads may make it twice, and it is equal."""
        found = self.get(key)
        return found if found is not None else self.put(key, make())

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._weight = 0
