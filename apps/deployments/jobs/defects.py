"""A defect of the portal's own, in words that can stand on a page."""

from __future__ import annotations

import traceback

import structlog

log = structlog.get_logger(__name__)


def defect_words(event: str, pk: int, error: Exception) -> str:
    """Logged as ``event`` of the row ``pk``. Neither page nor log has the words of the error, or its values: they can be those
    of a repository.
    """
    frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error(event, subject=pk, error=type(error).__name__, frames=frames)
    return f"The portal itself failed here ({type(error).__name__}). Its log has more."
