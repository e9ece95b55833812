"""Many WebSocket clients in one lean process (RFC 6455, only what a server sends to us: unmasked text, ping, close).

``python -m tests.bench.socket_clients PORT COOKIE PATH COUNT STOP OUT``: connects COUNT times, prints ``ready``, and when
the file STOP appears writes ``{"frames": [[seqs], …], "received": [[[frame, moment], …] per client]}`` to OUT.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Client(asyncio.Protocol):
    """One socket. ``received`` pairs the index of a frame (equal bytes are one frame) with the moment it came."""

    frames: dict[bytes, int] = {}  # shared on purpose: all sockets get the same bytes

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received: list[tuple[int, float]] = []
        self.buffer = b""
        self.closed = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(self.request)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = self.closed or f"lost: {error}"

    def data_received(self, data: bytes) -> None:
        moment = time.time()
        self.buffer += data
        if not self.open.done():
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.open.set_exception(AssertionError(head.decode()))
                return
            self.buffer = rest
            self.open.set_result(None)
        while (frame := self._frame()) is not None:
            kind, payload = frame
            if kind == TEXT:
                self.received.append((self.frames.setdefault(payload, len(self.frames)), moment))
            elif kind == PING:
                # A client's frames are masked; by four zeros, so that the payload stays as it is.
                self.transport.write(bytes((128 | PONG, 128 | len(payload), 0, 0, 0, 0)) + payload)
            elif kind == CLOSE:
                self.closed = f"closed with {int.from_bytes(payload[:2], 'big')}"

    def _frame(self) -> tuple[int, bytes] | None:
        data = self.buffer
        if len(data) < 2:
            return None
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        if len(data) < start + size:
            return None
        self.buffer = data[start + size :]
        return data[0] & 15, data[start : start + size]


async def main(port: int, cookie: str, path: str, count: int, stop: Path, out: Path) -> None:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    clients: list[Client] = []
    for _ in range(count):
        _, client = await asyncio.get_running_loop().create_connection(lambda: Client(request), "127.0.0.1", port)
        await asyncio.wait_for(client.open, 30)
        clients.append(client)
    print("ready", flush=True)
    while not stop.exists():
        await asyncio.sleep(0.1)
    frames = [json.loads(payload) for payload in Client.frames]
    body = {
        "frames": [[event["seq"] for event in frame.get("events", ())] for frame in frames],
        "received": [client.received for client in clients],
        "closed": [client.closed for client in clients if client.closed],
    }
    out.write_text(json.dumps(body))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(
        main(int(arguments[0]), arguments[1], arguments[2], int(arguments[3]), Path(arguments[4]), Path(arguments[5]))
    )
