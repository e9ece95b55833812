"""The search grammar of change lists (UX §2.8): ``state:open repo:infra owner:me "free text"``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from apps.changes.lifecycle import OPEN, Status
from apps.core.errors import InvalidInput

TOKEN = re.compile(r'(?P<key>[A-Za-z_]+):(?:"(?P<quoted>[^"]*)"|(?P<value>[^\s"]*))|"(?P<phrase>[^"]*)"|(?P<word>\S+)')
NUMBER = re.compile(r"(?:CHG-|#)(?P<number>\d{1,9})", re.IGNORECASE)
KEYS = ("state", "repo", "author", "owner")
ALIASES = {"status": "state", "repository": "repo", "requester": "author"}
MAX_LENGTH = 500

STATES: dict[str, frozenset[str]] = {
    **{str(status): frozenset({str(status)}) for status in Status},
    "open": frozenset(str(status) for status in OPEN),
    "backlog": frozenset({str(Status.REQUESTED)}),
    "closed": frozenset({str(Status.DONE), str(Status.WITHDRAWN)}),
    "all": frozenset(str(status) for status in Status),
}
"""What can stand after ``state:``."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search. Each field holds alternatives (empty: anything); ``words`` must all occur."""

    states: frozenset[str] = frozenset()
    repositories: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()
    words: tuple[str, ...] = ()


def parse(text: str) -> Query:
    """``InvalidInput bad_query`` names the token that is not understood and what was probably meant."""
    if len(text) > MAX_LENGTH:
        raise InvalidInput("bad_query", f"A search may have at most {MAX_LENGTH} characters.", field="q")
    found: dict[str, set[str]] = {key: set() for key in KEYS}
    numbers: set[int] = set()
    words: list[str] = []
    for match in TOKEN.finditer(text.replace("\0", " ")):
        if match["key"]:
            key = _key(match["key"], match[0])
            found[key] |= _values(key, match["quoted"] if match["quoted"] is not None else match["value"], match[0])
        elif number := NUMBER.fullmatch(match["word"] or ""):
            numbers.add(int(number["number"]))
        elif word := (match["phrase"] or match["word"] or "").strip():
            words.append(word)
    return Query(
        states=frozenset(found["state"]),
        repositories=frozenset(found["repo"]),
        authors=frozenset(found["author"]),
        owners=frozenset(found["owner"]),
        numbers=frozenset(numbers),
        words=tuple(words),
    )


def _key(written: str, token: str) -> str:
    key = ALIASES.get(written.lower(), written.lower())
    if key not in KEYS:
        _refuse(token, f"'{written}:' is no filter", list(KEYS), key, suffix=":")
    return key


def _values(key: str, value: str, token: str) -> set[str]:
    if not value:
        _refuse(token, f"'{token}' has no value", [], "")
    if key != "state":
        return {value if key == "repo" else value.lower().lstrip("@")}
    wanted = value.lower().replace("-", "_").replace(" ", "_")
    if wanted not in STATES:
        _refuse(token, f"there is no state '{value}'", list(STATES), wanted, prefix="state:")
    return set(STATES[wanted])


def _refuse(token: str, why: str, known: list[str], wanted: str, *, prefix: str = "", suffix: str = "") -> None:
    near = get_close_matches(wanted, known, n=3, cutoff=0.5) or known
    suggestions = [f"{prefix}{name}{suffix}" for name in near]
    hint = f" Try {', '.join(suggestions)}." if suggestions else ""
    raise InvalidInput(
        "bad_query", f"The search was not understood: {why}.{hint}", field="q", token=token, suggestions=suggestions
    )
