"""How long one exchange with another system may take, however slowly it speaks; and that a lease is kept meanwhile.

The timeouts of httpx are for single reads: who sends a byte every ten seconds would hold a thread for days. So every
read of a connection, from the first byte of the headers on, gets no more time than the whole exchange has left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from typing import Any

import httpcore

from apps.core.waiting import beat

WHOLE = 60.0
"""Seconds of an exchange. The longest answers that are read come through in that time, or are asked for again."""


class Patience:
    """The time of the exchanges of one client, one after another. Its :attr:`extensions` go with each request."""

    def __init__(self) -> None:
        self._until = math.inf
        self.extensions = {"trace": self._watch}

    def begin(self) -> None:
        """An exchange begins now."""
        beat()
        self._until = monotonic() + WHOLE

    def _watch(self, event: str, told: Mapping[str, Any]) -> None:
        """httpcore tells of everything that it does; each connection that came about, or got its TLS, is watched."""
        stream = told.get("return_value")
        if isinstance(stream, httpcore.NetworkStream):
            read = stream.read

            def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
                beat()
                left = self._until - monotonic()
                if left <= 0:
                    raise httpcore.ReadTimeout(f"not done after {WHOLE:g} s")
                return read(max_bytes, left if timeout is None else min(timeout, left))

            stream.read = read_in_time  # type: ignore[method-assign]  # of this one connection
