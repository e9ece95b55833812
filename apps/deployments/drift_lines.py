"""Reading what a command printed about drift, whole and without its secrets. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from apps.core.terminal import without_sequences
from apps.deployments.command_output import hidden
from apps.deployments.dispatchers.drift import (
    ANOTHER,
    FIELD,
    KINDS,
    MOST_VALUE,
    TOLD,
    Finding,
    digest_of,
    value_words,
)
from apps.deployments.dispatchers.remote import plain, plain_name
from apps.deployments.masking import SecretMask
from apps.rendering.model import ABSENT

ALL_OF_IT = "What the command printed"
MOST_PROBLEMS = 5
NEED_VALUES = (FIELD, ANOTHER, TOLD)
"""Kinds of which only *that* something differs is known where neither side is told."""


@dataclass(frozen=True, slots=True)
class Named:
    """The differences that lines named, each once; ``problems``: lines that name something and could not be read."""

    findings: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()


def named_in(output: bytes, mask: SecretMask) -> Named:
    """Each line is read as it was printed: masked and shortened is what it says, not the line."""
    findings: dict[str, Finding] = {}
    problems: list[str] = []
    for number, line in enumerate(output.decode("utf-8", errors="replace").split("\n"), 1):
        if "{" not in line:
            continue
        try:
            one = _finding_of(line, mask)
        except (ValueError, TypeError, RecursionError) as problem:
            why = (
                "names it by something that is no text"
                if isinstance(problem, TypeError)
                else "is no JSON object that could be read"
            )
            problems.append(f"Line {number} of what the command printed speaks of a resource, and {why}.")
        else:
            if one is not None:
                findings.setdefault(one.mark(""), one)
    more = len(problems) - MOST_PROBLEMS
    told = [*problems[:MOST_PROBLEMS], *([f"And {more} more of them."] if more > 0 else [])]
    return Named(tuple(findings.values()), tuple(told))


def _finding_of(line: str, mask: SecretMask) -> Finding | None:
    """The difference that ``line`` names; ``None`` for words. :class:`ValueError` and the like where it would name one, and cannot be read."""
    text = without_sequences(line).strip() if "\x1b" in line else line.strip()
    is_named = '"resource"' in text
    try:
        found = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        if is_named:
            raise
        return None
    if isinstance(found, dict):
        return _finding(found, mask) if found.get("resource") is not None else None
    if is_named:
        raise ValueError("a list or a text")
    return None


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finding(one: dict[str, Any], mask: SecretMask) -> Finding:
    """``kind`` as in :data:`KINDS`; without it a field where there is a ``path``. What has no value on one side is absent there.

    A value with a secret in it is vague: another secret would read the same. :class:`ValueError` where it names nothing.
    """
    names = [_name(one["resource"]), "" if one.get("path") is None else _name(one["path"])]
    resource, path = (hidden(name, mask) for name in names)
    if not plain(resource):
        raise ValueError("the resource has no name")
    kind = one.get("kind")
    kind = kind if isinstance(kind, str) and kind in KINDS else FIELD if path else TOLD
    sides = [one.get(side, ABSENT) for side in ("wanted", "found")]
    shown = [_masked(side, mask) for side in sides]
    words = ["" if kind != FIELD and side is ABSENT else _words(side) for side in shown]
    is_untold = kind in NEED_VALUES and _same(*shown)
    return Finding(
        plain_name(resource),
        kind,
        plain_name(path),
        words[0],
        words[1],
        digest=digest_of(resource, kind, path, *shown),
        is_vague=is_untold or not all(map(_same, [*sides, *names], [*shown, resource, path])),
    )


def _name(given: Any) -> str:
    """A text or a number (:class:`TypeError`), as the name of a resource or the path in it."""
    if not isinstance(given, str | int) or isinstance(given, bool):
        raise TypeError("it is named by something else than a text")
    return str(given)


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and one == other)


def _masked(value: Any, mask: SecretMask) -> Any:
    """``value`` without the secrets in its texts, its numbers and the names of its fields; masked before anything is cut."""
    if isinstance(value, str):
        return hidden(value, mask)
    if isinstance(value, dict):
        return {hidden(key, mask): _masked(item, mask) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, mask) for item in value]
    if value is ABSENT or isinstance(value, bool) or value is None:
        return value
    text = json.dumps(value)
    return value if hidden(text, mask) == text else hidden(text, mask)


def _words(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return plain(value, MOST_VALUE) if isinstance(value, str) else value_words(value)


def whole_of(output: bytes, mask: SecretMask) -> Finding:
    """All that was printed; of what said nothing, or has a secret in it, only that something differs is known."""
    printed = output.decode("utf-8", errors="replace").replace("\x00", "\N{SYMBOL FOR NULL}")
    text = hidden(without_sequences(hidden(printed, mask)), mask)  # what a sequence had kept apart stands together now
    lines = "\n".join(map(_visible, text[: 2 * MOST_VALUE].strip().splitlines()))
    shown = lines if len(lines) <= MOST_VALUE else f"{lines[: MOST_VALUE - 1]}\N{HORIZONTAL ELLIPSIS}"
    is_vague = not shown or text != without_sequences(printed)
    return Finding(ALL_OF_IT, TOLD, found=shown, digest=digest_of(text), is_vague=is_vague)


def _visible(line: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in line).rstrip()
