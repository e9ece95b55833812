"""Two plans of one Terraform module, each made without a state, as one: what would change if the first were applied. Pure.

Of a plan without a state everything is created, so what it says of a resource is all that the code says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.rendering.comparing.equality import same
from apps.rendering.comparing.risks.reading import mapping_at, mappings_at
from apps.rendering.model import ABSENT, Json
from apps.rendering.terraform.values import with_unknown

_Plan = Mapping[str, Json]
_REPLACED_BY = "triggers_replace"
"""The one attribute of the one built-in type that cannot be changed in place."""


def as_one(before: _Plan | None, after: _Plan | None) -> dict[str, Json]:
    """A plan as Terraform would print it; ``None``: there is no module on this side. One of both must be there."""
    old, new = before or {}, after or {}
    return {
        **{key: (new or old).get(key) for key in ("format_version", "terraform_version", "checks")},
        "errored": bool(old.get("errored", False) or new.get("errored", False)),
        "complete": old.get("complete", True) is True and new.get("complete", True) is True,
        "resource_changes": _resources(old, new),
        "output_changes": _outputs(old, new),
    }


def _resources(old: _Plan, new: _Plan) -> list[Json]:
    left, right = _by_address(old), _by_address(new)
    found: list[Json] = []
    for key in {**left, **right}:
        entry = right.get(key) or left[key]
        change = _change(left.get(key), right.get(key))
        if change["actions"] == ["update"] and _replaces(change):
            change |= {"actions": ["delete", "create"], "replace_paths": [[_REPLACED_BY]]}
        named = {name: entry.get(name) for name in ("address", "mode", "type", "name", "provider_name")}
        found.append({**named, "change": change})
    return found


def _by_address(plan: _Plan) -> dict[tuple[Json, ...], Mapping[str, Json]]:
    return {
        tuple(str(entry.get(name)) for name in ("provider_name", "type", "address")): entry
        for entry in mappings_at(plan, "resource_changes")
        if entry.get("mode") == "managed"
    }


def _outputs(old: _Plan, new: _Plan) -> dict[str, Json]:
    left, right = mapping_at(old, "output_changes"), mapping_at(new, "output_changes")
    return {name: _change(_wrapped(left.get(name)), _wrapped(right.get(name))) for name in {**left, **right}}


def _wrapped(change: Json) -> Mapping[str, Json] | None:
    return None if change is None else {"change": change}


def _change(old: Mapping[str, Json] | None, new: Mapping[str, Json] | None) -> dict[str, Any]:
    before, after = _value(old), _value(new)
    if before is ABSENT or after is ABSENT:
        actions = ["create"] if before is ABSENT else ["delete"]
    else:
        actions = ["no-op"] if same(before, after) else ["update"]
    return {
        "actions": actions,
        "before": None if before is ABSENT else before,
        "after": None if after is ABSENT else after,
        "after_unknown": False,
        "before_sensitive": mapping_at(old, "change").get("after_sensitive", False),
        "after_sensitive": mapping_at(new, "change").get("after_sensitive", False),
    }


def _value(entry: Mapping[str, Json] | None) -> Json:
    change = mapping_at(entry, "change")
    return with_unknown(change.get("after"), change.get("after_unknown")) if entry is not None else ABSENT


def _replaces(change: Mapping[str, Json]) -> bool:
    before, after = (mapping_at(change, side).get(_REPLACED_BY) for side in ("before", "after"))
    return not same(before, after)
