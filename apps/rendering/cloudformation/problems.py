"""What is wrong with a template, first without its place; the reader of a file knows that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.rendering.model import Failure, RenderError
from apps.rendering.sandbox.messages import clean_message

_SHOWN = 120


def problem(what: str, failure: Failure = Failure.TEMPLATE) -> RenderError:
    return RenderError(failure, clean_message(what))


def shown(name: object) -> str:
    """A name of a template in a sentence."""
    text = str(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@contextmanager
def placed(path: str, line: int, where: str) -> Iterator[None]:
    """What is raised inside is told with its place, unless it already has one."""
    try:
        yield
    except RenderError as error:
        if error.path:
            raise
        place = f"{path}, line {line}" if line else path
        text = clean_message(f"{place} ({where}): {error.message}")
        raise RenderError(error.failure, text, path=path, line=line) from None
