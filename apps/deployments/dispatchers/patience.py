"""How long one exchange with another system may take, however slowly it speaks, and whom it may be with; a lease is kept meanwhile.

The timeouts of httpx are for single reads: who sends a byte every ten seconds would hold a thread for days. So every
read of a connection, from the first byte of the headers on, gets no more time than the whole exchange has left.

Which addresses a name stands for is looked at before, but who answers for the name may tell httpx another one a moment later.
So the address that was really connected to is looked at, too, before a byte is sent to it. Behind a proxy nobody but the proxy knows that one.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from time import monotonic
from typing import Any

import httpcore

from apps.core.waiting import beat
from apps.deployments.dispatchers.addresses import Door

WHOLE = 60.0
"""Seconds of an exchange. The longest answers that are read come through in that time, or are asked for again."""


class Patience:
    """The time of the exchanges of one client, one after another, with ``host``. Its :attr:`extensions` go with each request."""

    def __init__(self, door: Door, host: str) -> None:
        self._door, self._host = door, host
        self._is_direct = False
        self._until = math.inf
        self.extensions = {"trace": self._watch}

    def begin(self) -> None:
        """An exchange begins now."""
        beat()
        self._until = monotonic() + WHOLE

    def _watch(self, event: str, told: Mapping[str, Any]) -> None:
        """httpcore tells of everything that it does; each connection that came about, or got its TLS, is watched."""
        if event == "connection.connect_tcp.started":
            self._is_direct = told.get("host") == self._host  # else it is a proxy
        stream = told.get("return_value")
        if isinstance(stream, httpcore.NetworkStream):
            if event == "connection.connect_tcp.complete" and self._is_direct:
                self._require_admitted(stream)
            read = stream.read

            def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
                beat()
                left = self._until - monotonic()
                if left <= 0:
                    raise httpcore.ReadTimeout(f"not done after {WHOLE:g} s")
                return read(max_bytes, left if timeout is None else min(timeout, left))

            stream.read = read_in_time  # type: ignore[method-assign]  # of this one connection

    def _require_admitted(self, stream: httpcore.NetworkStream) -> None:
        address = ipaddress.ip_address(str(stream.get_extra_info("server_addr")[0]).partition("%")[0])
        if not self._door.admits(address):
            stream.close()
            raise httpcore.ConnectError(f"{self._host} is {address} now, which this connection may not lead to")
