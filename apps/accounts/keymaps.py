"""One person's keys for the shortcuts of the table: what may be chosen, and what then holds (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations

from apps.accounts.shortcuts import BY_ID, SHORTCUTS
from apps.core.errors import InvalidInput

NAMED = {name.lower(): name for name in ("Home", "End", "PageUp", "PageDown", "Insert")}
"""Keys without a sign that may be chosen, as the browser names them."""

_NEEDED = {"tab", "enter", "return", "escape", "esc", "space", "spacebar", "backspace", "delete", "del"}
_NEEDED |= {"up", "down", "left", "right", "arrowup", "arrowdown", "arrowleft", "arrowright", "contextmenu"}
_SHIFTED = re.compile(r"shift\s*\+\s*(?=\S)", re.IGNORECASE)
_MODIFIED = re.compile(r"(ctrl|control|alt|option|meta|cmd|command|win|super|mod|altgr)\s*\+|[⌘⌥⌃]", re.IGNORECASE)
_FUNCTION = re.compile(r"f\d{1,2}", re.IGNORECASE)
_HELP = "Type one letter, digit or sign, Shift+ and a letter, or two of them with a space between (“g q”)."


def effective(own: Mapping[str, str]) -> dict[str, str]:
    """The keys of every shortcut, ``own`` before the defaults; ``""`` has none. Ids that ended are ignored.

    A default that came later and needs a key which is in ``own`` waits: it has none until the person gives it one.
    """
    chosen = [keys for name, keys in own.items() if keys and name in BY_ID]
    return {name: keys if name in own or not _is_taken(keys, chosen) else "" for name, keys in _merged(own).items()}


def _merged(own: Mapping[str, str]) -> dict[str, str]:
    return {one.id: one.keys if one.fixed else own.get(one.id, one.keys) for one in SHORTCUTS}


def _is_taken(keys: str, chosen: Iterable[str]) -> bool:
    return any(_begins(one, keys) or _begins(keys, one) for one in chosen)


def _begins(first: str, keys: str) -> bool:
    """Whether who types ``keys`` has typed ``first`` by then: it is the same, or the first key of the two."""
    return f"{keys} ".startswith(f"{first} ")


def checked(wanted: Mapping[str, str]) -> dict[str, str]:
    """What of ``wanted`` (id → keys as they were typed, empty for none) differs from the defaults.

    InvalidInput ``bad_shortcuts`` with a sentence for each shortcut that cannot have its keys: reserved, misspelt, or
    given twice; then both shortcuts are named, at both.
    """
    fields: dict[str, str] = {}
    own: dict[str, str] = {}
    for name, typed in wanted.items():
        try:
            keys = _keys_of(name, typed)
        except ValueError as problem:
            fields[name] = str(problem)
            continue
        if keys != BY_ID[name].keys:
            own[name] = keys
    fields |= {name: text for name, text in _collisions(_merged(own)).items() if name not in fields}
    if fields:
        raise InvalidInput("bad_shortcuts", "These keys cannot be taken: " + " ".join(fields.values()), fields=fields)
    return own


def _keys_of(name: str, typed: str) -> str:
    if name not in BY_ID:
        raise ValueError(f"There is no shortcut “{name[:40]}”.")
    if BY_ID[name].fixed:
        if typed.strip() == BY_ID[name].keys:
            return typed.strip()
        raise ValueError(f"The keys of “{BY_ID[name].text}” cannot be changed.")
    if _MODIFIED.search(typed):
        raise ValueError("Keys with Ctrl, Alt or ⌘ belong to the browser and the system. " + _HELP)
    shifted = _SHIFTED.sub("\x00", typed.strip())  # marks the key that follows, whatever spaces were typed
    keys = [_key_of(part) for part in shifted.split()]
    if len(keys) > 2 or (len(keys) == 2 and any(key in NAMED.values() for key in keys)):
        raise ValueError("At most two keys after each other, both with a sign. " + _HELP)
    return " ".join(keys)


def _key_of(part: str) -> str:
    with_shift, part = part.startswith("\x00"), part.removeprefix("\x00")
    if part.lower() in _NEEDED or _FUNCTION.fullmatch(part):
        raise ValueError(f"{part} is needed for moving around, for typing or by the browser. " + _HELP)
    if part.lower() in NAMED and not with_shift:
        return NAMED[part.lower()]
    if len(part) != 1 or not part.isprintable() or ord(part) > 0xFFFF:
        raise ValueError(f"“{part[:20]}” is no key that this page knows. " + _HELP)
    if not with_shift:
        return part
    if len(part.upper()) != 1 or part.upper() == part.lower():
        raise ValueError("Shift goes with letters; a sign is typed as it stands (“?”). " + _HELP)
    return part.upper()


def _collisions(keys: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one, other in combinations([name for name in keys if keys[name]], 2):
        if keys[one] == keys[other]:
            found.setdefault(one, f"“{keys[one]}” is also the key of “{BY_ID[other].text}”; give one of them another.")
            found.setdefault(
                other, f"“{keys[other]}” is also the key of “{BY_ID[one].text}”; give one of them another."
            )
            continue
        for first, pair in ((one, other), (other, one)):
            if _begins(keys[first], keys[pair]):
                text = (
                    f"“{keys[first]}” of “{BY_ID[first].text}” hides “{keys[pair]}” of “{BY_ID[pair].text}”: "
                    "a key cannot also be the first of two."
                )
                found.setdefault(one, text)
                found.setdefault(other, text)
    return found
