"""Typed reading of environment variables (12-factor); a bad value stops the start with a sentence."""

from __future__ import annotations

import os
from pathlib import Path


class BadEnvironment(SystemExit):
    """A setting cannot be understood; starting anyway would hide it."""


def text(name: str, default: str = "") -> str:
    """The value of ``NAME``, or the content of the file that ``NAME_FILE`` names (for secrets)."""
    file_name = os.environ.get(f"{name}_FILE")
    if file_name:
        try:
            return Path(file_name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadEnvironment(f"{name}_FILE: cannot read {file_name}: {error.strerror}") from error
    return os.environ.get(name, default)


def flag(name: str, *, default: bool = False) -> bool:
    raw = os.environ.get(name, "")
    if not raw:
        return default
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise BadEnvironment(f"{name} must be true or false, not {raw!r}.")


def number(name: str, default: float) -> float:
    raw = os.environ.get(name, "")
    if not raw:
        return default
    try:
        return float(raw)
    except ValueError as error:
        raise BadEnvironment(f"{name} must be a number, not {raw!r}.") from error


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    raw = os.environ.get(name, "") or default
    if raw not in allowed:
        raise BadEnvironment(f"{name} must be one of {', '.join(allowed)}, not {raw!r}.")
    return raw


def words(name: str, default: str = "", separator: str = ",") -> list[str]:
    return [word.strip() for word in text(name, default).split(separator) if word.strip()]


def folders(name: str) -> list[str]:
    """Absolute paths, separated by colons."""
    found = words(name, separator=":")
    for one in found:
        if not Path(one).is_absolute():
            raise BadEnvironment(f"{name} must be absolute paths, not {one!r}.")
    return found


def folder(name: str, default: str) -> Path:
    """A directory that exists, or is made here, and into which we may write."""
    place = Path(text(name, default)).resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadEnvironment(f"{name}: {place} cannot be made or is no directory: {error.strerror}.") from error
    if not os.access(place, os.W_OK | os.X_OK):
        raise BadEnvironment(f"{name}: this user may not write into {place}.")
    return place


def url(name: str, schemes: tuple[str, ...]) -> str:
    """The value, if it begins with one of ``schemes``. Never shown in full: it may hold a password."""
    raw = text(name)
    scheme, separator, rest = raw.partition("://")
    if raw and (scheme not in schemes or not separator or not rest):
        known = ", ".join(f"{found}://" for found in schemes)
        raise BadEnvironment(f"{name} must be a URL that begins with {known}; it begins with {scheme[:12]!r}.")
    return raw
