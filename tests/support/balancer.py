"""A balancer before web processes: it asks each for ``/readyz`` and gives new connections to those that are ready.

It copies bytes and understands none of them. It never tries a second server: a connection that a server refuses or
cuts off is cut off for the client as well, so that whatever a restart breaks is seen.
"""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
import time
from contextlib import suppress
from typing import Self

LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 20.0


class Balancer:
    """Listens on ``port`` while it is entered; ``ready`` says of each server's port whether it takes part."""

    def __init__(self, *servers: int) -> None:
        self.ready = dict.fromkeys(servers, False)
        self._turns = itertools.count()
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._look, name="balancer-look", daemon=True).start()
        threading.Thread(target=self._accept, name="balancer-accept", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._listener.close()

    def wait_for(self, server: int, *, ready: bool) -> None:
        """Until ``server`` is ready, or is not any more."""
        until = time.monotonic() + 60
        while self.ready[server] is not ready:
            assert time.monotonic() < until, f"{server} did not become {'ready' if ready else 'unready'}"
            time.sleep(0.02)

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            for server in self.ready:
                self.ready[server] = readiness(server) == 200

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        servers = [server for server, is_ready in self.ready.items() if is_ready]
        with client:
            if servers:
                with suppress(OSError), socket.create_connection(("127.0.0.1", self._next(servers)), 5) as server:
                    server.settimeout(None)
                    back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                    back.start()
                    _copy(client, server)
                    back.join(PATIENCE_SECONDS)

    def _next(self, servers: list[int]) -> int:
        return servers[next(self._turns) % len(servers)]


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy until ``source`` ends, and say so to ``target``."""
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def readiness(server: int) -> int:
    """The status of ``/readyz`` of the server on this port; 0: it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=5)
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
