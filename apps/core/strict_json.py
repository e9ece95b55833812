"""JSON of which every reader makes the same: UTF-8, no key twice, no NaN."""

from __future__ import annotations

import json
from typing import Any


def read_strict_json(body: bytes) -> Any:
    """What ``body`` says; ``ValueError`` with the reason for anything that another reader might take for something else."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Which of two equal keys counts differs between parsers; what one shows another may ignore.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
