"""What nobody can judge because it is hidden: a value that its author calls a secret, where risks are read.

Risks are read after secrets became fingerprints, so ``0.0.0.0/0`` in a parameter that is not to be shown would be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from apps.rendering.model import Json, Risk, Weight
from apps.rendering.redaction import MARK

_MASK = re.compile(r"\*{4,}")
"""How AWS itself shows what is hidden."""

_UNTOLD = {"exposure": "what it lets in", "iam": "what it allows", "destroy": "whether it still protects"}


def hidden_risks(
    before: Mapping[str, Json] | None, after: Mapping[str, Json] | None, places: Mapping[str, str]
) -> Iterator[Risk]:
    """``places``: the names under which risks are read, with their codes; in one another, the outer one counts.

    What was hidden before in the same way is no news.
    """
    known = set(_hidden(before or {}, places))
    for name in sorted(
        {name for name, path, value in _hidden(after or {}, places) if (name, path, value) not in known}
    ):
        code = places[name]
        yield Risk(code, f"{name} holds what is hidden as a secret: nobody can tell here {_UNTOLD[code]}.", Weight.HIGH)


def _hidden(body: Mapping[str, Json], places: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Each with its place and its way there; elements of lists may move."""
    left: list[tuple[Json, str, tuple[str, ...]]] = [(body, "", ())]
    while left:
        value, place, path = left.pop()
        if isinstance(value, Mapping):
            left += [(item, place or (key if key in places else ""), (*path, str(key))) for key, item in value.items()]
            left += [(str(key), place, path) for key in value if place and MARK in str(key)]
        elif isinstance(value, list):
            left += [(item, place, path) for item in value]
        elif place and isinstance(value, str) and (MARK in value or _MASK.fullmatch(value)):
            yield place, path, value
