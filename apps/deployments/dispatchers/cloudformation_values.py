"""A property of a drifted resource for people: its path, what it should be and what it is, without secrets. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.remote import read_json
from apps.deployments.dispatchers.words import said
from apps.rendering.model import ABSENT, Step

_HIDDEN = "password"
"""A name under which everything is hidden."""


def as_shown(run: Run, row: Mapping[str, Any], difference: Mapping[str, Any]) -> tuple[list[Step], Any, Any]:
    """Path, wanted, found. Where one side has a secret the other is one, too: nobody knows what took its place."""
    steps = [part.replace("~1", "/").replace("~0", "~") for part in str(difference["PropertyPath"]).split("/")[1:]]
    kind = difference.get("DifferenceType")
    wanted = ABSENT if kind == "ADD" else _value(difference["ExpectedValue"])
    found = ABSENT if kind == "REMOVE" else _value(difference["ActualValue"])
    sides = [
        (value, _in_place(run, row.get(properties), steps, value))
        for properties, value in (("ExpectedProperties", wanted), ("ActualProperties", found))
    ]
    has_secret = any(clean != value for value, clean in sides)
    shown = [_alone(run, value) if has_secret and clean == value else clean for value, clean in sides]
    path: list[Step] = [int(step) if step.isdecimal() else _name(run, step) for step in steps]
    return path, shown[0], shown[1]


def text_of(run: Run, text: Any) -> str:
    """Words of the account in ours."""
    return said(run.outside, _hidden(run, {"text": text if isinstance(text, str) else ""})["text"])


def _name(run: Run, step: str) -> str:
    """A name of a property, hidden as names are."""
    return str(next(iter(_hidden(run, {step: ""}))))


def _value(text: Any) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def _in_place(run: Run, properties: Any, steps: list[str], value: Any) -> Any:
    """Hidden as its place says: the names around it, and those beside it. Of an unknown place nothing is shown."""
    if value is ABSENT:
        return value
    try:
        body = copy.deepcopy(_value(properties))
        _at(body, steps[:-1])[_step(_at(body, steps[:-1]), steps[-1])] = value
        return _at(_hidden(run, body), steps)
    except (KeyError, IndexError, TypeError, ValueError):
        return _alone(run, value)


def _at(body: Any, steps: list[str]) -> Any:
    for step in steps:
        body = body[_step(body, step)]
    return body


def _step(body: Any, step: str) -> Any:
    return int(step) if isinstance(body, list) else step


def _alone(run: Run, value: Any) -> Any:
    """All of it hidden."""
    if value is ABSENT:
        return value
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return _hidden(run, {_HIDDEN: text})[_HIDDEN]


def _hidden(run: Run, body: Mapping[str, Any]) -> Any:
    assert run.to_apply is not None  # noqa: S101 - nothing is looked at without it
    return run.to_apply.hide(body)
