"""What an account says that a change set will do (``describe_change_set``), as a difference. Pure: nobody is asked here.

Values are there only where the change set was asked for them (``IncludePropertyValues``); else a field is named, and what
it was and will be is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from apps.rendering.cloudformation.differences import BODY
from apps.rendering.cloudformation.problems import problem, shown
from apps.rendering.cloudformation.risks import action_risks, risks_of
from apps.rendering.cloudformation.secrets import hidden
from apps.rendering.comparing.equality import same, within_limits
from apps.rendering.comparing.fields import field_changes
from apps.rendering.comparing.paths import words
from apps.rendering.comparing.risks.reading import mapping_at, mappings_at, text_at
from apps.rendering.model import (
    ABSENT,
    UNKNOWN,
    Action,
    Difference,
    Failure,
    FieldChange,
    Json,
    ResourceChange,
    ResourceId,
    Risk,
    Step,
    Weight,
)
from apps.rendering.redaction import Fingerprint

_Path = tuple[Step, ...]
_ORDER = {action: at for at, action in enumerate(Action)}
_ACTIONS = {
    "Add": Action.CREATE,
    "Remove": Action.DELETE,
    "Modify": Action.UPDATE,
    "Import": Action.UPDATE,
    "Dynamic": Action.UPDATE,
    "SyncWithActual": Action.UPDATE,
}
_POLICIES = {"Remove": "DeletionPolicy", "Modify": "UpdateReplacePolicy"}
_ESCAPES = {"~1": "/", "~0": "~"}


def change_set_difference(changes: Iterable[Mapping[str, Json]], stack: str, fingerprint: Fingerprint) -> Difference:
    """The difference of ``Changes``, all pages joined. Raises ``UNSUPPORTED`` for what this does not know."""
    found = [_change(change, stack, fingerprint) for change in changes]
    return Difference(tuple(sorted(found, key=lambda change: (_ORDER[change.action], change.id))))


def _change(entry: Mapping[str, Json], stack: str, fingerprint: Fingerprint) -> ResourceChange:
    told = mapping_at(entry, "ResourceChange")
    does, kind, name = (text_at(told, key) for key in ("Action", "ResourceType", "LogicalResourceId"))
    if entry.get("Type", "Resource") != "Resource" or does not in _ACTIONS or not kind or not name:
        raise problem(f"The change set holds a change that is not known here ({shown(does)}).", Failure.UNSUPPORTED)
    sides = tuple(_side(told, key, kind, fingerprint) for key in ("BeforeContext", "AfterContext"))
    before = None if does == "Add" else sides[0]
    after = None if does == "Remove" else sides[1]
    action = Action.REPLACE if does == "Modify" and text_at(told, "Replacement") == "True" else _ACTIONS[does]
    change = ResourceChange(ResourceId("", kind, stack, name), action, before=before, after=after)
    if does in {"Modify", "SyncWithActual", "Dynamic"}:
        details = mappings_at(told, "Details")
        change = replace(change, fields=_fields(details, before, after, fingerprint))
        if action is Action.REPLACE:
            change = replace(change, replace_paths=tuple(_recreating(details)))
    risks = dict.fromkeys((*_risks(change, told), *_perhaps(told, change)))
    return replace(change, risks=tuple(sorted(risks, key=lambda risk: risk.weight is not Weight.HIGH)))


def _side(told: Mapping[str, Json], key: str, kind: str, fingerprint: Fingerprint) -> Mapping[str, Json] | None:
    try:
        context = json.loads(text_at(told, key) or "null")
    except (ValueError, RecursionError):
        raise problem(f"{key} of the change set is no JSON.") from None
    if not isinstance(context, dict):
        return None
    within_limits(context)
    body: Mapping[str, Json] = hidden({"Type": kind, **context}, fingerprint)
    return body


def _fields(
    details: Iterable[Mapping[str, Json]],
    before: Mapping[str, Json] | None,
    after: Mapping[str, Json] | None,
    fingerprint: Fingerprint,
) -> tuple[FieldChange, ...]:
    if before is not None and after is not None and not same(before, after):
        return field_changes(before, after, BODY)
    found: dict[_Path, FieldChange] = {}
    for detail in details:
        target = mapping_at(detail, "Target")
        path = _path(target)
        if path:
            old, new = (_value(target, key, path, fingerprint) for key in ("BeforeValue", "AfterValue"))
            kind = text_at(target, "AttributeChangeType")
            field = FieldChange(path, ABSENT if kind == "Add" else old, ABSENT if kind == "Remove" else new)
            found.setdefault(path, field)
    return tuple(found.values())


def _value(target: Mapping[str, Json], key: str, path: _Path, fingerprint: Fingerprint) -> Json:
    """Redacted under the name that it has."""
    if key not in target:
        return UNKNOWN
    name = next(step for step in reversed(path) if isinstance(step, str))
    return hidden({name: target[key]}, fingerprint)[name]


def _path(target: Mapping[str, Json]) -> _Path:
    pointer = text_at(target, "Path")
    if pointer.startswith("/"):
        return tuple(map(_step, pointer.split("/")[1:]))
    attribute, name = text_at(target, "Attribute"), text_at(target, "Name")
    return tuple(part for part in (attribute, name) if part)


def _step(part: str) -> Step:
    if part.isascii() and part.isdigit() and len(part) < 9:
        return int(part)
    for escape, character in _ESCAPES.items():
        part = part.replace(escape, character)
    return part


def _recreating(details: Iterable[Mapping[str, Json]]) -> Iterator[_Path]:
    """What forces the replacement: for sure, or, where nothing does so, perhaps."""
    found: dict[str, dict[_Path, None]] = {"Always": {}, "Conditionally": {}}
    for detail in details:
        target = mapping_at(detail, "Target")
        needs, path = text_at(target, "RequiresRecreation"), _path(target)
        if path and needs in found:
            found[needs][path] = None
    yield from found["Always"] or found["Conditionally"]


def _risks(change: ResourceChange, told: Mapping[str, Json]) -> Iterable[Risk]:
    """Those of the bodies only where they are known; those of the action always."""
    if change.before is not None or (change.action is Action.CREATE and change.after is not None):
        before, after = (_with_policy(side, told) for side in (change.before, change.after))
        return risks_of(replace(change, before=before, after=after))
    return action_risks(replace(change, before=_with_policy({"Type": change.id.kind}, told)))


def _with_policy(body: Mapping[str, Json] | None, told: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """With what the account says happens to the old resource."""
    policy, name = text_at(told, "PolicyAction").removeprefix("ReplaceAnd"), _POLICIES.get(text_at(told, "Action"))
    return {**body, name: policy} if body is not None and name and policy else body


def _perhaps(told: Mapping[str, Json], change: ResourceChange) -> Iterator[Risk]:
    name, does = shown(change.id), text_at(told, "Action")
    if does == "Import":
        yield Risk("hook", f"{name} is there already, and is taken into the stack.")
    elif does == "Dynamic":
        yield Risk("replace", f"{name} may be replaced or deleted: that is known only when the change set runs.")
    elif change.action is Action.UPDATE and text_at(told, "Replacement") == "Conditional":
        paths = ", ".join(shown(words(path)) for path in list(_recreating(mappings_at(told, "Details")))[:5])
        yield Risk("replace", f"{name} may be replaced: that depends on how {paths or 'it'} changes.")
    elif change.action is Action.UPDATE and text_at(told, "Replacement") != "False":
        yield Risk("replace", f"{name} may be replaced: the change set does not say.")
