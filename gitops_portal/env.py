"""Typed reading of environment variables (12-factor); a bad value stops the start with a sentence."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from urllib.parse import urlsplit


class BadEnvironment(SystemExit):
    """A setting cannot be understood; starting anyway would hide it."""


def text(name: str, default: str = "") -> str:
    """The value of ``NAME``, or the content of the file that ``NAME_FILE`` names, which is meant for secrets and works for all."""
    file_name = os.environ.get(f"{name}_FILE")
    return _content(name, file_name) if file_name else os.environ.get(name, default)


def _content(name: str, file_name: str) -> str:
    """Never empty: whoever names a file means what stands there, and nothing would be another database or another key."""
    try:
        found = Path(file_name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadEnvironment(f"{name}_FILE: cannot read {file_name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadEnvironment(f"{name}_FILE: {file_name} is no text in UTF-8.") from error
    if not found:
        raise BadEnvironment(f"{name}_FILE: {file_name} is empty. Write the value there, or unset {name}_FILE.")
    return found


def flag(name: str, *, default: bool = False) -> bool:
    raw = text(name)
    if not raw:
        return default
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise BadEnvironment(f"{name} must be true or false, not {raw!r}.")


def number(name: str, default: float, *, least: float = 0, most: float = math.inf) -> float:
    """Finite, and between ``least`` and ``most``, both allowed."""
    raw = text(name)
    if not raw:
        return default
    try:
        found = float(raw)
    except ValueError as error:
        raise BadEnvironment(f"{name} must be a number, not {raw!r}.") from error
    if not math.isfinite(found) or not least <= found <= most:
        between = f"{least:g} or more" if most == math.inf else f"between {least:g} and {most:g}"
        raise BadEnvironment(f"{name} must be {between}, not {raw!r}.")
    return found


def whole(name: str, default: int, *, least: int = 0, most: float = math.inf) -> int:
    """The same without a fraction."""
    found = number(name, default, least=least, most=most)
    if found != int(found):
        raise BadEnvironment(f"{name} must be a whole number, not {text(name)!r}.")
    return int(found)


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    raw = text(name) or default
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


def origin(name: str, default: str) -> str:
    """A web address without a path, and without the slash behind it; ``default`` as it is, which was not set by this name."""
    found = url(name, ("https", "http")).removesuffix("/")
    if not found:
        return default
    try:
        parts = urlsplit(found)
        is_one = bool(parts.hostname) and not (parts.path or parts.query or parts.fragment or parts.username)
        is_one = (
            is_one and parts.port != 0 and not parts.netloc.startswith((".", "*"))
        )  # which Django takes for every host
    except ValueError:
        is_one = False
    if not is_one:
        raise BadEnvironment(f"{name} must be scheme and host, such as https://portal.example.org, not {found!r}.")
    return found


def host_of(address: str) -> str:
    """The host of an origin, as requests name it: an IPv6 address in brackets."""
    return re.sub(r":\d*$", "", address.partition("://")[2])
