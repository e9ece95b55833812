"""A masked log as a text file, written while it is read: a log may have gigabytes, and one piece of it is in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

from apps.deployments import queries
from apps.deployments.models import Deployment
from apps.presentation.chunks import next_chunk


async def log_file(deployment: Deployment, *, step: str = "", attempt: int | None = None) -> AsyncIterator[bytes]:
    """The log of a deployment, or of a step and attempt of it, in UTF-8, in pieces.

    Asynchronous, because a plain generator is collected whole under ASGI. All pieces are read in one thread of the
    process, whoever asks for them, and between two of them it holds no connection of the pool.
    """
    lines = (line.encode() for line in queries.log_text(deployment, step=step, attempt=attempt))
    read = sync_to_async(_next_piece)
    while piece := await read(lines):
        yield piece


def _next_piece(lines: Iterator[bytes]) -> bytes:
    try:
        return next_chunk(lines)
    finally:
        if not connection.in_atomic_block:
            close_old_connections()
