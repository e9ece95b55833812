"""Long answers in pieces: what is in memory is one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

CHUNK = 64 * 1024


async def in_chunks(head: bytes, parts: Iterator[bytes], tail: bytes) -> AsyncIterator[bytes]:
    """``head``, ``parts``, ``tail`` in pieces of about ``CHUNK`` bytes, each made in a thread while it is wanted.

    Asynchronous, because a plain generator is collected whole under ASGI. A client that leaves ends the work.
    """
    loop = asyncio.get_running_loop()
    yield head
    while chunk := await loop.run_in_executor(None, next_chunk, parts):
        yield chunk
    yield tail


def next_chunk(parts: Iterator[bytes]) -> bytes:
    """The next of ``parts`` together, until they are about ``CHUNK`` bytes; empty at their end."""
    chunk = bytearray()
    for part in parts:
        chunk += part
        if len(chunk) >= CHUNK:
            break
    return bytes(chunk)
