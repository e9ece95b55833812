"""Answers that are sent in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import cast

from asgiref.sync import async_to_sync
from django.http import StreamingHttpResponse


def pieces_of(answer: object) -> list[bytes]:
    """The pieces, as the server asks for them."""

    async def read() -> list[bytes]:
        content = cast("AsyncIterable[bytes]", cast("StreamingHttpResponse", answer).streaming_content)
        return [piece async for piece in content]

    return async_to_sync(read)()  # what the stream reads from the database is read in this thread, as the test wrote it


def body_of(answer: object) -> bytes:
    """All of it."""
    return b"".join(pieces_of(answer))
