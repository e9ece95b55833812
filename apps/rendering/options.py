"""Options of a target, read with their types; what is wrong is told as the configuration's fault."""

from __future__ import annotations

import re

from apps.rendering.model import Failure, RenderError
from apps.rendering.paths import rooted
from apps.rendering.protocol import Target

KEEPS_PARAMETERS = "keeps_parameters"
"""Of a stack that was found by looking: parameters that are given nowhere are as they are, whatever that is. No policy says it."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def text(target: Target, option: str, default: str = "") -> str:
    value = target.options.get(option, default)
    if isinstance(value, float | int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise wrong(target, option, "must be text")
    return value


def texts(target: Target, option: str) -> tuple[str, ...]:
    value = target.options.get(option) or []
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise wrong(target, option, "must be a list of texts")
    return tuple(value)


def switch(target: Target, option: str, *, default: bool) -> bool:
    value = target.options.get(option, default)
    if not isinstance(value, bool):
        raise wrong(target, option, "must be true or false")
    return value


def path(target: Target, option: str) -> str:
    """A path of the repository; the repository itself is empty."""
    value = text(target, option)
    if option not in target.options:
        raise wrong(target, option, "is missing")
    return rooted(value, option)


def name(target: Target, option: str, default: str = "") -> str:
    """A name as Kubernetes has them; it may be empty."""
    value = text(target, option, default)
    if value and (len(value) > 63 or not _NAME.fullmatch(value)):
        raise wrong(target, option, "must be a name of small letters, digits and hyphens")
    return value


def wrong(target: Target, option: str, what: str) -> RenderError:
    return RenderError(Failure.MISSING_INPUT, f"{option} of the target {target.name} {what}.")
